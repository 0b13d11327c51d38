"""Target paths and under file systems that cannot be served."""

import os

import pytest

from csi_client import system
from csi_client.client import csi, refused

TARGET_CODES = ("INVALID_ARGUMENT", "FAILED_PRECONDITION", "ALREADY_EXISTS")


def paths(driver):
    pods = driver.kubelet / "pods"
    return {
        "relative": "pods/p/mount",
        "outside": str(driver.elsewhere / "mount"),
        "root": "/",
        "kubelet folder itself": str(driver.kubelet),
        "climbing": f"{pods}/../../elsewhere/mount",
        "dot": f"{pods}/./mount",
        "doubled slash": f"{pods}//mount",
        "name that begins like the kubelet folder": f"{driver.kubelet}-other/mount",
        "over PATH_MAX": f"{pods}/" + "d/" * 2100 + "mount",
        "over NAME_MAX": f"{pods}/" + "d" * 256,
    }


CASES = ["relative", "outside", "root", "kubelet folder itself", "climbing", "dot", "doubled slash",
         "name that begins like the kubelet folder", "over PATH_MAX", "over NAME_MAX"]


@pytest.mark.parametrize("case", CASES)
def test_a_target_path_that_the_kubelet_would_not_give_is_refused(driver, case):
    volume = driver.create()
    with refused("INVALID_ARGUMENT", naming="target_path"):
        driver.client.call("Node.NodePublishVolume", **driver.publication(volume, paths(driver)[case]))
    driver._published.clear()
    assert not driver.workers()


@pytest.mark.parametrize("case", CASES)
def test_unpublish_of_such_a_target_path_is_refused(driver, case):
    with refused("INVALID_ARGUMENT", naming="target_path"):
        driver.client.call("Node.NodeUnpublishVolume", volume_id="v", target_path=paths(driver)[case])


def make_file(target, driver):
    target.write_text("a file")


def make_symlink(target, driver):
    target.symlink_to(driver.elsewhere)


def make_dangling_symlink(target, driver):
    target.symlink_to("nowhere")


def make_full(target, driver):
    target.mkdir()
    (target / "file").write_text("somebody's")


def make_mount(target, driver):
    target.mkdir()
    system.mount("foreign", target, "tmpfs")


OBSTACLES = {"a file": make_file, "a symlink": make_symlink, "a dangling symlink": make_dangling_symlink,
             "not empty": make_full, "a mount of something else": make_mount}


@pytest.mark.parametrize("make", OBSTACLES.values(), ids=OBSTACLES)
def test_what_stands_at_the_target_is_refused_and_left_alone(driver, make):
    target = driver.target()
    make(target, driver)
    before = (os.lstat(target).st_mode, os.lstat(target).st_ino)
    try:
        volume = driver.create()
        with refused(*TARGET_CODES, naming=str(target)):
            driver.publish(volume, target)
        driver._published.clear()
        assert (os.lstat(target).st_mode, os.lstat(target).st_ino) == before
        assert not driver.workers()
        assert not system.mounts(driver.elsewhere)
    finally:
        if system.mount_at(target):
            system.unmount(target)


def test_a_symlink_in_the_middle_of_the_target_path_does_not_lead_out(driver):
    pod = driver.kubelet / "pods" / driver.name("pod")
    pod.parent.mkdir(exist_ok=True)
    pod.symlink_to(driver.elsewhere)
    volume = driver.create()
    with refused(*TARGET_CODES):
        driver.publish(volume, pod / "mount")
    driver._published.clear()
    assert not (driver.elsewhere / "mount").exists()
    assert not system.mounts(driver.elsewhere)


def test_what_a_failed_publish_made_is_removed_again(driver):
    directory = driver.source()
    volume = driver.create(path=f"file://{directory}")
    directory.rmdir()
    target = driver.target()
    before = driver.mounts()
    with refused(*UFS_CODES):
        driver.publish(volume, target)
    driver._published.clear()
    assert not target.exists() and driver.mounts() == before
    assert not list((driver.state / "volumes").glob("*")) and not driver.workers()


