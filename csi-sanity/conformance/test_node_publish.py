"""NodePublishVolume, NodeUnpublishVolume and what a pod sees (CSI specification, "NodePublishVolume")."""

import errno
import os
import stat
import subprocess

import pytest

from csi_client import system
from csi_client.client import capability, refused
from csi_client.driver import FUSE_TYPE

NODE_RPC = {2: "GET_VOLUME_STATS", 3: "EXPAND_VOLUME", 4: "VOLUME_CONDITION", 5: "SINGLE_NODE_MULTI_WRITER",
            6: "VOLUME_MOUNT_GROUP"}


def test_the_node_offers_what_it_serves_and_nothing_else(driver):
    reply = driver.client.call("Node.NodeGetCapabilities")
    assert {entry.rpc.type for entry in reply.capabilities} == set(NODE_RPC)


def test_the_node_says_its_name(driver):
    reply = driver.client.call("Node.NodeGetInfo")
    assert reply.node_id == "node-1" and reply.max_volumes_per_node >= 0


@pytest.mark.plugin("--max-volumes", "2")
def test_a_node_takes_as_many_volumes_as_it_says(isolated):
    assert isolated.client.call("Node.NodeGetInfo").max_volumes_per_node == 2
    volumes = [isolated.published()[0] for _ in range(2)]
    # A second target of a volume that is there is no further volume.
    isolated.publish(volumes[0])
    with refused("RESOURCE_EXHAUSTED", naming="2"):
        isolated.published()


# One publish.

def test_a_published_volume_shows_the_files_of_its_under_file_system(driver):
    volume, target, directory = driver.published()
    (directory / "made below").write_text("and seen above")
    assert (target / "made below").read_text() == "and seen above"


def test_what_is_written_through_the_mount_lands_in_the_under_file_system(driver):
    _, target, directory = driver.published()
    (target / "folder").mkdir()
    (target / "folder" / "file").write_bytes(os.urandom(3 << 20))
    os.rename(target / "folder" / "file", target / "folder" / "renamed")
    assert (directory / "folder" / "renamed").read_bytes() == (target / "folder" / "renamed").read_bytes()


def test_a_target_is_a_fuse_mount_without_devices_and_setuid(driver):
    _, target, _ = driver.published()
    mount = system.mount_at(target)
    assert mount.kind == FUSE_TYPE
    assert {"nosuid", "nodev", "rw"} <= mount.options


def test_the_target_directory_is_made_and_an_existing_empty_one_is_fine(driver):
    volume = driver.create()
    made = driver.target()
    existing = driver.target()
    existing.mkdir()
    for target in (made, existing):
        driver.publish(volume, target)
        assert os.path.ismount(target)
        driver.unpublish(target)
        assert not target.exists()


def test_the_parent_of_the_target_is_left_as_it_was(driver):
    target = driver.target()
    before = os.stat(target.parent)
    driver.publish(driver.create(), target)
    driver.unpublish(target)
    after = os.stat(target.parent)
    assert (before.st_mode, before.st_uid, before.st_ino) == (after.st_mode, after.st_uid, after.st_ino)


def test_nothing_can_be_written_to_the_disk_under_a_target(driver):
    """The directory below the mount is immutable, and takes no file when the mount is gone."""
    _, target, _ = driver.published()
    system.unmount(target, system.MNT_DETACH)
    with pytest.raises(OSError) as error:
        (target / "lost").write_text("on the node's disk")
    assert error.value.errno in (errno.EPERM, errno.EACCES, errno.EROFS)


def test_a_volume_that_the_registry_does_not_know_is_published_from_its_context(driver):
    directory = driver.source()
    (directory / "file").write_text("static")
    from csi_client.client import csi
    volume = csi.Volume(volume_id="written/By-Hand", volume_context={"path": f"file://{directory}"})
    target = driver.publish(volume)
    assert (target / "file").read_text() == "static"
    driver.unpublish(target)


