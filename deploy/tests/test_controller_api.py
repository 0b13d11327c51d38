"""The controller that keeps volumes as objects of the cluster, run as the chart renders it, with its account's rights."""

import contextlib
import tempfile
import time

import pytest

import chart
import cluster
import test_node
from conftest import needs_root

pytestmark = needs_root

VALUES = chart.merged(test_node.VALUES, {"alluxio-csi": {"controllerPlugin": {"registry": "kubernetes"}}})
VOLUMES = "apis/csi.alluxio.com/v1alpha1/alluxiovolumes"


@pytest.fixture(name="api")
def _api():
    with (tempfile.TemporaryDirectory() as folder,
          contextlib.closing(cluster.Cluster(folder, chart.objects(VALUES), "alluxio-csi-sa")) as api):
        api.guard()
        yield api


def names(api):
    # Asked as the controller asks, whose rights it takes.
    return [item["metadata"]["name"] for item in api.ask("GET", VOLUMES)["items"]]


def test_a_volume_is_an_object_for_as_long_as_it_lives_and_the_next_controller_finds_it(api):
    with test_node.a_node() as node:
        node.cluster = api
        _, client = test_node.a_controller(node, VALUES)
        with contextlib.closing(client):
            volume = client.call("Controller.CreateVolume", **test_node.creation()).volume
            assert names(api) == ["pvc-1"]
            [stored] = api.ask("GET", VOLUMES)["items"]
            assert stored["spec"]["record"]["context"] == dict(volume.volume_context)
        _, client = test_node.a_controller(node, VALUES)
        with contextlib.closing(client):
            again = client.call("Controller.CreateVolume", **test_node.creation()).volume
            assert again.volume_id == volume.volume_id and dict(again.volume_context) == dict(volume.volume_context)
            [entry] = client.call("Controller.ListVolumes").entries
            assert entry.volume.volume_id == "pvc-1"
            client.call("Controller.DeleteVolume", volume_id="pvc-1")
            assert names(api) == []
    assert not {call["status"] for call in api.ask("GET", "__calls")} & {401, 403}


def test_a_volume_that_a_node_reports_shows_its_health_and_is_not_deleted(api):
    with test_node.a_node() as node:
        node.cluster = api
        _, client = test_node.a_controller(node, VALUES)
        with contextlib.closing(client):
            client.call("Controller.CreateVolume", **test_node.creation())
            _report(api, "node-7", "pvc-1")
            limit = time.monotonic() + test_node.SECONDS
            while (status := api.ask("GET", f"{VOLUMES}/pvc-1").get("status", {})).get("nodeCount") != 1:
                assert time.monotonic() < limit, (status, node.log("csi-controller"))
            [usable] = [condition for condition in status["conditions"] if condition["type"] == "Usable"]
            assert usable["status"] == "False" and "node-7: the disk is on fire" in usable["message"]
            with pytest.raises(Exception, match="node-7"):
                client.call("Controller.DeleteVolume", volume_id="pvc-1")


def _report(api, node, volume):
    """As the plugin of another node does."""
    path = "apis/csi.alluxio.com/v1alpha1/alluxionodes"
    api.guard({"apiGroups": ["csi.alluxio.com"], "resources": ["alluxionodes", "alluxionodes/status"],
               "verbs": ["create", "patch"]})
    api.ask("POST", path, {
        "apiVersion": "csi.alluxio.com/v1alpha1", "kind": "AlluxioNode", "metadata": {"name": node},
        "spec": {"nodeID": node}})
    api.ask("PATCH", f"{path}/{node}/status", {"status": {
        "reportedAt": "2026-01-01T00:00:00Z", "volumeCount": 1, "abnormalCount": 1, "omittedCount": 0,
        "volumes": [{"volumeID": volume, "abnormal": True, "message": "the disk is on fire"}]}},
        kind="application/merge-patch+json")
    api.guard()
