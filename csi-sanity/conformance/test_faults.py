"""Processes that are stopped or killed in the middle of calls: every call returns, nothing is lost or doubled."""

import os
import signal
import subprocess
import sys
import time

import grpc
import pytest

from csi_client import system
from csi_client.client import GIB, capacity
from csi_client.driver import FUSE_TYPE


def ends_by_its_deadline(call, seconds):
    """Runs a call with this deadline; it may fail but must have returned, and the plugin itself must serve on."""
    begin = time.monotonic()
    try:
        call()
        code = "OK"
    except grpc.RpcError as error:
        code = error.code().name
    assert time.monotonic() - begin < seconds + 2
    return code


# A worker that does not answer.

def test_every_call_returns_by_its_deadline_while_the_worker_is_stopped(isolated):
    volume, target, _ = isolated.published()
    other = isolated.target()
    [worker] = isolated.workers()
    with system.stopped(worker):
        client, seconds = isolated.client, 3
        calls = {
            "stats": lambda: client.call("Node.NodeGetVolumeStats", timeout=seconds, volume_id=volume.volume_id,
                                         volume_path=str(target)),
            "expand": lambda: client.call("Node.NodeExpandVolume", timeout=seconds, volume_id=volume.volume_id,
                                          volume_path=str(target), capacity_range=capacity(GIB)),
            "repeat": lambda: isolated.publish(volume, target, timeout=seconds),
            "second target": lambda: isolated.publish(volume, other, timeout=seconds),
            "get": lambda: client.call("Controller.ControllerGetVolume", timeout=seconds, volume_id=volume.volume_id),
            "list": lambda: client.call("Controller.ListVolumes", timeout=seconds),
            "delete": lambda: client.call("Controller.DeleteVolume", timeout=seconds, volume_id=volume.volume_id),
            "probe": lambda: client.call("Identity.Probe", timeout=seconds),
        }
        codes = {name: ends_by_its_deadline(call, seconds) for name, call in calls.items()}
    assert codes["probe"] == codes["list"] == codes["get"] == "OK", codes
    assert codes["delete"] == "FAILED_PRECONDITION", codes
    # The volume serves again once the worker goes on.
    (target / "file").write_text("x")


def test_stats_of_a_stopped_worker_report_it_or_exceed_the_deadline(isolated):
    volume, target, _ = isolated.published()
    [worker] = isolated.workers()
    with system.stopped(worker):
        try:
            reply = isolated.client.call("Node.NodeGetVolumeStats", timeout=5, volume_id=volume.volume_id,
                                         volume_path=str(target))
            assert reply.volume_condition.abnormal and reply.volume_condition.message
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_stopped_worker_can_be_unpublished(isolated):
    _, target, _ = isolated.published()
    [worker] = isolated.workers()
    with system.stopped(worker):
        isolated.unpublish(target, timeout=30)
        assert not target.exists()
        assert system.wait_for_exit(worker, 15)


def test_a_stopped_worker_holds_up_no_other_volume(isolated):
    isolated.published()
    [stopped] = isolated.workers()
    with system.stopped(stopped):
        volume, target, _ = isolated.published()
        (target / "file").write_text("x")
        isolated.unpublish(target, timeout=10)


def test_stats_abandoned_a_hundred_times_leave_the_plugin_serving(isolated):
    """Each abandoned call may hold a thread until the worker goes on: there must be a limit, and all must come back."""
    volume, target, _ = isolated.published()
    [worker] = isolated.workers()
    with system.stopped(worker):
        calls = [isolated.client.start("Node.NodeGetVolumeStats", timeout=2, volume_id=volume.volume_id,
                                       volume_path=str(target)) for _ in range(100)]
        for call in calls:
            call.exception()
        assert isolated.client.call("Identity.Probe", timeout=5).ready.value
        assert len(os.listdir(f"/proc/{isolated.pid}/task")) < 100
    # The first answers may still be on their way to those who have given up.
    while not is_healthy(isolated, volume, target):
        pass


def is_healthy(driver, volume, target):
    reply = driver.client.call("Node.NodeGetVolumeStats", volume_id=volume.volume_id, volume_path=str(target))
    return not reply.volume_condition.abnormal


# A mounter that does not answer, or is gone.

