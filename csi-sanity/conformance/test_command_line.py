"""Flags, endpoints, the socket and its lock."""

import os
import re
import signal
import socket
import subprocess

import pytest

from csi_client import system
from csi_client.client import Client, refused
from csi_client.driver import Driver, programs


def run(*arguments, timeout=20):
    return subprocess.run([programs() / "alluxio-csi", *map(str, arguments)], capture_output=True, text=True,
                          timeout=timeout, check=False)


def test_the_version_is_printed():
    result = run("--version")
    assert result.returncode == 0 and re.search(r"\d+\.\d+", result.stdout)


def test_a_plugin_whose_folders_are_on_no_shared_mount_says_once_that_volumes_may_not_reach_pods(unstarted):
    system.mount(unstarted.kubelet, unstarted.kubelet, "", system.MS_BIND)
    system.mount("none", unstarted.kubelet, "", system.MS_PRIVATE)
    unstarted.start()
    unstarted.client.call("Node.NodeGetInfo")
    [warning] = [line for line in unstarted.log_text().splitlines() if "Bidirectional" in line]
    assert str(unstarted.state) in warning and str(unstarted.kubelet) in warning
    system.mount("none", unstarted.kubelet, "", system.MS_SHARED)
    unstarted.restart()
    unstarted.client.call("Node.NodeGetInfo")
    assert unstarted.log_text().count("Bidirectional") == 1


def test_the_help_names_every_flag():
    result = run("--help")
    assert result.returncode == 0
    for flag in ("endpoint", "nodeid", "mode", "driver-name", "registry", "state-dir", "kubelet-dir", "mounter-socket",
                 "file-roots", "inline-file-roots", "max-volumes", "log-level", "log-format", "version"):
        assert f"--{flag}" in result.stdout, flag


@pytest.mark.parametrize("form", ["unix:///{path}", "unix://{path}", "unix:{path}", "unix:///{path}/"],
                         ids=["three slashes", "two slashes", "no slash", "trailing slash"])
def test_an_endpoint_may_be_written_as_charts_write_it(unstarted, form):
    if form.endswith("/"):
        endpoint = f"unix://{unstarted.socket}/"
    else:
        path = str(unstarted.socket)
        endpoint = form.format(path=path.lstrip("/") if form.startswith("unix:///") else path)
    command = [str(word) for word in unstarted.command()]
    command[command.index("--endpoint") + 1] = endpoint
    if form.endswith("/"):
        status, printed = unstarted.refusal(command)
        assert status > 0 and "endpoint" in printed
        return
    unstarted.start(command)
    assert unstarted.client.call("Identity.Probe").ready.value


@pytest.mark.parametrize("endpoint", [
    "", "tcp://127.0.0.1:10000", "127.0.0.1:10000", "unix:", "unix://", "unix:relative/socket", "http://x",
    "unix:///" + "x" * 200
])
def test_any_other_endpoint_is_refused_in_one_sentence(unstarted, endpoint):
    command = [str(word) for word in unstarted.command()]
    command[command.index("--endpoint") + 1] = endpoint
    status, printed = unstarted.refusal(command)
    assert status > 0
    assert "endpoint" in printed.lower()
    assert len(printed) < 1500 and "Fatal error" not in printed


@pytest.mark.parametrize("flags", [
    ["--mode", "everything"], ["--registry", "etcd:x"], ["--log-level", "loud"], ["--log-format", "xml"],
    ["--max-volumes", "-1"], ["--max-volumes", "many"], ["--no-such-flag"], ["--file-roots", "relative"],
    ["--nodeid", ""], ["--nodeid", "n" * 300], ["--driver-name", ""], ["--driver-name", "under_score"],
    ["--driver-name", "d" * 64], ["--kubelet-dir", "relative"], ["--state-dir", "relative"],
], ids=" ".join)
def test_a_malformed_flag_is_refused_in_one_sentence(unstarted, flags):
    command = [*map(str, unstarted.command()), *flags]
    status, printed = unstarted.refusal(command)
    assert status > 0
    assert flags[0].lstrip("-") in printed
    assert "Fatal error" not in printed and len(printed) < 2500


