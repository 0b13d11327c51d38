"""Identity service (CSI specification, "Identity Service RPC")."""

import os
import re
import signal

import grpc
import pytest

from csi_client import system
from csi_client.client import Client, refused
from csi_client.driver import Driver


def test_the_plugin_name_is_a_domain_name_of_at_most_63_characters(driver):
    reply = driver.client.call("Identity.GetPluginInfo")
    assert reply.name == "alluxio"
    assert re.fullmatch(r"[A-Za-z0-9]([-A-Za-z0-9.]{0,61}[A-Za-z0-9])?", reply.name)


def test_the_vendor_version_is_not_empty(driver):
    assert driver.client.call("Identity.GetPluginInfo").vendor_version


def test_the_plugin_offers_the_controller_service_and_online_expansion_and_nothing_else(driver):
    capabilities = driver.client.call("Identity.GetPluginCapabilities").capabilities
    services = [entry.service.type for entry in capabilities if entry.HasField("service")]
    expansions = [entry.volume_expansion.type for entry in capabilities if entry.HasField("volume_expansion")]
    assert (services, expansions) == ([1], [1])  # CONTROLLER_SERVICE, ONLINE
    assert len(capabilities) == 2


def test_probe_says_ready(driver):
    reply = driver.client.call("Identity.Probe")
    assert reply.HasField("ready") and reply.ready.value


def test_probe_does_not_depend_on_the_mounter(isolated):
    volume, target, _ = isolated.published()
    mounter = isolated.mounter()
    os.kill(mounter, signal.SIGKILL)
    assert system.wait_for_exit(mounter, 5)
    assert isolated.client.call("Identity.Probe", timeout=5).ready.value
    assert isolated.client.call("Node.NodeGetCapabilities", timeout=5).capabilities


@pytest.mark.plugin("--driver-name", "csi.example.org")
def test_the_driver_name_is_a_flag(isolated):
    assert isolated.client.call("Identity.GetPluginInfo").name == "csi.example.org"


@pytest.mark.parametrize("mode, absent", [("controller", "Node.NodeGetInfo"), ("node", "Controller.ListVolumes")])
def test_a_plugin_of_one_mode_serves_identity_and_its_own_service_only(mode, absent):
    driver = Driver(mode=mode)
    try:
        assert driver.client.call("Identity.Probe").ready.value
        with refused("UNIMPLEMENTED"):
            driver.client.call(absent)
        assert not driver.stop()
    finally:
        driver.close()


OTHER_CALLS = [
    ("Controller.ControllerPublishVolume", {"volume_id": "v", "node_id": "n"}),
    ("Controller.ControllerUnpublishVolume", {"volume_id": "v", "node_id": "n"}),
    ("Controller.CreateSnapshot", {"source_volume_id": "v", "name": "s"}),
    ("Controller.DeleteSnapshot", {"snapshot_id": "s"}),
    ("Controller.ListSnapshots", {}),
    ("Controller.GetSnapshot", {"snapshot_id": "s"}),
    ("Controller.ControllerModifyVolume", {"volume_id": "v", "mutable_parameters": {"a": "b"}}),
    ("Node.NodeStageVolume", {"volume_id": "v", "staging_target_path": "/s"}),
    ("Node.NodeUnstageVolume", {"volume_id": "v", "staging_target_path": "/s"}),
    ("GroupController.GroupControllerGetCapabilities", {}),
    ("GroupController.CreateVolumeGroupSnapshot", {"name": "g"}),
]


@pytest.mark.parametrize("method, fields", OTHER_CALLS, ids=[method for method, _ in OTHER_CALLS])
def test_a_call_whose_capability_is_not_offered_is_unimplemented(driver, method, fields):
    with refused("UNIMPLEMENTED"):
        driver.client.call(method, **fields)


def test_a_streaming_call_of_a_service_that_is_not_offered_is_unimplemented(driver):
    with refused("UNIMPLEMENTED"):
        list(driver.client.call("SnapshotMetadata.GetMetadataAllocated", snapshot_id="s"))


@pytest.mark.parametrize("path", ["/csi.v1.Node/NoSuchCall", "/csi.v0.Identity/Probe", "/grpc.health.v1.Health/Check"])
def test_an_unknown_method_is_unimplemented(driver, path):
    with pytest.raises(grpc.RpcError) as error:
        driver.client.channel.unary_unary(path)(b"", timeout=10)
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_a_client_that_comes_back_is_served_again(driver):
    for _ in range(3):
        client = Client(driver.socket)
        assert client.call("Identity.Probe").ready.value
        client.close()
