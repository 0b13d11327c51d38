"""CreateVolume and DeleteVolume (CSI specification, "CreateVolume", "DeleteVolume")."""

import hashlib
import os

import pytest

from csi_client import system
from csi_client.client import GIB, capability, csi, refused


def test_a_created_volume_has_an_id_and_a_context_that_publish_takes(driver):
    directory = driver.source()
    (directory / "hello").write_text("world")
    volume = driver.create("data", path=f"file://{directory}")
    assert volume.volume_id == "data"
    assert dict(volume.volume_context)["path"] == f"file://{directory}"
    assert (driver.publish(volume) / "hello").read_text() == "world"


def test_a_volume_that_asks_for_no_capacity_gets_one_that_is_not_negative(driver):
    assert driver.create().capacity_bytes >= 0


def test_a_required_capacity_is_granted(driver):
    assert driver.create(size=3 * GIB).capacity_bytes == 3 * GIB


def test_a_limit_alone_is_kept(driver):
    assert driver.create(limit=GIB).capacity_bytes <= GIB


def test_the_same_request_again_gives_the_same_volume(driver):
    path = f"file://{driver.source()}"
    first = driver.create("twice", path=path, size=GIB)
    assert driver.create("twice", path=path, size=GIB) == first


def test_a_repeat_whose_capacity_range_the_volume_satisfies_gives_the_same_volume(driver):
    path = f"file://{driver.source()}"
    first = driver.create("range", path=path, size=2 * GIB)
    assert driver.create("range", path=path, size=GIB, limit=4 * GIB).volume_id == first.volume_id


def test_a_repeat_may_bring_other_metadata_of_the_provisioner(driver):
    path = f"file://{driver.source()}"
    first = driver.create("metadata", path=path, **{"csi.storage.k8s.io__pvc__name": "a"})
    assert driver.create("metadata", path=path, **{"csi.storage.k8s.io__pvc__name": "b"}).volume_id == first.volume_id


def test_a_repeat_with_a_larger_capacity_is_incompatible(driver):
    path = f"file://{driver.source()}"
    driver.create("bigger", path=path, size=GIB)
    with refused("ALREADY_EXISTS", naming="bigger"):
        driver.create("bigger", path=path, size=2 * GIB)


def test_a_repeat_with_a_lower_limit_is_incompatible(driver):
    path = f"file://{driver.source()}"
    driver.create("lower", path=path, size=2 * GIB)
    with refused("ALREADY_EXISTS"):
        driver.create("lower", path=path, limit=GIB)


def test_a_repeat_with_other_parameters_is_incompatible(driver):
    driver.create("parameters", path=f"file://{driver.source()}")
    with refused("ALREADY_EXISTS", naming="parameters"):
        driver.create("parameters", path=f"file://{driver.source()}")


@pytest.mark.parametrize("mode", [
    "SINGLE_NODE_WRITER", "SINGLE_NODE_READER_ONLY", "MULTI_NODE_READER_ONLY", "MULTI_NODE_SINGLE_WRITER",
    "MULTI_NODE_MULTI_WRITER", "SINGLE_NODE_SINGLE_WRITER", "SINGLE_NODE_MULTI_WRITER"
])
def test_every_access_mode_is_offered(driver, mode):
    assert driver.create(capabilities=[capability(mode)]).volume_id


# Names.

NAMES = {
    "lower case": ("pvc-0f1e", True),
    "63 characters": ("a" * 63, True),
    "64 characters": ("a" * 64, False),
    "128 bytes": ("b" * 128, False),
    "128 bytes of two-byte letters": ("é" * 64, False),
    "upper case": ("PVC-0F1E", False),
    "slash": ("a/b", False),
    "dot dot": ("..", False),
    "dot": (".", False),
    "climbing": ("../../etc", False),
    "hidden": (".hidden", False),
    "spaces and newline": ("a b\nc", False),
    "percent": ("%s%n", False),
    "looks like an option": ("-rf", False),
    "emoji": ("🗄", False),
}


@pytest.mark.parametrize("name, is_its_own_id", NAMES.values(), ids=NAMES)
def test_a_name_becomes_an_id_that_is_safe_everywhere(driver, name, is_its_own_id):
    identifier = driver.create(name).volume_id
    assert (identifier == name) == is_its_own_id
    assert 0 < len(identifier) <= 63
    assert all(letter in "abcdefghijklmnopqrstuvwxyz0123456789-_." for letter in identifier)
    assert identifier[0] not in "-_."


def test_no_two_names_share_an_id(driver):
    path = f"file://{driver.source()}"
    names = ["Data", "DATA", "data", "da/ta", "da ta", "x" * 128, "x" * 127, "x" * 127 + "y", "e\u0301", "é"]
    # A name that is spelled like the id of another must not become it.
    names += [driver.create(name, path=path).volume_id for name in names[:2]]
    identifiers = {name: driver.create(name, path=path).volume_id for name in names}
    assert len(set(identifiers.values())) == len(names)


# What is not a volume.

