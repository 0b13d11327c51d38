"""Parameters, volume attributes, mount flags and who may ask for what (DESIGN of the volume context)."""

import os

import pytest

from csi_client.client import capability, csi, refused


@pytest.mark.parametrize("written, nearest", [
    ("paht", "path"), ("Path", "path"), ("provisoning", "provisioning"), ("ondelete", "onDelete"),
    ("attrTimeOut", "attrTimeout"), ("directory_pattern", "directoryPattern"), ("memorylimit", "memoryLimit")
])
def test_an_unknown_parameter_is_refused_with_the_nearest_known_one(driver, written, nearest):
    with refused("INVALID_ARGUMENT", naming=[written, f"'{nearest}'"]):
        driver.create(**{written: "1"})


def test_an_unknown_volume_attribute_is_refused_on_the_node_too(driver):
    volume = driver.create()
    with refused("INVALID_ARGUMENT", naming="'umask'"):
        driver.publish(volume, umsk="022")


@pytest.mark.parametrize("key", [
    "csi.storage.k8s.io__pvc__name", "csi.storage.k8s.io__pv__name", "csi.storage.k8s.io__pvc__namespace",
    "storage.kubernetes.io__csiProvisionerIdentity", "csi.storage.k8s.io__provisioner-secret-name"
])
def test_keys_of_the_kubelet_and_the_provisioner_are_accepted(driver, key):
    volume = driver.create(**{key: "anything"})
    driver.publish(volume, **{key.replace("__", "/"): "anything", "csi.storage.k8s.io/pod.name": "p",
                              "csi.storage.k8s.io/serviceAccount.tokens": "{}"})


@pytest.mark.parametrize("key, value", [
    ("attrTimeout", "-1"), ("attrTimeout", "soon"), ("entryTimeout", ""), ("uid", "root"), ("uid", "4294967296"),
    ("gid", "-1"), ("umask", "9"), ("umask", "01777"), ("memoryLimit", "lots"), ("memoryLimit", "1"),
    ("readAhead", "1.5.2Mi"), ("provisioning", "Directory"), ("provisioning", "clone"),
])
def test_a_malformed_value_is_refused_by_the_name_of_its_key(driver, key, value):
    with refused("INVALID_ARGUMENT", naming=key):
        driver.create(**{key: value})


@pytest.mark.parametrize("path", [
    "", "/data", "relative", "file://", "file:/data", "file://host/data", "file:///data/../etc", "file:///data/./x",
    "file:////data", "hdfs://name/x", "http://bucket/x", "file:///a?b", "s3://", "s3:///prefix", "FILE:///data/%00"
])
def test_a_malformed_under_file_system_is_refused(driver, path):
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", "UNIMPLEMENTED", "NOT_FOUND") as refusal:
        driver.create(path=path)
    assert "path" in refusal.message or "file-roots" in refusal.message


@pytest.mark.parametrize("key", ["s3a.secretKey", "aws.accessKeyId", "fs.oss.accessKeySecret"])
def test_a_secret_among_the_parameters_is_refused_and_not_repeated(driver, key):
    with refused("INVALID_ARGUMENT", naming=[key, "secret"]) as refusal:
        driver.create(**{key: "hunter2hunter2"})
    assert "hunter2" not in refusal.message


def test_keys_of_provisioning_directory_are_refused_without_it(driver):
    with refused("INVALID_ARGUMENT", naming="onDelete"):
        driver.create(onDelete="delete")


# Mount flags.

@pytest.mark.parametrize("flag", [
    "suid", "dev", "remount", "bind", "uid=0", "fd=3", "allow_root", "rootcontext=x", "nonsense", "attrTimeout=x",
    "rw,suid", "source=/etc", "-o ro", "lowerdir=/"
])
def test_a_mount_flag_that_could_leave_the_volume_is_refused(driver, flag):
    volume = driver.create()
    with refused("INVALID_ARGUMENT") as refusal:
        driver.publish(volume, capability_=capability(flags=[flag]))
    assert "mount option" in refusal.message or flag.split("=")[0] in refusal.message


@pytest.mark.parametrize("flag, option", [("ro", "ro"), ("noexec", "noexec"), ("rw", "rw"), ("noatime", "rw")])
def test_an_allowed_mount_flag_is_applied(driver, flag, option):
    """Access times are the under file system's: noatime is taken and has nothing to change."""
    from csi_client import system
    target = driver.publish(driver.create(), capability_=capability(flags=[flag]))
    assert {option, "nosuid", "nodev"} <= system.mount_at(target).options


def test_a_file_system_type_that_is_not_ours_is_refused_or_ignored_but_never_mounted(driver):
    from csi_client import system
    volume = driver.create()
    target = driver.target()
    try:
        driver.publish(volume, target, capability_=capability(file_system="ext4"))
    except Exception:  # noqa: BLE001 - the specification leaves the choice to the plugin
        assert system.mount_at(target) is None
    else:
        assert system.mount_at(target).kind == "fuse.alluxio-fuse"


