"""NodeGetVolumeStats, volume conditions and NodeExpandVolume."""

import os
import signal

import pytest

from csi_client import system
from csi_client.client import GIB, capacity, refused

BYTES, INODES = 1, 2


def stats(driver, volume, target, **options):
    return driver.client.call(
        "Node.NodeGetVolumeStats", volume_id=volume.volume_id, volume_path=str(target), **options)


def test_usage_is_what_the_under_file_system_has(driver, small_disk):
    volume = driver.create(path=f"file://{small_disk}")
    target = driver.publish(volume)
    (target / "file").write_bytes(b"x" * (1 << 20))
    usage = {entry.unit: entry for entry in stats(driver, volume, target).usage}
    disk = os.statvfs(small_disk)
    assert (usage[BYTES].total, usage[BYTES].available) == (
        disk.f_blocks * disk.f_frsize, disk.f_bavail * disk.f_frsize)
    assert usage[BYTES].used == (disk.f_blocks - disk.f_bfree) * disk.f_frsize >= 1 << 20
    assert (usage[INODES].total, usage[INODES].available) == (disk.f_files, disk.f_favail)
    driver.unpublish(target)


def test_a_healthy_volume_has_a_healthy_condition(driver):
    volume, target, _ = driver.published()
    condition = stats(driver, volume, target).volume_condition
    assert not condition.abnormal and condition.message


@pytest.mark.parametrize("method", ["Node.NodeGetVolumeStats", "Node.NodeExpandVolume"])
def test_an_unknown_volume_is_not_found_before_its_path_is_looked_at(driver, method):
    for path in (str(driver.target()), "/nowhere", "relative", str(driver.elsewhere)):
        with refused("NOT_FOUND", naming="nobody"):
            driver.client.call(method, volume_id="nobody", volume_path=path)


@pytest.mark.parametrize("method", ["Node.NodeGetVolumeStats", "Node.NodeExpandVolume"])
def test_a_path_where_the_volume_is_not_is_not_found(driver, method):
    volume, target, _ = driver.published()
    for path in (driver.target(), target / "below", driver.elsewhere):
        with refused("NOT_FOUND"):
            driver.client.call(method, volume_id=volume.volume_id, volume_path=str(path))


def test_the_target_of_another_volume_is_not_found(driver):
    volume, _, _ = driver.published()
    _, other, _ = driver.published()
    with refused("NOT_FOUND"):
        stats(driver, volume, other)


def test_a_volume_that_was_unpublished_is_not_found(driver):
    volume, target, _ = driver.published()
    driver.unpublish(target)
    with refused("NOT_FOUND"):
        stats(driver, volume, target)


def test_a_worker_that_is_killed_again_and_again_shows_in_the_conditions_and_the_volume_serves(isolated):
    volume, target, _ = isolated.published()
    (target / "file").write_text("kept")
    for _ in range(3):
        [worker] = isolated.workers()
        os.kill(worker, signal.SIGKILL)
        assert system.wait_for_exit(worker, 5)
        assert (target / "file").read_text() == "kept"
        # A repeat waits for the next worker.
        isolated.publish(volume, target)
    # It answers its users a moment before it has told the mounter so.
    while not (reply := stats(isolated, volume, target, timeout=10)).usage:
        assert "the next one is being started" in reply.volume_condition.message
    condition = reply.volume_condition
    assert condition.abnormal and "killed 3 times in 10 min" in condition.message
    shown = isolated.client.call("Controller.ControllerGetVolume", volume_id=volume.volume_id).status.volume_condition
    assert shown.abnormal and "killed 3 times in 10 min" in shown.message
    entries = isolated.client.call("Controller.ListVolumes").entries
    assert [entry.status.volume_condition.abnormal for entry in entries] == [True]


def test_another_volume_stays_healthy_when_a_worker_died(isolated):
    isolated.published()
    [worker] = isolated.workers()
    volume, target, _ = isolated.published()
    os.kill(worker, signal.SIGKILL)
    assert system.wait_for_exit(worker, 5)
    assert not stats(isolated, volume, target).volume_condition.abnormal
    (target / "file").write_text("serves")


def test_a_volume_whose_worker_died_can_be_unpublished_and_published_again(isolated):
    volume, target, directory = isolated.published()
    (target / "file").write_text("kept")
    [worker] = isolated.workers()
    os.kill(worker, signal.SIGKILL)
    assert system.wait_for_exit(worker, 5)
    isolated.unpublish(target, timeout=15)
    assert not target.exists()
    isolated.publish(volume, target)
    assert (target / "file").read_text() == "kept"


def test_a_mount_that_somebody_took_away_is_abnormal(driver):
    volume, target, _ = driver.published()
    system.unmount(target)
    try:
        condition = stats(driver, volume, target).volume_condition
    except Exception as error:  # noqa: BLE001
        assert error.code().name == "NOT_FOUND"
    else:
        assert condition.abnormal and condition.message


# NodeExpandVolume.

def test_node_expansion_answers_the_capacity(driver):
    volume, target, _ = driver.published(size=GIB)
    reply = driver.client.call("Node.NodeExpandVolume", volume_id=volume.volume_id, volume_path=str(target),
                               capacity_range=capacity(2 * GIB))
    assert reply.capacity_bytes in (0, 2 * GIB) or reply.capacity_bytes >= 2 * GIB


def test_node_expansion_twice_succeeds_and_the_mount_stays(driver):
    volume, target, _ = driver.published(size=GIB)
    with open(target / "open", "w", encoding="ascii") as file:
        for _ in range(2):
            driver.client.call("Node.NodeExpandVolume", volume_id=volume.volume_id, volume_path=str(target),
                               capacity_range=capacity(2 * GIB))
        file.write("kept")
    assert (target / "open").read_text() == "kept"


def test_node_expansion_with_a_malformed_range_is_refused(driver):
    volume, target, _ = driver.published()
    with refused("INVALID_ARGUMENT", "OUT_OF_RANGE", naming="capacity_range"):
        driver.client.call("Node.NodeExpandVolume", volume_id=volume.volume_id, volume_path=str(target),
                           capacity_range=capacity(-1))
