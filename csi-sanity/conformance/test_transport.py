"""What arrives on the socket that no client of CSI would send."""

import os
import socket

import pytest

from csi_client.client import Client, capability, csi, refused


def connect(driver):
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(20)
    connection.connect(str(driver.socket))
    return connection


GARBAGE = {
    "random": os.urandom(65536),
    "HTTP/1.1": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    "TLS": bytes.fromhex("16030100a5010000a1") + os.urandom(161),
    "zeros": bytes(65536),
    "half a preface": b"PRI * HTTP/2.0\r\n\r\nS",
    "a frame of 16 MiB announced": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff\xff\xff\x00\x00\x00\x00\x00\x01",
    "settings that never end": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\6\4\0\0\0\0\0\0\4\xff\xff\xff\xff" * 500,
    "nothing": b"",
}


@pytest.mark.parametrize("data", GARBAGE.values(), ids=GARBAGE)
def test_garbage_on_the_socket_ends_that_connection_and_nothing_else(driver, data):
    pid = driver.pid
    with connect(driver) as connection:
        try:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                pass
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert driver.client.call("Identity.Probe", timeout=5).ready.value
    assert driver.pid == pid


def test_a_thousand_connections_that_say_nothing_go_away_without_a_trace(driver):
    for _ in range(1000):
        connect(driver).close()
    assert driver.client.call("Identity.Probe", timeout=5).ready.value
    # The last close may still be on its way; a further round trip on a new connection puts it behind us.
    client = Client(driver.socket)
    assert client.call("Identity.Probe").ready.value
    client.close()
    assert len(os.listdir(f"/proc/{driver.pid}/fd")) < 200


def test_a_request_of_five_mebibytes_is_refused(driver):
    with refused("RESOURCE_EXHAUSTED"):
        driver.client.call("Controller.CreateVolume", name="big", volume_capabilities=[capability()],
                           parameters={"path": "file:///" + "x" * (5 << 20)})
    assert driver.client.call("Identity.Probe").ready.value


def test_a_request_just_below_the_limit_is_read_and_judged(driver):
    with refused("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED"):
        driver.client.call("Controller.CreateVolume", name="big", volume_capabilities=[capability()],
                           parameters={"path": "file:///" + "x" * (3 << 20)})


def test_ten_thousand_parameters_are_refused(driver):
    with refused("INVALID_ARGUMENT"):
        driver.client.call("Controller.CreateVolume", name="many", volume_capabilities=[capability()],
                           parameters={f"key{number}": "x" for number in range(10_000)})


def test_an_error_message_fits_into_the_metadata_that_clients_accept(driver):
    with refused("INVALID_ARGUMENT") as refusal:
        driver.client.call("Controller.CreateVolume", name="n" * 100_000, volume_capabilities=[capability()],
                           parameters={"path": f"file://{driver.ufs}"})
    assert len(refusal.message) < 2000
    with refused("INVALID_ARGUMENT") as refusal:
        driver.create(**{"k" * 100_000: "x"})
    assert len(refusal.message) < 2000


def test_a_deadline_that_has_passed_does_nothing(driver):
    with refused("DEADLINE_EXCEEDED"):
        driver.client.call("Controller.CreateVolume", timeout=0, name="late", volume_capabilities=[capability()],
                           parameters={"path": f"file://{driver.ufs}"})


def test_hostile_text_in_names_shows_escaped_in_messages(driver):
    with refused("INVALID_ARGUMENT") as refusal:
        driver.create(**{"\x1b[31mred\r\n": "x"})
    assert not set(refusal.message) & {"\x1b", "\r", "\n"}


def test_an_empty_request_of_every_call_is_answered(driver):
    for service in ("Identity", "Controller", "Node"):
        for method in csi.DESCRIPTOR.services_by_name[service].methods:
            try:
                driver.client.call_bytes(f"{service}.{method.name}", b"")
            except Exception as error:  # noqa: BLE001
                assert error.code().name in ("INVALID_ARGUMENT", "UNIMPLEMENTED"), (method.name, error)
