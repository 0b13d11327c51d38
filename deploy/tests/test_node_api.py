"""What the node plugin asks the API for, run as the chart renders it: its token, its rights, and nobody else's."""

import contextlib
import os
import pathlib
import signal
import tempfile

import pytest

import chart
import cluster
import pods
import test_node
from conftest import needs_root

pytestmark = needs_root

VALUES = chart.merged(test_node.VALUES, {"alluxio-csi": {"nodePlugin": {
    "events": True, "startupTaint": {"enabled": True, "key": "example.com/starting"}}}})
OTHER = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}


@pytest.fixture(name="api")
def _api():
    with (tempfile.TemporaryDirectory() as folder,
          contextlib.closing(cluster.Cluster(folder, chart.objects(VALUES), "alluxio-csi-node-sa")) as api):
        taint = {"key": "example.com/starting", "effect": "NoExecute"}
        api.ask("POST", "api/v1/nodes", {
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": pods.NODE_NAME},
            "spec": {"taints": [taint, OTHER, {**taint, "effect": "NoSchedule"}]}})
        api.ask("POST", "apis/storage.k8s.io/v1/csinodes", {
            "apiVersion": "storage.k8s.io/v1", "kind": "CSINode", "metadata": {"name": pods.NODE_NAME},
            "spec": {"drivers": [{"name": "alluxio", "nodeID": pods.NODE_NAME}]}})
        api.ask("DELETE", "__calls")
        api.guard()
        yield api


def calls(api):
    return [(call["verb"], call["group"], call["resource"], call["status"]) for call in api.ask("GET", "__calls")]


def test_the_startup_taint_goes_and_events_are_made_with_the_token_and_the_rights_of_the_chart(api):
    mounter, plugin = test_node.specifications(VALUES)
    with test_node.a_node() as node:
        node.cluster = api
        process = test_node.start_mounter(node, mounter)
        server = node.start(plugin, "csi-nodeserver")
        client = test_node.connected(
            node, node.path(test_node.registered_socket(plugin)[0]), server, "csi-nodeserver")
        with contextlib.closing(client):
            test_node._wait_for(node, "csi-nodeserver", "the startup taint is removed")
            assert api.ask("GET", f"api/v1/nodes/{pods.NODE_NAME}")["spec"]["taints"] == [OTHER]
            _lose_a_worker(node, client, process)
            while ("create", "events.k8s.io", "events", 201) not in calls(api):
                pass
    assert all(status < 300 for *_, status in calls(api))


def _lose_a_worker(node, client, mounter):
    """Publishes a volume for a pod and ends its FUSE process."""
    node.path(node.kubelet / test_node.TARGET).parent.mkdir(parents=True)
    publication = test_node.publication(node, test_node.TARGET, **{
        "csi.storage.k8s.io/pod.name": "a", "csi.storage.k8s.io/pod.namespace": "team",
        "csi.storage.k8s.io/pod.uid": "u"})
    client.call("Node.NodePublishVolume", timeout=test_node.SECONDS, **publication)
    [worker] = [pid for pid in descendants(mounter) if _name(pid) == "alluxio-fuse"]
    os.kill(worker, signal.SIGKILL)


def descendants(pid):
    for file in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, file.read_text(encoding="ascii").split()):
            yield child
            yield from descendants(child)


def _name(pid):
    return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0].decode().rpartition("/")[2]


@pytest.mark.parametrize("name", ["node-driver-registrar", "liveness-probe"])
def test_a_sidecar_has_no_token(api, name):
    """A script in the place of its program."""
    _, plugin = test_node.specifications(VALUES)
    with test_node.a_node() as node:
        node.cluster = api
        script = "import os, sys; sys.exit(os.path.exists('/var/run/secrets'))"
        pid = node.start(plugin, name, command=["/usr/bin/python3", "-S", "-c", script])
        assert node.nest.wait(pid, test_node.SECONDS) == 0, node.log(name)


@pytest.mark.parametrize("lacking", [0, 1])
def test_a_plugin_whose_volume_lacks_token_or_authority_says_so_and_ends(api, lacking):
    _, plugin = test_node.specifications(VALUES)
    [volume] = [volume for volume in plugin["volumes"] if "projected" in volume]
    name = ["token", "ca.crt"][lacking]
    del volume["projected"]["sources"][lacking]
    with test_node.a_node() as node:
        node.cluster = api
        pid = node.start(plugin, "csi-nodeserver")
        assert node.nest.wait(pid, test_node.SECONDS) != 0
        assert f"/var/run/secrets/kubernetes.io/serviceaccount/{name} cannot be read" in node.log("csi-nodeserver")