def test_volume_ids_that_differ_in_little_are_different_volumes(driver):
    from csi_client.client import csi
    shown = {}
    for identifier in ("same", "Same", "same/", "é", "e\u0301", "x" * 128, "x" * 127):
        directory = driver.source()
        (directory / "id").write_text(identifier)
        target = driver.publish(csi.Volume(volume_id=identifier, volume_context={"path": f"file://{directory}"}))
        shown[identifier] = (target / "id").read_text()
    assert all(identifier == text for identifier, text in shown.items())


def test_one_letter_in_two_spellings_is_two_volumes_two_directories_and_two_targets(isolated):
    from csi_client.client import csi
    spellings = ("é", "e\u0301")
    volumes, targets = {}, {}
    for text in spellings:
        directory = isolated.source(text)
        (directory / "spelling").write_text(text)
        volumes[text] = csi.Volume(volume_id=text, volume_context={"path": f"file://{directory}"})
        targets[text] = isolated.target("pod").with_name(text)
    calls = [isolated.start_publish(volumes[text], targets[text]) for text in spellings]
    for call in calls:
        call.result()

    def shows(text):
        reply = isolated.client.call("Node.NodeGetVolumeStats", volume_id=text, volume_path=str(targets[text]))
        assert reply.usage and not reply.volume_condition.abnormal
        return (targets[text] / "spelling").read_text() == text

    assert all(map(shows, spellings)) and len(isolated.workers()) == 2
    isolated.restart()
    assert all(map(shows, spellings)) and len(isolated.workers()) == 2
    isolated.unpublish(targets[spellings[0]])
    assert not targets[spellings[0]].exists() and shows(spellings[1])


# Read-only.

READ_ONLY = {
    "readonly": {"readonly": True},
    "SINGLE_NODE_READER_ONLY": {"capability_": capability("SINGLE_NODE_READER_ONLY")},
    "MULTI_NODE_READER_ONLY": {"capability_": capability("MULTI_NODE_READER_ONLY")},
    "mount flag ro": {"capability_": capability(flags=["ro"])},
}


@pytest.mark.parametrize("options", READ_ONLY.values(), ids=READ_ONLY)
def test_a_read_only_publish_cannot_be_written(driver, options):
    volume, target, directory = driver.published(**options)
    (directory / "file").write_text("x")
    assert (target / "file").read_text() == "x"
    assert "ro" in system.mount_at(target).options
    for attempt in (lambda: (target / "file").write_text("y"), lambda: (target / "new").mkdir(),
                    lambda: os.unlink(target / "file"), lambda: os.chmod(target / "file", 0o600)):
        with pytest.raises(OSError) as error:
            attempt()
        assert error.value.errno == errno.EROFS


def test_a_read_only_and_a_writable_target_of_one_volume_live_side_by_side(driver):
    volume, writable, _ = driver.published()
    readable = driver.publish(volume, readonly=True)
    (writable / "file").write_text("seen")
    assert (readable / "file").read_text() == "seen"
    with pytest.raises(OSError):
        (readable / "file").write_text("no")
    assert len(driver.workers()) == 1


def test_a_writable_target_after_a_read_only_one_can_be_written(driver):
    volume, readable, _ = driver.published(readonly=True)
    writable = driver.publish(volume)
    (writable / "file").write_text("written")
    assert (readable / "file").read_text() == "written"


def test_the_worker_refuses_writes_while_every_publish_is_read_only_and_only_then(isolated):
    volume, readable, directory = isolated.published(readonly=True)
    (directory / "file").write_text("below")
    workers = isolated.workers()
    [source] = isolated.state.glob("volumes/*/mount")
    # The mount that the targets are bound from is writable: it is the worker that refuses.
    assert "rw" in system.mount_at(source).options

    def worker_refuses():
        try:
            (source / "probe").write_text("x")
            (source / "probe").unlink()
            return False
        except OSError as error:
            return error.errno == errno.EROFS

    def target_refuses():
        with pytest.raises(OSError) as error:
            (readable / "new").write_text("x")
        return error.value.errno == errno.EROFS

    with open(readable / "file", encoding="ascii") as reader:
        assert worker_refuses()
        first, second = isolated.publish(volume), isolated.publish(volume)
        assert not worker_refuses() and target_refuses()
        (first / "file").write_text("above")
        isolated.unpublish(first)
        assert not worker_refuses() and target_refuses()
        isolated.unpublish(second)
        assert worker_refuses() and target_refuses()
        isolated.restart()
        assert worker_refuses()
        third = isolated.publish(volume)
        (third / "file").write_text("again")
        assert target_refuses()
        isolated.unpublish(third)
        assert worker_refuses()
        assert reader.read() == "again"
    assert isolated.workers() == workers


