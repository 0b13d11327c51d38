"""Many calls at once."""

import concurrent.futures
import os
import threading

import grpc

from csi_client import system
from csi_client.client import Client, csi
from csi_client.driver import FUSE_TYPE


def outcome(future):
    error = future.exception()
    return "OK" if error is None else f"{error.code().name} {error.details()}"


def test_ten_targets_of_one_volume_at_once_all_succeed_with_one_worker(driver):
    volume = driver.create()
    targets = [driver.target() for _ in range(10)]
    calls = [driver.start_publish(volume, target) for target in targets]
    assert [outcome(call) for call in calls] == ["OK"] * 10
    assert len(driver.workers()) == 1
    (targets[0] / "file").write_text("x")
    assert all((target / "file").read_text() == "x" for target in targets)


def test_ten_volumes_at_once_all_succeed_with_a_worker_each(driver):
    volumes = [driver.create() for _ in range(10)]
    targets = [driver.target() for _ in volumes]
    calls = [driver.start_publish(volume, target) for volume, target in zip(volumes, targets)]
    assert [outcome(call) for call in calls] == ["OK"] * 10
    assert len(driver.workers()) == 10


def test_of_two_publishes_of_one_target_at_once_one_is_aborted(isolated):
    """The mounter is stopped, so that the first call is surely in progress when the second one comes."""
    isolated.published()
    mounter = isolated.mounter()
    volume, target = isolated.create(), isolated.target()
    with system.stopped(mounter):
        first = isolated.start_publish(volume, target)
        codes = set()
        # Which of the two the plugin reads first is not ours to say: one is told at once that the other is running.
        second = isolated.start_publish(volume, target)
        done, _ = wait_any([first, second], 15)
        codes.add(outcome(done))
    assert [code.split()[0] for code in codes] == ["ABORTED"], codes
    other = second if done is first else first
    assert outcome(other) == "OK"
    assert os.path.ismount(target)


def wait_any(calls, timeout):
    """The first of some calls to end, and the rest."""
    ended = threading.Event()
    for call in calls:
        call.add_done_callback(lambda _: ended.set())
    assert ended.wait(timeout), "none of the calls has ended"
    first = next(call for call in calls if call.done())
    return first, [call for call in calls if call is not first]


def test_unpublish_while_the_target_is_being_published_is_aborted(isolated):
    isolated.published()
    mounter = isolated.mounter()
    volume, target = isolated.create(), isolated.target()
    with system.stopped(mounter):
        publish = aborted = None
        while not aborted:
            # Where the other call was the first to have the target, this one was aborted: once more.
            assert publish is None or outcome(publish).startswith("ABORTED")
            publish = isolated.start_publish(volume, target)
            aborted = unpublished_until_refused(isolated, publish, volume, target)
    assert aborted.code() is grpc.StatusCode.ABORTED and str(target) in aborted.details()
    assert outcome(publish) == "OK"


def unpublished_until_refused(driver, publish, volume, target):
    """The error of the first unpublish that is refused; None when the publish ends before."""
    while not publish.done():
        try:
            driver.client.call("Node.NodeUnpublishVolume", volume_id=volume.volume_id, target_path=str(target))
        except grpc.RpcError as error:
            return error
    return None


def test_the_same_create_twenty_times_at_once_makes_one_volume(driver):
    path = f"file://{driver.source()}"
    driver._volumes["stampede"] = None
    calls = [driver.client.start("Controller.CreateVolume", name="stampede", parameters={"path": path},
                                 volume_capabilities=[csi.VolumeCapability(
                                     mount=csi.VolumeCapability.MountVolume(),
                                     access_mode=csi.VolumeCapability.AccessMode(mode=5))]) for _ in range(20)]
    outcomes = {outcome(call) for call in calls}
    assert {text.split()[0] for text in outcomes} <= {"OK", "ABORTED"} and "OK" in outcomes
    assert {call.result().volume.volume_id for call in calls if outcome(call) == "OK"} == {"stampede"}
    listed = [entry.volume.volume_id for entry in driver.client.call("Controller.ListVolumes").entries]
    assert listed.count("stampede") == 1


def test_publish_and_unpublish_of_many_targets_at_once_leave_nothing(driver):
    volume = driver.create()
    targets = [driver.target() for _ in range(8)]

    def cycle(target):
        for _ in range(5):
            driver.publish(volume, target)
            (target / target.parents[3].name).write_text("x")
            driver.unpublish(target)

    with concurrent.futures.ThreadPoolExecutor(len(targets)) as pool:
        for result in [pool.submit(cycle, target) for target in targets]:
            result.result()
    assert not [mount for mount in driver.mounts() if mount.kind == FUSE_TYPE]
    assert not any(target.exists() for target in targets)


def test_two_hundred_clients_at_once_are_all_served(driver):
    clients = [Client(driver.socket) for _ in range(200)]
    try:
        calls = [client.start("Identity.Probe", timeout=60) for client in clients]
        calls += [client.start("Node.NodeGetInfo", timeout=60) for client in clients]
        assert {outcome(call) for call in calls} == {"OK"}
    finally:
        for client in clients:
            client.close()


def test_a_call_whose_client_goes_away_does_not_leave_the_target_locked(isolated):
    isolated.published()
    mounter = isolated.mounter()
    volume, target = isolated.create(), isolated.target()
    client = Client(isolated.socket)
    with system.stopped(mounter):
        call = running_publish(client, isolated, volume, target)
        call.cancel()
        client.close()
    deadline_free_publish(isolated, volume, target)
    assert os.path.ismount(target)


def running_publish(client, driver, volume, target):
    """Starts a publish and returns it while it runs, which a second call proves by being refused."""
    for _ in range(100):
        call = client.start("Node.NodePublishVolume", **driver.publication(volume, target))
        try:
            # Either may come first; a publish that was itself refused is started again.
            while not call.done():
                driver.client.call("Node.NodeUnpublishVolume", volume_id=volume.volume_id, target_path=str(target))
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.ABORTED, error
            return call
    raise AssertionError("no publish came before the second call")


def deadline_free_publish(driver, volume, target):
    """Publishes, taking ABORTED for an answer as long as the cancelled call still cleans up, as the kubelet does."""
    for _ in range(10_000):
        try:
            driver.publish(volume, target)
            return
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.ABORTED, error
    raise AssertionError("the target stays locked")