def test_calls_return_by_their_deadline_while_the_mounter_is_stopped(isolated):
    volume, target, _ = isolated.published()
    mounter = isolated.mounter()
    with system.stopped(mounter):
        codes = [
            ends_by_its_deadline(lambda: isolated.publish(volume, isolated.target(), timeout=3), 3),
            ends_by_its_deadline(lambda: isolated.client.call(
                "Node.NodeGetVolumeStats", timeout=3, volume_id=volume.volume_id, volume_path=str(target)), 3),
        ]
        assert isolated.client.call("Identity.Probe", timeout=3).ready.value
        (target / "file").write_text("the worker does not need the mounter")
    assert len(codes) == 2


# A plugin that is killed.

def test_the_mounts_outlive_the_plugin_and_the_next_one_finds_them(isolated):
    volume, target, _ = isolated.published()
    workers, mounter = isolated.workers(), isolated.mounter()
    with open(target / "file", "w", encoding="ascii") as file:
        isolated.kill()
        file.write("written while there is no plugin")
        file.flush()
        isolated.start()
        file.write(", and after")
    assert (target / "file").read_text() == "written while there is no plugin, and after"
    assert (isolated.workers(), isolated.mounter()) == (workers, mounter)
    isolated.publish(volume, target)
    second = isolated.publish(volume)
    assert isolated.workers() == workers
    isolated.unpublish(second)
    isolated.unpublish(target)
    assert not target.exists()


APPLICATION = """
import os, sys
folder = sys.argv[1]
file = os.open(f"{folder}/blocks", os.O_RDWR | os.O_CREAT)
log = os.open(f"{folder}/log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
number = 0
for line in sys.stdin:
    for _ in range(int(line)):
        block = b"%07d " % number * 512
        place = number % 64 * len(block)
        assert os.pwrite(file, block, place) == len(block)
        assert os.pread(file, len(block), place) == block
        with open(f"{folder}/new", "xb") as other:
            other.write(block)
        os.rename(f"{folder}/new", f"{folder}/latest")
        with open(f"{folder}/latest", "rb") as other:
            assert other.read() == block
        os.write(log, b"%07d\\n" % number)
        number += 1
    print(number, flush=True)
"""


