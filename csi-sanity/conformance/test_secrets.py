"""Secrets reach no log line, no record, no command line, no environment and no error message."""

import json
import os
import pathlib

import grpc
import pytest

from csi_client import system
from csi_client.client import capability, refused

CANARY = "canary-7f3a9c51e2"


def values():
    return {"s3a.accessKeyId": f"{CANARY}-id", "s3a.secretKey": f"{CANARY}-key"}


def tokens():
    return {"csi.storage.k8s.io/serviceAccount.tokens": json.dumps({"audience": {"token": f"{CANARY}-token"}})}


def places(driver):
    """Everything that the driver wrote or shows: (name, bytes)."""
    for folder, _, files in os.walk(driver.folder):
        if system.mount_at(folder) and str(folder) != str(driver.folder):
            continue
        for name in files:
            path = pathlib.Path(folder) / name
            if path.is_file():
                yield str(path), path.read_bytes()
        for name in files:
            yield f"name {folder}/{name}", os.fsencode(name)
    pids = [pid for group in driver.nest.members().values() for pid in group]
    for pid in pids:
        for kind in ("cmdline", "environ", "comm"):
            yield f"/proc/{pid}/{kind}", pathlib.Path(f"/proc/{pid}/{kind}").read_bytes()
    yield "mountinfo", pathlib.Path("/proc/self/mountinfo").read_bytes()


def find_canary(driver):
    return [name for name, data in places(driver) if CANARY.encode() in data]


def test_the_search_would_find_a_canary(isolated):
    (isolated.state / "leak").write_text(f"x{CANARY}x")
    assert find_canary(isolated) == [str(isolated.state / "leak")]
    (isolated.state / "leak").unlink()


@pytest.mark.plugin("--log-level", "trace")
def test_secrets_and_tokens_stay_out_of_everything_that_is_written(isolated):
    volume = isolated.create(secrets=values())
    target = isolated.publish(volume, secrets=values(), **tokens())
    isolated.publish(volume, target, secrets={**values(), "s3a.secretKey": f"{CANARY}-rotated"}, **tokens())
    assert find_canary(isolated) == []
    isolated.restart()
    assert find_canary(isolated) == []
    isolated.unpublish(target)
    isolated.delete(volume.volume_id, secrets=values())
    assert find_canary(isolated) == []


@pytest.mark.plugin("--log-level", "trace")
def test_a_refused_call_repeats_no_secret(isolated):
    volume = isolated.create()
    target = isolated.target()
    attempts = [
        lambda: isolated.publish(volume, target, secrets=values(), nonsense=CANARY),
        lambda: isolated.publish(volume, target, secrets={"nonsense": CANARY, **values()}, umask="999"),
        lambda: isolated.publish(volume, target, **tokens(), attrTimeout=CANARY),
        lambda: isolated.publish(volume, target, capability_=capability(flags=[f"password={CANARY}"])),
        lambda: isolated.create(secrets=values(), path="file:///outside"),
        lambda: isolated.create(**{"s3a.secretKey": CANARY}),
    ]
    for attempt in attempts:
        with pytest.raises(grpc.RpcError) as error:
            attempt()
        details = error.value.details() + str(error.value.trailing_metadata())
        assert CANARY not in details, details
    assert find_canary(isolated) == []


def test_a_secret_given_as_a_mount_flag_is_refused_and_not_repeated(driver):
    volume = driver.create()
    with refused("INVALID_ARGUMENT") as refusal:
        driver.publish(volume, capability_=capability(flags=[f"s3a.secretKey={CANARY}"]))
    assert CANARY not in refusal.message


def test_the_folders_of_the_driver_are_closed_to_others(isolated):
    isolated.published()
    for folder in (isolated.socket.parent, isolated.state / "mounter"):
        assert folder.stat().st_mode & 0o077 == 0, folder
    for folder, _, files in os.walk(isolated.state):
        if system.mount_at(folder):
            continue
        for name in files:
            mode = os.lstat(os.path.join(folder, name)).st_mode
            assert mode & 0o022 == 0, (folder, name)


def test_every_call_is_logged_with_method_volume_duration_and_code(unstarted):
    unstarted.start([*unstarted.command(), "--log-format", "json"])
    volume = unstarted.create()
    with pytest.raises(grpc.RpcError):
        unstarted.client.call("Controller.ControllerGetVolume", volume_id="nobody")
    lines = [json.loads(line) for line in unstarted.log_text().splitlines() if line.strip()]
    text = {json.dumps(line) for line in lines}
    created = [line for line in text if "CreateVolume" in line]
    failed = [line for line in text if "ControllerGetVolume" in line]
    assert created and all(word in created[0] for word in (volume.volume_id, "OK"))
    assert failed and all(word in failed[0] for word in ("nobody", "NOT_FOUND"))
