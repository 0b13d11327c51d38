"""Every call, with each required field missing or malformed: INVALID_ARGUMENT, and a sentence that names the field."""

import pytest

from csi_client.client import capability, capacity, csi, field_bytes, refused

LONG = "i" * 129


def valid(driver, method):
    """Fields with which the call is well-formed (what they name need not exist)."""
    target = str(driver.kubelet / "pods" / "p" / "volumes" / "v" / "mount")
    return {
        "Controller.CreateVolume": {
            "name": "fields", "volume_capabilities": [capability()], "parameters": {"path": f"file://{driver.ufs}"}},
        "Controller.DeleteVolume": {"volume_id": "v"},
        "Controller.ControllerGetVolume": {"volume_id": "v"},
        "Controller.ValidateVolumeCapabilities": {"volume_id": "v", "volume_capabilities": [capability()]},
        "Controller.ControllerExpandVolume": {"volume_id": "v", "capacity_range": capacity(1 << 30)},
        "Controller.GetCapacity": {"volume_capabilities": [capability()]},
        "Node.NodePublishVolume": {
            "volume_id": "v", "target_path": target, "volume_capability": capability(),
            "volume_context": {"path": f"file://{driver.ufs}"}},
        "Node.NodeUnpublishVolume": {"volume_id": "v", "target_path": target},
        "Node.NodeGetVolumeStats": {"volume_id": "v", "volume_path": target},
        "Node.NodeExpandVolume": {"volume_id": "v", "volume_path": target},
    }[method]


no_access_type = csi.VolumeCapability(access_mode=capability().access_mode)
no_access_mode = csi.VolumeCapability(mount=capability().mount)

CASES = [
    ("Controller.CreateVolume", "name", "", "name"),
    ("Controller.CreateVolume", "name", LONG, "name"),
    ("Controller.CreateVolume", "name", "é" * 64 + "a", "name"),
    ("Controller.CreateVolume", "volume_capabilities", [], "volume_capabilities"),
    ("Controller.CreateVolume", "volume_capabilities", [no_access_type], "access_type"),
    ("Controller.CreateVolume", "volume_capabilities", [no_access_mode], "access_mode"),
    ("Controller.CreateVolume", "volume_capabilities", [capability("UNKNOWN")], "access_mode"),
    ("Controller.CreateVolume", "volume_capabilities", [capability(99)], "access_mode"),
    ("Controller.CreateVolume", "parameters", {}, "path"),
    ("Controller.CreateVolume", "capacity_range", capacity(-1), "capacity_range"),
    ("Controller.CreateVolume", "capacity_range", capacity(1, -1), "capacity_range"),
    ("Controller.CreateVolume", "capacity_range", capacity(2 << 30, 1 << 30), "capacity_range"),
    ("Controller.DeleteVolume", "volume_id", "", "volume_id"),
    ("Controller.ControllerGetVolume", "volume_id", "", "volume_id"),
    ("Controller.ValidateVolumeCapabilities", "volume_id", "", "volume_id"),
    ("Controller.ValidateVolumeCapabilities", "volume_capabilities", [], "volume_capabilities"),
    ("Controller.ValidateVolumeCapabilities", "volume_capabilities", [no_access_type], "access_type"),
    ("Controller.ControllerExpandVolume", "volume_id", "", "volume_id"),
    ("Controller.ControllerExpandVolume", "capacity_range", None, "capacity_range"),
    ("Controller.ControllerExpandVolume", "capacity_range", capacity(), "capacity_range"),
    ("Controller.ControllerExpandVolume", "capacity_range", capacity(-5), "capacity_range"),
    ("Node.NodePublishVolume", "volume_id", "", "volume_id"),
    ("Node.NodePublishVolume", "volume_id", LONG, "volume_id"),
    ("Node.NodePublishVolume", "target_path", "", "target_path"),
    ("Node.NodePublishVolume", "volume_capability", None, "volume_capability"),
    ("Node.NodePublishVolume", "volume_capability", no_access_type, "access_type"),
    ("Node.NodePublishVolume", "volume_capability", no_access_mode, "access_mode"),
    ("Node.NodePublishVolume", "volume_capability", capability("UNKNOWN"), "access_mode"),
    ("Node.NodePublishVolume", "volume_capability", capability(block=True), "block"),
    ("Node.NodePublishVolume", "volume_capability", capability(group="staff"), "volume_mount_group"),
    ("Node.NodePublishVolume", "volume_capability", capability(group="-1"), "volume_mount_group"),
    ("Node.NodePublishVolume", "volume_capability", capability(group="4294967296"), "volume_mount_group"),
    ("Node.NodePublishVolume", "volume_context", {}, "path"),
    ("Node.NodeUnpublishVolume", "volume_id", "", "volume_id"),
    ("Node.NodeUnpublishVolume", "target_path", "", "target_path"),
    ("Node.NodeGetVolumeStats", "volume_id", "", "volume_id"),
    ("Node.NodeGetVolumeStats", "volume_path", "", "volume_path"),
    ("Node.NodeExpandVolume", "volume_id", "", "volume_id"),
    ("Node.NodeExpandVolume", "volume_path", "", "volume_path"),
]


