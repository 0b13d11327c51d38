"""Secrets reach no log line, no record, no command line, no environment and no error message."""

import json
import os
import pathlib
import signal

import grpc
import pytest

from csi_client import system
from csi_client.client import GIB, capability, capacity, csi, refused

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
        for kind in ("cmdline", "environ", "comm", "maps", "mountinfo"):
            yield f"/proc/{pid}/{kind}", pathlib.Path(f"/proc/{pid}/{kind}").read_bytes()
        for link in [f"/proc/{pid}/cwd", *map(str, pathlib.Path(f"/proc/{pid}/fd").iterdir())]:
            try:
                yield link, os.fsencode(os.readlink(link))
            except OSError:
                continue


def find_canary(driver, text=CANARY):
    return [name for name, data in places(driver) if text.encode() in data]


def test_the_search_would_find_a_canary(isolated):
    (isolated.state / "leak").write_text(f"x{CANARY}x")
    assert find_canary(isolated) == [str(isolated.state / "leak")]
    (isolated.state / "leak").unlink()
    script = ["/bin/sh", "-c", "kill -STOP $$", CANARY]
    pid = isolated.nest.spawn(script, isolated.folder / "shell.log", {"LEAK": CANARY})
    assert find_canary(isolated) == [f"/proc/{pid}/cmdline", f"/proc/{pid}/environ"]
    os.kill(pid, signal.SIGKILL)
    isolated.nest.wait(pid)


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


def requests_with_secrets():
    """Every call whose request has a field that the protocol marks as secret, by its full name."""
    for service in csi.DESCRIPTOR.services_by_name.values():
        for method in service.methods:
            for field in method.input_type.fields:
                if field.GetOptions().Extensions[csi.csi_secret]:
                    yield f"{service.name}.{method.name}", method.input_type, field.name


def test_the_protocol_has_the_secret_fields_that_are_tried():
    names = {method for method, _, _ in requests_with_secrets()}
    assert {"Node.NodeStageVolume", "Node.NodePublishVolume", "Node.NodeExpandVolume"} <= names and len(names) == 19


def filled(message, secret_field, values):
    """A request with something in every field of text, and a canary in every map that may hold a secret."""
    request = message._concrete_class(**values)
    for field in message.fields:
        entry = field.message_type.fields_by_name if field.message_type else {}
        is_text_map = set(entry) == {"key", "value"} and entry["value"].type == entry["value"].TYPE_STRING
        if field.name == secret_field or (is_text_map and field.name not in values):
            getattr(request, field.name)[f"{field.name}-key"] = f"{CANARY}-{message.name}-{field.name}"
    return request


@pytest.mark.plugin("--log-level", "trace")
@pytest.mark.parametrize("call", [method for method, _, _ in requests_with_secrets()])
def test_a_canary_in_every_secret_field_of_a_call_is_seen_nowhere(isolated, call):
    volume, target, _ = isolated.published(secrets=values(), **tokens())
    [(message, field)] = [(message, field) for method, message, field in requests_with_secrets() if method == call]
    known = {
        "name": "another", "volume_id": volume.volume_id, "target_path": str(isolated.target()),
        "volume_path": str(target), "volume_capability": capability(), "volume_capabilities": [capability()],
        "capacity_range": capacity(GIB), "volume_context": dict(volume.volume_context),
        "parameters": {"path": dict(volume.volume_context)["path"]},
    }
    plain = {name: value for name, value in known.items() if name in message.fields_by_name}
    isolated._published[known["target_path"]] = volume.volume_id
    # Once as it would succeed, once with a canary in each of its maps, which is refused or passed over.
    attempts = [message._concrete_class(**plain), filled(message, field, {})]
    getattr(attempts[0], field)["s3a.secretKey"] = f"{CANARY}-{field}"
    for request in attempts:
        try:
            reply = str(isolated.client.call(call, request))
        except grpc.RpcError as error:
            reply = error.details() + str(error.trailing_metadata())
        # What a volume shows of its own context is no secret.
        assert CANARY not in reply, reply
    assert find_canary(isolated) == []


@pytest.mark.plugin("--log-level", "trace")
def test_a_canary_in_every_field_of_a_publish_is_seen_nowhere_while_the_volume_lives_and_after(isolated):
    volume = isolated.create()
    # A flag that is taken with a value, which has to be a number.
    flags = ["max_background=735197351", "allow_other"]
    told = {"capability_": capability(flags=flags), "secrets": values(), **tokens()}
    target = isolated.publish(volume, **told)
    other = isolated.publish(volume, **{**told, "secrets": {"session": f"{CANARY}-session"}})
    request = csi.NodePublishVolumeRequest(**isolated.publication(volume, target, **told))
    request.publish_context["attached"] = f"{CANARY}-attached"
    isolated.client.call("Node.NodePublishVolume", request)

    def seen():
        return find_canary(isolated) + find_canary(isolated, "735197351")

    assert seen() == []
    [worker] = isolated.workers()
    os.kill(worker, signal.SIGKILL)
    assert system.wait_for_exit(worker, 5)
    isolated.publish(volume, target, **told)
    isolated.restart()
    isolated.publish(volume, other, **{**told, "secrets": {"session": f"{CANARY}-session"}})
    assert seen() == []
    isolated.unpublish(other)
    isolated.unpublish(target)
    assert seen() == []


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