# Repeats.

def test_the_same_publish_again_succeeds_and_mounts_nothing(driver):
    volume, target, _ = driver.published()
    before = driver.mounts()
    driver.publish(volume, target)
    assert driver.mounts() == before


def test_a_repeat_with_another_capability_exists_already(driver):
    volume, target, _ = driver.published()
    with refused("ALREADY_EXISTS", naming=str(target)):
        driver.publish(volume, target, capability_=capability("SINGLE_NODE_WRITER"))


def test_a_repeat_with_other_read_only_exists_already(driver):
    volume, target, _ = driver.published()
    with refused("ALREADY_EXISTS"):
        driver.publish(volume, target, readonly=True)
    (target / "still").write_text("writable")


def test_a_repeat_with_other_attributes_exists_already(driver):
    volume, target, _ = driver.published()
    with refused("ALREADY_EXISTS"):
        driver.publish(volume, target, umask="077")


def test_another_volume_at_the_same_target_exists_already(driver):
    _, target, _ = driver.published()
    other = driver.create()
    recorded = dict(driver._published)
    with refused("ALREADY_EXISTS", naming=str(target)):
        driver.publish(other, target)
    driver._published = recorded


def test_a_repeat_may_bring_other_secrets_tokens_and_pod_information(driver):
    volume, target, _ = driver.published(secrets={"s3a.accessKeyId": "one"})
    driver.publish(volume, target, secrets={"s3a.accessKeyId": "two"}, **{
        "csi.storage.k8s.io/pod.uid": "other", "csi.storage.k8s.io/serviceAccount.tokens": '{"a":{"token":"t2"}}'})


def test_a_failed_repeat_does_not_touch_the_mount(driver):
    volume, target, _ = driver.published()
    with open(target / "open", "w", encoding="ascii") as file:
        with refused("INVALID_ARGUMENT"):
            driver.publish(volume, target, nonsense="1")
        file.write("still writable")
    assert (target / "open").read_text() == "still writable"


# Writers.

def test_a_single_writer_volume_has_one_target(driver):
    alone = capability("SINGLE_NODE_SINGLE_WRITER")
    volume = driver.create(capabilities=[alone])
    first = driver.publish(volume, capability_=alone)
    second = driver.target()
    with refused("FAILED_PRECONDITION", naming=str(first)):
        driver.publish(volume, second, capability_=alone)
    assert not second.exists()
    driver.publish(volume, first, capability_=alone)
    driver.unpublish(first)
    driver.publish(volume, second, capability_=alone)


def test_several_writers_of_one_node_share_a_worker(driver):
    several = capability("SINGLE_NODE_MULTI_WRITER")
    volume = driver.create(capabilities=[several])
    targets = [driver.publish(volume, capability_=several) for _ in range(3)]
    (targets[0] / "file").write_text("x")
    assert all((target / "file").read_text() == "x" for target in targets)
    assert len(driver.workers()) == 1


# Mount groups.

def test_a_mount_group_may_read_and_write_everything(driver):
    directory = driver.source()
    os.chmod(directory, 0o700)
    (directory / "file").write_text("x")
    os.chmod(directory / "file", 0o600)
    volume = driver.create(path=f"file://{directory}")
    target = driver.publish(volume, capability_=capability(group="4242"))
    status = os.stat(target / "file")
    assert status.st_gid == 4242 and status.st_mode & stat.S_IRGRP and status.st_mode & stat.S_IWGRP
    command = ["python3", "-c", f"open({str(target / 'file')!r}, 'a').write('y'); open({str(target / 'new')!r}, 'w')"]
    subprocess.run(command, check=True, user=1000, group=4242, extra_groups=[], timeout=20)
    assert os.stat(target / "new").st_gid == 4242