def label(case):
    method, field, value, _ = case
    shown = {"": "empty", LONG: "129 bytes"}.get(value) if isinstance(value, str) else None
    return f"{method.split('.')[1]}-{field}-{shown or str(value).replace(chr(10), ' ')[:40] or 'missing'}"


@pytest.mark.parametrize("method, field, value, named", CASES, ids=[label(case) for case in CASES])
def test_a_field_is_missing_or_malformed(driver, method, field, value, named):
    fields = {**valid(driver, method), field: value}
    if value is None:
        del fields[field]
    # A limit below what is required is well-formed and cannot be met: the specification allows either code.
    codes = ["INVALID_ARGUMENT"] + (["OUT_OF_RANGE"] if field == "capacity_range" else [])
    with refused(*codes, naming=named):
        driver.client.call(method, **fields)


# Strings that protobuf forbids, as bytes on the wire. Each entry: call, field number, field.
STRINGS = [
    ("Controller.CreateVolume", 1, "name"),
    ("Controller.DeleteVolume", 1, "volume_id"),
    ("Controller.ControllerGetVolume", 1, "volume_id"),
    ("Controller.ValidateVolumeCapabilities", 1, "volume_id"),
    ("Controller.ControllerExpandVolume", 1, "volume_id"),
    ("Node.NodePublishVolume", 1, "volume_id"),
    ("Node.NodePublishVolume", 4, "target_path"),
    ("Node.NodeUnpublishVolume", 1, "volume_id"),
    ("Node.NodeUnpublishVolume", 2, "target_path"),
    ("Node.NodeGetVolumeStats", 2, "volume_path"),
    ("Node.NodeExpandVolume", 1, "volume_id"),
]
BYTES = {
    "NUL": b"a\0b", "NUL at the end": b"ab\0", "lone continuation": b"a\x80", "overlong slash": b"\xc0\xaf",
    "surrogate": b"\xed\xa0\x80", "cut off": b"ab\xe2\x82", "above U+10FFFF": b"\xf4\x90\x80\x80", "0xFF": b"\xff",
}


@pytest.mark.parametrize("data", BYTES.values(), ids=BYTES)
@pytest.mark.parametrize("method, number, field", STRINGS, ids=[f"{entry[0]}-{entry[2]}" for entry in STRINGS])
def test_a_string_with_bytes_that_are_no_text_is_refused(driver, method, number, field, data):
    request = getattr(csi, method.split(".")[1] + "Request")(**valid(driver, method))
    # The last value of a field counts, so that this one replaces the good one.
    with refused("INVALID_ARGUMENT", naming=field):
        driver.client.call_bytes(method, request.SerializeToString() + field_bytes(number, data))


def entry(key, value):
    return field_bytes(1, key) + field_bytes(2, value)


@pytest.mark.parametrize("key, value", [(b"pa\0th", b"x"), (b"path", b"file:///\0"), (b"\xff", b"x"), (b"path", b"\xfe")],
                         ids=["NUL in a key", "NUL in a value", "no text in a key", "no text in a value"])
@pytest.mark.parametrize("method, number", [
    ("Controller.CreateVolume", 4), ("Controller.CreateVolume", 5), ("Node.NodePublishVolume", 7),
    ("Node.NodePublishVolume", 8), ("Controller.GetCapacity", 2)
], ids=["parameters", "create secrets", "publish secrets", "volume_context", "capacity parameters"])
def test_a_map_with_bytes_that_are_no_text_is_refused(driver, method, number, key, value):
    request = getattr(csi, method.split(".")[1] + "Request")(**valid(driver, method))
    with refused("INVALID_ARGUMENT"):
        driver.client.call_bytes(method, request.SerializeToString() + field_bytes(number, entry(key, value)))


@pytest.mark.parametrize("data", [b"\x0a\xff\x01", b"\x0a", b"\xff" * 64, b"\x0b\x0c", b"\x12\x7fshort",
                                  b"\x0a\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01"],
                         ids=["length past the end", "no length", "endless varint", "group", "cut off", "long varint"])
@pytest.mark.parametrize("method", ["Controller.CreateVolume", "Node.NodePublishVolume", "Node.NodeUnpublishVolume"])
def test_bytes_that_are_no_message_are_refused(driver, method, data):
    with refused("INVALID_ARGUMENT", "INTERNAL"):
        driver.client.call_bytes(method, data)
    assert driver.client.call("Identity.Probe").ready.value


def test_an_unknown_field_is_ignored(driver):
    reply = driver.client.call_bytes("Identity.Probe", field_bytes(4000, b"from the future"))
    assert csi.ProbeResponse.FromString(reply).ready.value
