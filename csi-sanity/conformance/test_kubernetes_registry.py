"""Two controllers that remember volumes as objects of one cluster (`--registry kubernetes`)."""

import contextlib
import json
import subprocess
import sys
import urllib.request

import grpc
import pytest

from csi_client import driver
from csi_client.client import capability
from csi_client.stubs import CHECKOUT

SERVERS = "Tests/ObjectStoreServers/servers"


@pytest.fixture(name="cluster")
def _cluster():
    """The URL of an API server that ends with the test, however that ends."""
    subprocess.run(
        [CHECKOUT / "scripts/python-environment.sh", ".build-python", f"{SERVERS}/requirements.txt"], check=True)
    python = CHECKOUT / ".build-python/bin/python"
    with subprocess.Popen(
        [sys.executable, CHECKOUT / SERVERS / "run.py", r"^listening on (\d+)", python,
         CHECKOUT / SERVERS / "kubernetes_server.py"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as server:
        yield f"http://127.0.0.1:{int(server.stdout.readline())}/@conformance"
        server.stdin.close()


@pytest.fixture(name="controllers")
def _controllers(cluster, tmp_path):
    """Two controllers, each with folders of its own."""
    config = tmp_path / "config"
    config.write_text(json.dumps({
        "clusters": [{"name": "c", "cluster": {"server": cluster}}], "users": [{"name": "u", "user": {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}], "current-context": "x"}))
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(contextlib.closing(
            driver.Driver("--registry", f"kubernetes:{config}", mode="controller"))) for _ in range(2)]


def create(controller, name, size=0):
    return controller.client.call(
        "Controller.CreateVolume", name=name, volume_capabilities=[capability()],
        capacity_range={"required_bytes": size}, parameters={"path": "s3://bucket/prefix"}).volume


def listed(controller):
    reply = controller.client.call("Controller.ListVolumes")
    return [entry.volume.volume_id for entry in reply.entries]


def objects(cluster):
    with urllib.request.urlopen(f"{cluster}/apis/csi.alluxio.com/v1alpha1/alluxiovolumes") as reply:
        return json.load(reply)["items"]


def test_what_one_controller_makes_the_other_one_knows(controllers, cluster):
    first, second = controllers
    made = create(first, "claim-1", 1 << 30)
    again = create(second, "claim-1", 1 << 30)
    assert again == made and listed(second) == [made.volume_id]
    [volume] = objects(cluster)
    assert volume["metadata"]["name"] == made.volume_id and volume["spec"]["record"]["state"] == "ready"
    assert volume["spec"]["record"]["context"]["path"] == "s3://bucket/prefix"
    with pytest.raises(grpc.RpcError) as refused:
        create(second, "claim-1", 2 << 30)
    assert refused.value.code() is grpc.StatusCode.ALREADY_EXISTS
    second.client.call("Controller.DeleteVolume", volume_id=made.volume_id)
    assert listed(first) == [] and objects(cluster) == []


def test_a_controller_that_was_restarted_remembers(controllers):
    made = create(controllers[0], "claim-1")
    controllers[0].restart()
    assert listed(controllers[0]) == [made.volume_id]


def test_a_cluster_that_refuses_is_told_in_the_error_and_in_probe(controllers, cluster):
    # Probe remembers an answer for a while: it is asked for the first time when the token is refused.
    first, _ = controllers
    urllib.request.urlopen(urllib.request.Request(f"{cluster}/__tokens", b'["another"]')).close()
    assert not first.client.call("Identity.Probe").ready.value
    with pytest.raises(grpc.RpcError) as refused:
        create(first, "claim-1")
    assert refused.value.code() is grpc.StatusCode.UNAVAILABLE and "401" in refused.value.details()