@pytest.mark.parametrize("flags", [["-v", "5"], ["--v", "5"], ["--v=5"], ["-v=5"]], ids=" ".join)
def test_the_verbosity_of_the_charts_is_accepted(unstarted, flags):
    unstarted.start([*unstarted.command(), *flags])
    assert unstarted.client.call("Identity.Probe").ready.value


def test_a_second_server_on_the_same_socket_is_refused_and_the_first_serves_on(isolated):
    status, printed = isolated.refusal()
    assert status > 0 and str(isolated.socket) in printed
    client = Client(isolated.socket)
    assert client.call("Identity.Probe").ready.value
    client.close()


def test_a_stale_socket_is_removed(unstarted):
    unstarted.socket.parent.mkdir(mode=0o700)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(str(unstarted.socket))
    unstarted.start()
    assert unstarted.client.call("Identity.Probe").ready.value


def test_what_stands_at_the_socket_and_is_no_socket_is_left_alone(unstarted):
    unstarted.socket.parent.mkdir(mode=0o700)
    unstarted.socket.write_text("somebody's file")
    status, printed = unstarted.refusal()
    assert status > 0 and str(unstarted.socket) in printed
    # It was the first thing to be tried: nothing else was started for it.
    assert not [name for name in unstarted.nest.members() if name]
    assert unstarted.socket.read_text() == "somebody's file"


def test_the_socket_and_its_folder_are_the_owners_alone(isolated):
    assert isolated.socket.parent.stat().st_mode & 0o777 == 0o700
    assert isolated.socket.stat().st_mode & 0o077 == 0


def test_an_orderly_end_removes_the_socket(unstarted):
    unstarted.start()
    assert unstarted.kill(signal.SIGTERM) == 0
    assert not unstarted.socket.exists()


def test_a_running_call_is_finished_before_the_end(isolated):
    volume, target = isolated.create(), isolated.target()
    call = isolated.start_publish(volume, target)
    # Answered after the publish was begun, on the same connection.
    isolated.client.call("Identity.Probe")
    assert isolated.kill(signal.SIGTERM) == 0
    assert call.exception() is None or call.code().name in ("UNAVAILABLE", "CANCELLED")
    isolated.start()
    isolated.publish(volume, target)


def test_controller_and_node_as_two_processes_share_the_registry():
    controller = Driver(mode="controller")
    node = None
    try:
        node = Driver(mode="node", start=False)
        command = [str(word) for word in node.command()]
        command[command.index("--file-roots") + 1] = str(controller.ufs)
        command[command.index("--registry") + 1] = f"file:{controller.registry}"
        node.start(command)
        volume = controller.create()
        target = node.publish(volume)
        (target / "file").write_text("x")
        with refused("FAILED_PRECONDITION", naming="node-1"):
            controller.client.call("Controller.DeleteVolume", volume_id=volume.volume_id)
        node.unpublish(target)
        controller.delete(volume.volume_id)
        assert not controller.stop() and not node.stop()
    finally:
        controller.close()
        if node:
            node.close()


def test_a_folder_that_cannot_be_written_is_named(unstarted):
    blocked = unstarted.folder / "file"
    blocked.write_text("x")
    command = [str(word) for word in unstarted.command()]
    command[command.index("--state-dir") + 1] = str(blocked / "state")
    status, printed = unstarted.refusal(command)
    assert status > 0 and str(blocked) in printed


def test_the_plugin_runs_with_its_output_closed(unstarted):
    """The log goes nowhere, and no descriptor of the plugin is taken for it."""
    command = ["/bin/sh", "-c", 'exec "$@" >&- 2>&-', "sh", *[str(word) for word in unstarted.command()]]
    unstarted.start(command)
    assert unstarted.client.call("Identity.Probe").ready.value
    assert os.path.exists(f"/proc/{unstarted.pid}")