def test_block_access_is_refused_with_the_reason(driver):
    with refused("INVALID_ARGUMENT", naming="block"):
        driver.create(capabilities=[capability(block=True)])


def test_one_bad_capability_among_good_ones_is_refused(driver):
    with refused("INVALID_ARGUMENT"):
        driver.create(capabilities=[capability(), capability(block=True)])


@pytest.mark.parametrize("source", [
    csi.VolumeContentSource(snapshot=csi.VolumeContentSource.SnapshotSource(snapshot_id="s")),
    csi.VolumeContentSource(volume=csi.VolumeContentSource.VolumeSource(volume_id="v")),
], ids=["snapshot", "volume"])
def test_a_content_source_is_refused_and_not_ignored(driver, source):
    with refused("INVALID_ARGUMENT", "UNIMPLEMENTED"):
        driver.client.call("Controller.CreateVolume", name="sourced", volume_capabilities=[capability()],
                           parameters={"path": f"file://{driver.source()}"}, volume_content_source=source)


def test_mutable_parameters_are_refused_and_not_ignored(driver):
    with refused("INVALID_ARGUMENT", "UNIMPLEMENTED", naming="mutable"):
        driver.client.call("Controller.CreateVolume", name="mutable", volume_capabilities=[capability()],
                           parameters={"path": f"file://{driver.source()}"}, mutable_parameters={"a": "b"})


# DeleteVolume.

def test_delete_of_a_volume_forgets_it(driver):
    volume = driver.create("gone")
    driver.delete(volume.volume_id)
    with refused("NOT_FOUND", naming="gone"):
        driver.client.call("Controller.ControllerGetVolume", volume_id=volume.volume_id)


def test_delete_of_what_was_never_created_succeeds(driver):
    driver.client.call("Controller.DeleteVolume", volume_id="never-created")


def test_delete_twice_succeeds(driver):
    volume = driver.create()
    driver.delete(volume.volume_id)
    driver.delete(volume.volume_id)


def test_delete_of_a_published_volume_is_refused_until_it_is_unpublished(driver):
    volume, target, _ = driver.published()
    with refused("FAILED_PRECONDITION", naming=volume.volume_id):
        driver.client.call("Controller.DeleteVolume", volume_id=volume.volume_id)
    assert os.path.ismount(target)
    driver.unpublish(target)
    driver.delete(volume.volume_id)


def test_a_shared_volume_leaves_its_under_file_system_alone(driver):
    directory = driver.source()
    (directory / "kept").write_text("x")
    before = os.stat(directory)
    volume = driver.create(path=f"file://{directory}")
    driver.delete(volume.volume_id)
    after = os.stat(directory)
    assert [entry.name for entry in directory.iterdir()] == ["kept"]
    assert (before.st_mode, before.st_uid, before.st_mtime_ns) == (after.st_mode, after.st_uid, after.st_mtime_ns)


# Directories of their own.

def claim(namespace="team", name="claim", **more):
    return {"provisioning": "directory", "csi.storage.k8s.io__pvc__namespace": namespace,
            "csi.storage.k8s.io__pvc__name": name, **more}


def directory_of(volume):
    uri = dict(volume.volume_context)["path"]
    assert uri.startswith("file://")
    return uri.removeprefix("file://")


def test_provisioning_directory_makes_a_directory_named_for_the_claim(driver):
    base = driver.source()
    volume = driver.create("made", path=f"file://{base}", **claim())
    assert directory_of(volume) == f"{base}/team-claim-made"
    (driver.publish(volume) / "file").write_text("inside")
    assert (base / "team-claim-made" / "file").read_text() == "inside"


def test_a_volume_of_a_directory_does_not_show_its_owner_marker(driver):
    volume = driver.create(path=f"file://{driver.source()}", **claim())
    assert list(driver.publish(volume).iterdir()) == []


def test_two_claims_whose_pattern_is_the_same_get_directories_of_their_own(driver):
    base = driver.source()
    first, second = (driver.create(path=f"file://{base}", **claim(directoryPattern="shared")) for _ in range(2))
    assert directory_of(first) != directory_of(second)
    assert all(volume.volume_id in directory_of(volume) for volume in (first, second))


@pytest.mark.parametrize("pattern", ["", "/absolute", "../up", "a/../b", "${pvc.nonsense}", "${", "a/./b", "~$x"])
def test_a_malformed_directory_pattern_is_refused(driver, pattern):
    with refused("INVALID_ARGUMENT", naming="directoryPattern"):
        driver.create(path=f"file://{driver.source()}", **claim(directoryPattern=pattern))


def test_a_claim_name_cannot_climb_out_of_the_base(driver):
    base = driver.source()
    with refused("INVALID_ARGUMENT"):
        driver.create(path=f"file://{base}", **claim(name="../../escape"))
    assert list(base.iterdir()) == []


def test_a_directory_that_somebody_else_made_is_refused_and_untouched(driver):
    base = driver.source()
    foreign = base / "team-claim-foreign"
    foreign.mkdir()
    (foreign / "precious").write_text("x")
    with refused("ALREADY_EXISTS", "FAILED_PRECONDITION", naming="team-claim-foreign"):
        driver.create("foreign", path=f"file://{base}", **claim(onDelete="delete"))
    assert (foreign / "precious").read_text() == "x"