# Under file systems.

UFS_CODES = ("NOT_FOUND", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "UNAVAILABLE", "PERMISSION_DENIED")


def static(driver, path):
    return csi.Volume(volume_id=driver.name("static"), volume_context={"path": f"file://{path}"})


def test_an_absent_under_file_system_is_refused_with_its_path(driver):
    missing = driver.ufs / "missing"
    with refused(*UFS_CODES, naming=str(missing)):
        driver.publish(static(driver, missing))


def test_an_under_file_system_that_is_a_file_is_refused_with_its_path(driver):
    file = driver.ufs / driver.name("file")
    file.write_text("x")
    with refused(*UFS_CODES, naming=[str(file), "directory"]):
        driver.publish(static(driver, file))


@pytest.mark.parametrize("kind", ["fifo", "socket"])
def test_an_under_file_system_that_would_block_an_open_is_refused(driver, kind):
    path = driver.ufs / driver.name(kind)
    if kind == "fifo":
        os.mkfifo(path)
    else:
        os.mknod(path, 0o140600)
    with refused(*UFS_CODES, naming="directory"):
        driver.publish(static(driver, path), timeout=5)


def test_an_under_file_system_replaced_by_a_symlink_is_refused(driver):
    directory = driver.source()
    volume = driver.create(path=f"file://{directory}")
    directory.rmdir()
    directory.symlink_to(driver.elsewhere)
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--file-roots"):
        driver.publish(volume)


def test_a_loop_of_symlinks_is_refused(driver):
    loop = driver.ufs / driver.name("loop")
    loop.symlink_to(loop.name)
    with refused(*UFS_CODES):
        driver.publish(static(driver, loop))


def test_a_read_only_under_file_system_published_for_writing_answers_as_the_disk_does(driver, small_disk):
    import errno
    (small_disk / "file").write_text("x")
    system.mount("small", small_disk, "tmpfs", system.MS_REMOUNT | system.MS_RDONLY)
    target = driver.publish(static(driver, small_disk))
    assert (target / "file").read_text() == "x"
    with pytest.raises(OSError) as error:
        (target / "new").write_text("y")
    assert error.value.errno == errno.EROFS
    driver.unpublish(target)


def test_a_full_disk_answers_enospc_and_serves_on_when_there_is_room_again(driver, small_disk):
    import errno
    target = driver.publish(static(driver, small_disk))
    with pytest.raises(OSError) as error:
        with open(target / "big", "wb") as file:
            for _ in range(10):
                file.write(b"x" * (1 << 20))
            os.fsync(file.fileno())
    assert error.value.errno == errno.ENOSPC
    os.unlink(target / "big")
    # The kernel releases a closed FUSE file after close(2) has returned, and only then its blocks are free.
    for _ in range(100_000):
        if os.statvfs(small_disk).f_bavail > 0:
            break
        os.sched_yield()
    (target / "small").write_text("fits")
    assert (target / "small").read_text() == "fits"
    driver.unpublish(target)


def test_the_state_folder_on_a_full_disk_refuses_the_publish_and_leaves_nothing(isolated):
    volume = isolated.create()
    target = isolated.target()
    records = isolated.state / "targets"
    records.mkdir(exist_ok=True)
    system.mount("full", records, "tmpfs", data="size=64k,nr_inodes=1,mode=700")
    try:
        with refused("RESOURCE_EXHAUSTED", "INTERNAL", naming="space"):
            isolated.publish(volume, target)
        isolated._published.clear()
        assert not target.exists() and not isolated.workers()
    finally:
        system.unmount(records, system.MNT_DETACH)


def test_a_volume_beneath_a_mount_point_shows_what_is_mounted_there(driver, small_disk):
    (small_disk / "deep").mkdir()
    (small_disk / "deep" / "file").write_text("x")
    target = driver.publish(static(driver, small_disk / "deep"))
    assert (target / "file").read_text() == "x"
    driver.unpublish(target)