# What is shown.

def test_uid_gid_and_umask_change_what_is_shown(driver):
    directory = driver.source()
    (directory / "file").write_text("x")
    os.chmod(directory / "file", 0o666)
    volume = driver.create(path=f"file://{directory}", uid="1234", gid="5678", umask="027")
    status = os.stat(driver.publish(volume) / "file")
    assert (status.st_uid, status.st_gid, status.st_mode & 0o777) == (1234, 5678, 0o640)


# File roots.

def test_a_directory_outside_the_file_roots_is_refused(driver):
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--file-roots"):
        driver.create(path=f"file://{driver.elsewhere}")


def test_a_name_that_only_begins_like_a_file_root_is_refused(driver):
    sibling = driver.folder / (driver.ufs.name + "-sibling")
    sibling.mkdir()
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--file-roots"):
        driver.create(path=f"file://{sibling}")


def static(driver, path):
    """A volume that an administrator wrote by hand: the registry does not know it."""
    return csi.Volume(volume_id=driver.name("static"), volume_context={"path": f"file://{path}"})


def test_a_directory_outside_the_file_roots_is_refused_on_the_node(driver):
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--file-roots"):
        driver.publish(static(driver, driver.elsewhere))


def test_a_symlink_out_of_the_file_roots_is_refused_on_the_node(driver):
    link = driver.ufs / driver.name("link")
    link.symlink_to(driver.elsewhere)
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--file-roots"):
        driver.publish(static(driver, link))


def test_a_symlink_in_the_middle_out_of_the_file_roots_is_refused(driver):
    (driver.elsewhere / "below").mkdir(exist_ok=True)
    link = driver.ufs / driver.name("link")
    link.symlink_to("../" + driver.elsewhere.name)
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--file-roots"):
        driver.publish(static(driver, link / "below"))


def test_a_symlink_that_stays_beneath_the_file_roots_is_followed(driver):
    directory = driver.source()
    (directory / "file").write_text("x")
    link = driver.ufs / driver.name("link")
    link.symlink_to(directory)
    assert (driver.publish(static(driver, link)) / "file").read_text() == "x"


def test_without_file_roots_nobody_reads_the_host_by_asking(unstarted):
    command = [word for word in map(str, unstarted.command())]
    at = command.index("--file-roots")
    unstarted.start(command[:at] + command[at + 2:])
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--file-roots"):
        unstarted.create(path=f"file://{unstarted.source()}")
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--file-roots"):
        unstarted.publish(static(unstarted, unstarted.ufs))


# Inline volumes.

def inline(driver, path, **more):
    return csi.Volume(volume_id=driver.name("csi-inline"), volume_context={
        "path": f"file://{path}", "csi.storage.k8s.io/ephemeral": "true", **more})


def test_an_inline_volume_may_not_name_a_directory_of_the_node(driver):
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--inline-file-roots"):
        driver.publish(inline(driver, driver.source()))


def with_inline_roots(driver):
    allowed = driver.ufs / "inline"
    allowed.mkdir()
    driver.start([*driver.command(), "--inline-file-roots", allowed])
    return allowed


def test_an_inline_volume_beneath_the_inline_file_roots_is_served(unstarted):
    allowed = with_inline_roots(unstarted)
    (allowed / "file").write_text("x")
    target = unstarted.publish(inline(unstarted, allowed))
    assert (target / "file").read_text() == "x"
    unstarted.unpublish(target)
    assert not target.exists()


def test_an_inline_volume_beneath_the_file_roots_alone_is_refused(unstarted):
    with_inline_roots(unstarted)
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming="--inline-file-roots"):
        unstarted.publish(inline(unstarted, unstarted.source()))


@pytest.mark.parametrize("key, value", [("memoryLimit", "64Mi"), ("capacity", "1Gi")])
def test_an_inline_volume_may_not_set_what_is_the_administrators(unstarted, key, value):
    allowed = with_inline_roots(unstarted)
    with refused("INVALID_ARGUMENT", "PERMISSION_DENIED", naming=[key, "inline"]):
        unstarted.publish(inline(unstarted, allowed, **{key: value}))


def test_an_inline_volume_cannot_pose_as_an_administrators(unstarted):
    """Only the exact word of the kubelet makes a volume inline; anything else must not open the file roots wider."""
    with_inline_roots(unstarted)
    for word in ("True", "TRUE", "1", " true", "yes"):
        volume = inline(unstarted, unstarted.elsewhere)
        volume.volume_context["csi.storage.k8s.io/ephemeral"] = word
        with refused("INVALID_ARGUMENT", "PERMISSION_DENIED"):
            unstarted.publish(volume)