def test_another_mount_group_gets_a_worker_of_its_own(driver):
    volume, first, _ = driver.published(capability_=capability(group="100"))
    second = driver.publish(volume, capability_=capability(group="200"))
    (first / "file").write_text("x")
    assert (os.stat(first / "file").st_gid, os.stat(second / "file").st_gid) == (100, 200)
    assert len(driver.workers()) == 2


# Unpublish.

def test_unpublish_of_the_last_target_ends_the_worker_and_leaves_no_mount(driver):
    volume, first, _ = driver.published()
    second = driver.publish(volume)
    [worker] = driver.workers()
    driver.unpublish(first)
    assert driver.workers() == [worker]
    driver.unpublish(second)
    assert system.wait_for_exit(worker, 5)
    assert not [mount for mount in driver.mounts() if mount.kind == FUSE_TYPE]


def test_unpublish_twice_succeeds(driver):
    volume, target, _ = driver.published()
    for _ in range(2):
        driver.unpublish(target, volume.volume_id)


def test_unpublish_of_what_was_never_published_succeeds(driver):
    driver.unpublish(driver.target(), "never-published")


def test_unpublish_of_a_target_whose_pod_folder_is_gone_succeeds(driver):
    driver.unpublish(driver.kubelet / "pods" / "gone" / "volumes" / "x" / "mount", "never-published")


def test_unpublish_under_the_id_of_another_volume_does_not_take_the_mount(driver):
    _, target, _ = driver.published()
    other = driver.create()
    recorded = dict(driver._published)
    try:
        driver.unpublish(target, other.volume_id)
    except Exception:  # noqa: BLE001 - refusing or answering that this volume is not there are both idempotent
        pass
    driver._published = recorded
    assert os.path.ismount(target)


def test_unpublish_removes_no_directory_that_is_not_empty(driver):
    target = driver.target()
    target.mkdir()
    (target / "somebody's").write_text("x")
    try:
        driver.unpublish(target, "never-published")
    except Exception:  # noqa: BLE001
        pass
    assert (target / "somebody's").read_text() == "x"


def test_unpublish_after_somebody_unmounted_the_target_cleans_up(driver):
    _, target, _ = driver.published()
    system.unmount(target)
    driver.unpublish(target)
    assert not target.exists()


def test_unpublish_after_somebody_removed_the_under_file_system(driver):
    _, target, directory = driver.published()
    directory.rmdir()
    driver.unpublish(target)
    assert not target.exists()


def test_the_volume_can_be_published_again_at_the_same_target(driver):
    volume, target, directory = driver.published()
    for number in range(3):
        (target / str(number)).write_text("x")
        driver.unpublish(target)
        driver.publish(volume, target)
    assert sorted(entry.name for entry in directory.iterdir()) == ["0", "1", "2"]


def test_one_busy_target_is_unpublished_while_another_notices_nothing(driver):
    volume, busy, directory = driver.published()
    calm = driver.publish(volume)
    (calm / "file").write_bytes(b"x" * 4096)
    with open(calm / "file", "rb") as reading, open(busy / "held", "wb") as held:
        driver.unpublish(busy)
        assert not busy.exists()
        assert reading.read() == b"x" * 4096
        (calm / "written").write_text("after")
        # The detached mount of the busy target still serves who holds it.
        held.write(b"late")
        held.flush()
    assert (directory / "held").read_bytes() == b"late"


def test_a_busy_last_target_is_unpublished_and_the_worker_ends(driver):
    _, target, _ = driver.published()
    [worker] = driver.workers()
    held = os.open(target / "held", os.O_WRONLY | os.O_CREAT)
    try:
        driver.unpublish(target)
        assert not target.exists()
        assert system.wait_for_exit(worker, 10)
        with pytest.raises(OSError):
            os.write(held, b"x")
    finally:
        # The file system is gone: close reports that, and closes.
        try:
            os.close(held)
        except OSError:
            pass