def test_a_symlink_in_the_place_of_the_directory_is_refused(driver):
    base = driver.source()
    (base / "team-claim-linked").symlink_to(driver.elsewhere)
    with refused("ALREADY_EXISTS", "FAILED_PRECONDITION", "INVALID_ARGUMENT", "PERMISSION_DENIED"):
        driver.create("linked", path=f"file://{base}", **claim())


def test_a_volume_whose_directory_is_gone_has_an_abnormal_condition_that_says_what_to_do(driver):
    volume = driver.create(path=f"file://{driver.source()}", **claim())
    directory = directory_of(volume)
    os.rename(directory, f"{directory}-aside")
    condition = driver.client.call("Controller.ControllerGetVolume", volume_id=volume.volume_id).status.volume_condition
    assert condition.abnormal and os.path.basename(directory) in condition.message
    assert "bring it back" in condition.message
    os.rename(f"{directory}-aside", directory)
    reply = driver.client.call("Controller.ControllerGetVolume", volume_id=volume.volume_id)
    assert not reply.status.volume_condition.abnormal


def test_on_delete_retain_is_the_default_and_keeps_the_directory(driver):
    volume = driver.create(path=f"file://{driver.source()}", **claim())
    directory = directory_of(volume)
    driver.delete(volume.volume_id)
    assert os.path.isdir(directory)


def test_on_delete_delete_removes_the_directory_and_nothing_else(driver):
    base = driver.source()
    (base / "neighbour").mkdir()
    outside = driver.elsewhere / driver.name("outside")
    outside.mkdir()
    (outside / "precious").write_text("x")
    volume = driver.create(path=f"file://{base}", **claim(onDelete="delete"))
    target = driver.publish(volume)
    (target / "deep" / "er").mkdir(parents=True)
    (target / "deep" / "er" / "file").write_text("x")
    (target / "link").symlink_to(outside)
    driver.unpublish(target)
    driver.delete(volume.volume_id)
    assert [entry.name for entry in base.iterdir()] == ["neighbour"]
    assert (outside / "precious").read_text() == "x"


def test_on_delete_archive_keeps_the_data_under_another_name(driver):
    base = driver.source()
    volume = driver.create("old", path=f"file://{base}", **claim(onDelete="archive"))
    target = driver.publish(volume)
    (target / "file").write_text("kept")
    driver.unpublish(target)
    directory = directory_of(volume)
    driver.delete(volume.volume_id)
    assert not os.path.exists(directory)
    kept = [path for path in base.rglob("file")]
    assert len(kept) == 1 and kept[0].read_text() == "kept"
    # The name is free again, and the new volume does not see the old data.
    again = driver.create("old", path=f"file://{base}", **claim(onDelete="archive"))
    assert list(driver.publish(again).iterdir()) == []


def test_a_directory_replaced_by_a_symlink_is_not_followed_on_delete(driver):
    base = driver.source()
    outside = driver.elsewhere / driver.name("outside")
    outside.mkdir()
    (outside / "precious").write_text("x")
    volume = driver.create(path=f"file://{base}", **claim(onDelete="delete"))
    directory = directory_of(volume)
    os.rename(directory, directory + ".moved")
    os.symlink(outside, directory)
    try:
        driver.delete(volume.volume_id)
    except Exception:  # noqa: BLE001 - refusing is as good as leaving the link alone
        pass
    assert (outside / "precious").read_text() == "x"
    if os.path.islink(directory):
        os.unlink(directory)
    driver.delete(volume.volume_id)


def test_a_repeat_of_a_directory_volume_finds_its_own_directory(driver):
    base = driver.source()
    first = driver.create("again", path=f"file://{base}", **claim())
    (driver.publish(first) / "file").write_text("x")
    assert driver.create("again", path=f"file://{base}", **claim()) == first
    assert len(list(base.iterdir())) == 1


def test_what_a_failed_create_made_is_removed_again(driver, small_disk):
    # Neither inodes nor blocks are left, so that the directory or its marker cannot be written.
    system.mount("small", small_disk, "tmpfs", system.MS_REMOUNT, "nr_inodes=2")
    with refused("RESOURCE_EXHAUSTED", "INTERNAL", naming="space"):
        driver.create(path=f"file://{small_disk}", **claim(onDelete="delete"))
    assert list(small_disk.iterdir()) == []


def test_the_registry_holds_one_record_of_a_volume_and_none_after_delete(driver):
    before = {entry.name: hashlib.sha256(entry.read_bytes()).hexdigest() for entry in driver.registry.iterdir()
              if entry.is_file()}
    volume = driver.create()
    driver.delete(volume.volume_id)
    after = {entry.name: hashlib.sha256(entry.read_bytes()).hexdigest() for entry in driver.registry.iterdir()
             if entry.is_file()}
    assert before == after
