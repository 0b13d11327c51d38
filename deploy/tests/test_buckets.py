"""A volume on a bucket with containers as the chart renders them: its FUSE process is nobody in a privileged container."""

import subprocess
import urllib.request

import chart
import pytest
import test_node
from conftest import needs_root
from csi_client import system

pytestmark = needs_root

SERVERS = chart.CHECKOUT / "Tests" / "ObjectStoreServers" / "servers"
KEYS = {"s3a.accessKeyId": "test-access-key", "s3a.secretKey": "test-secret-key"}
SIGNATURE = ("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0")


@pytest.fixture(scope="module")
def store():
    """The address of a server of S3 with the bucket `bucket`. It asks whether a request is signed, and not how."""
    subprocess.run([chart.CHECKOUT / "scripts" / "python-environment.sh", ".build-python", SERVERS / "requirements.txt"],
                   check=True)
    server = subprocess.Popen([chart.CHECKOUT / ".build-python" / "bin" / "python", SERVERS / "moto_server.py"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    port = next(line for line in server.stdout if line.startswith("listening on ")).split()[-1]
    url = f"http://127.0.0.1:{port}"
    request(url, "bucket", b"")
    yield url
    server.kill()
    server.wait(timeout=30)
    server.stdout.close()


def request(url, key, data=None):
    sent = urllib.request.Request(f"{url}/{key}", data=data, method="GET" if data is None else "PUT",
                                  headers={"Authorization": SIGNATURE, "Content-Type": "application/octet-stream"})
    with urllib.request.urlopen(sent, timeout=30) as answer:
        return answer.read()


@pytest.mark.parametrize("page_store", ["", "/mnt/nvme/alluxio"])
def test_a_bucket_is_read_and_written_and_cached_where_the_chart_says(store, page_store):
    request(store, "bucket/prefix/below", b"from the bucket\n" * 100_000)
    values = {"alluxio-csi": {"pageStore": {"hostPath": page_store, "size": "100Mi"}}}
    mounter, plugin = test_node.specifications(values)
    with test_node.a_node() as node:
        test_node.start_mounter(node, mounter)
        server = node.start(plugin, "csi-nodeserver")
        client = test_node.connected(
            node, node.path(test_node.registered_socket(plugin)[0]), server, "csi-nodeserver")
        try:
            target = node.path(node.kubelet / test_node.TARGET)
            target.parent.mkdir(parents=True)
            fields = test_node.publication(node, test_node.TARGET, **{"alluxio.underfs.s3.endpoint": store})
            fields["volume_context"]["path"] = "s3://bucket/prefix"
            client.call("Node.NodePublishVolume", timeout=test_node.SECONDS, secrets=KEYS, **fields)
            assert (target / "below").read_bytes() == b"from the bucket\n" * 100_000
            (target / "above").write_text("from the pod\n", encoding="utf-8")
            assert request(store, "bucket/prefix/above") == b"from the pod\n"
            cached = node.path(page_store or node.kubelet / "plugins/csi-alluxio-plugin/pages")
            assert sum(path.stat().st_size for path in cached.rglob("*") if path.is_file()) > 1_000_000
            # Of the users that the chart gives to FUSE processes.
            owners = {path.stat().st_uid for path in cached.iterdir() if path.is_dir()}
            assert owners and owners <= set(range(1_900_000_000, 1_900_065_536))
            client.call("Node.NodeUnpublishVolume", timeout=test_node.SECONDS, volume_id="data",
                        target_path=str(node.kubelet / test_node.TARGET))
            assert system.mount_at(target) is None
        finally:
            client.close()