def test_a_plugin_killed_again_and_again_disturbs_no_application_and_the_next_one_serves_on(isolated):
    volume, target, directory = isolated.published()
    workers, mounter = isolated.workers(), isolated.mounter()
    program = subprocess.Popen([sys.executable, "-S", "-c", APPLICATION, str(target)], text=True,
                               stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def work(rounds):
        program.stdin.write(f"{rounds}\n")
        program.stdin.flush()

    try:
        for kills in range(1, 6):
            # One kill and one start into the middle of its work, and some work while there is no plugin at all.
            work(100)
            isolated.kill()
            work(10)
            assert program.stdout.readline() and program.stdout.readline()
            work(100)
            isolated.start()
            assert int(program.stdout.readline()) == 210 * kills
            reply = isolated.client.call("Node.NodeGetVolumeStats", volume_id=volume.volume_id,
                                         volume_path=str(target))
            assert reply.usage and not reply.volume_condition.abnormal
            second = isolated.publish(volume)
            assert (second / "latest").exists()
            isolated.unpublish(second)
            assert (isolated.workers(), isolated.mounter()) == (workers, mounter)
        program.stdin.close()
        assert program.wait(timeout=20) == 0
    finally:
        program.kill()
        program.wait()
        program.stdout.close()
    assert (directory / "log").read_text().split() == [f"{number:07d}" for number in range(210 * 5)]
    isolated.unpublish(target)
    assert not target.exists()
    assert all(system.wait_for_exit(pid, 5) for pid in workers)


def test_an_orderly_end_of_the_plugin_leaves_the_mounts_alone(isolated):
    _, target, _ = isolated.published()
    assert isolated.kill(signal.SIGTERM) == 0
    (target / "file").write_text("x")
    isolated.start()
    assert (target / "file").read_text() == "x"


def test_published_volumes_stay_known_after_a_restart(isolated):
    volume, target, _ = isolated.published()
    isolated.restart()
    reply = isolated.client.call("Node.NodeGetVolumeStats", volume_id=volume.volume_id, volume_path=str(target))
    assert reply.usage and not reply.volume_condition.abnormal
    with pytest.raises(grpc.RpcError) as error:
        isolated.client.call("Controller.DeleteVolume", volume_id=volume.volume_id)
    assert error.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_volumes_stay_known_after_a_restart(isolated):
    created = [isolated.create(size=number * GIB) for number in (1, 2, 3)]
    isolated.restart()
    listed = [entry.volume for entry in isolated.client.call("Controller.ListVolumes").entries]
    key = lambda volume: volume.volume_id  # noqa: E731
    assert sorted(listed, key=key) == sorted(created, key=key)


KILLED = ["publish", "unpublish", "create", "delete"]


@pytest.mark.parametrize("call", KILLED)
def test_a_plugin_killed_in_the_middle_of_a_call_finishes_it_after_the_restart(isolated, call):
    """Ten kills, each a little later into the call than the last; after each the repeat succeeds and nothing doubles."""
    directory = isolated.source()
    path = f"file://{directory}"
    kept, kept_target, _ = isolated.published()
    (kept_target / "file").write_text("kept")
    for number in range(10):
        name = f"{call}-{number}"
        target = isolated.target()
        volume = None
        if call != "create":
            volume = isolated.create(name, path=path, provisioning="directory", onDelete="delete",
                                     directoryPattern="${volume.id}")
        if call == "unpublish":
            isolated.publish(volume, target)
        kill_during(isolated, call, number, name, volume, target, path)
        isolated.start()
        if call == "create":
            volume = isolated.create(name, path=path, provisioning="directory", onDelete="delete",
                                     directoryPattern="${volume.id}")
        elif call == "publish":
            isolated.publish(volume, target)
            (target / "file").write_text("x")
        if call in ("publish", "unpublish"):
            isolated.unpublish(target, volume.volume_id)
            assert not target.exists()
        isolated.delete(volume.volume_id)
        assert list(directory.iterdir()) == []
        fuse = [mount.point for mount in isolated.mounts() if mount.kind == FUSE_TYPE]
        assert len(fuse) == 2 and str(kept_target) in fuse, fuse
        assert (kept_target / "file").read_text() == "kept"
        listed = [entry.volume.volume_id for entry in isolated.client.call("Controller.ListVolumes").entries]
        assert listed == [kept.volume_id]


def kill_during(driver, call, number, name, volume, target, path):
    """Starts the call and kills the plugin after `number` further calls have been answered: a clock that runs with the
    plugin's own speed, from before the call is read to after it is done."""
    from csi_client.client import capability
    if call == "publish":
        future = driver.start_publish(volume, target)
    elif call == "unpublish":
        future = driver.client.start("Node.NodeUnpublishVolume", volume_id=volume.volume_id, target_path=str(target))
    elif call == "delete":
        future = driver.client.start("Controller.DeleteVolume", volume_id=volume.volume_id)
    else:
        driver._volumes[name] = None
        future = driver.client.start(
            "Controller.CreateVolume", name=name, volume_capabilities=[capability()],
            parameters={"path": path, "provisioning": "directory", "onDelete": "delete",
                        "directoryPattern": "${volume.id}"})
    for _ in range(number * 3):
        driver.client.call("Identity.Probe")
    driver.kill()
    future.exception()


def test_a_half_written_target_record_does_not_stop_the_plugin(isolated):
    isolated.published()
    isolated.kill()
    targets = isolated.state / "targets"
    (targets / ("0" * 32 + ".json")).write_text('{"version":1,"vol')
    (targets / "foreign").write_text("x")
    isolated.start()
    assert isolated.client.call("Identity.Probe").ready.value
    isolated.published()


# Everything at once is gone, as after a reboot of the node.

def test_after_a_reboot_published_volumes_are_mounted_and_bound_again(isolated):
    volume, target, directory = isolated.published()
    readable = isolated.publish(volume, readonly=True)
    (directory / "file").write_text("kept")
    members = [pid for pids in isolated.nest.members().values() for pid in pids]
    isolated.kill()
    for pid in members:
        if pid != isolated.pid and system.program(pid):
            os.kill(pid, signal.SIGKILL)
            assert system.wait_for_exit(pid, 5)
    for mount in reversed(isolated.mounts()):
        system.unmount(mount.point, system.MNT_DETACH)
    isolated.start()
    # The kubelet publishes again after a reboot; that waits for the repair if it still runs.
    isolated.publish(volume, target)
    isolated.publish(volume, readable, readonly=True)
    assert (target / "file").read_text() == "kept"
    with pytest.raises(OSError):
        (readable / "file").write_text("x")


def test_a_program_can_list_a_dead_mount_without_hanging(isolated):
    _, target, _ = isolated.published()
    [worker] = isolated.workers()
    os.kill(worker, signal.SIGKILL)
    assert system.wait_for_exit(worker, 5)
    listing = subprocess.Popen(["ls", str(target)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        isolated.unpublish(target, timeout=15)
        listing.wait(timeout=15)
    finally:
        listing.kill()
        listing.wait()
