"""Volumes on an object store, served by moto (Tests/ObjectStoreServers): s3:// paths, secrets, inline volumes."""

import pathlib
import subprocess
import urllib.error
import urllib.request

import pytest
from test_secrets import CANARY, find_canary, values

from csi_client.client import capability, csi, refused

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SERVERS = CHECKOUT / "Tests" / "ObjectStoreServers" / "servers"


class Store:
    """moto with the bucket `bucket`. It asks whether a request is signed, and not how."""

    def __init__(self):
        subprocess.run(
            [CHECKOUT / "scripts" / "python-environment.sh", ".build-python", SERVERS / "requirements.txt"], check=True)
        python = CHECKOUT / ".build-python" / "bin" / "python"
        self._process = subprocess.Popen([python, SERVERS / "moto_server.py"], stdout=subprocess.PIPE, text=True,
                                         stderr=subprocess.DEVNULL)
        port = next(line for line in self._process.stdout if line.startswith("listening on ")).split()[-1]
        self.url = f"http://127.0.0.1:{port}"
        self.put("")

    SIGNATURE = ("AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, "
                 "Signature=0")

    def _request(self, method, key, data=None):
        request = urllib.request.Request(f"{self.url}/bucket/{key}".rstrip("/"), data=data, method=method,
                                         headers={"Authorization": self.SIGNATURE, "Content-Type": "text/plain"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.read()

    def put(self, key, text=""):
        self._request("PUT", key, text.encode())

    def get(self, key):
        """The object's text, or None."""
        try:
            return self._request("GET", key).decode()
        except urllib.error.HTTPError:
            return None

    def parameters(self):
        return {"path": "s3://bucket/prefix", "alluxio.underfs.s3.endpoint": self.url}

    def close(self):
        self._process.kill()
        self._process.wait(timeout=30)
        self._process.stdout.close()


def test_a_bucket_is_a_volume(driver, store):
    store.put("prefix/dir/below", "from below")
    volume = driver.create(**store.parameters())
    target = driver.publish(volume, secrets=values())
    other = driver.publish(volume, readonly=True, secrets=values())
    assert (target / "dir" / "below").read_text() == "from below"
    (target / "dir" / "above").write_text("from above")
    assert store.get("prefix/dir/above") == "from above"
    assert (other / "dir" / "above").read_text() == "from above"
    with pytest.raises(OSError):
        (other / "new").write_text("x")
    assert sorted(entry.name for entry in (other / "dir").iterdir()) == ["above", "below"]
    stats = driver.client.call("Node.NodeGetVolumeStats", volume_id=volume.volume_id, volume_path=str(target))
    assert not stats.volume_condition.abnormal, stats.volume_condition.message
    for path in (target, other):
        driver.unpublish(path)
        assert not path.exists()
    assert not driver.workers()
    driver.delete(volume.volume_id)
    assert store.get("prefix/dir/above") == "from above"


def test_a_bucket_that_is_not_there_is_named(driver, store):
    volume = driver.create(**{**store.parameters(), "path": "s3://nobodys/prefix"})
    with refused("NOT_FOUND", naming=["no bucket nobodys", store.url.removeprefix("http://")]):
        driver.publish(volume)
    assert not driver.mounts()


def test_pods_of_another_group_have_a_process_of_their_own(driver, store):
    store.put("prefix/file", "x")
    volume = driver.create(**store.parameters())
    first = driver.publish(volume, secrets=values())
    second = driver.publish(volume, capability_=capability(group="4711"), secrets=values())
    assert (second / "file").stat().st_gid == 4711
    assert (first / "file").read_text() == "x"
    assert len(driver.workers()) == 2


def inline(driver, store, **more):
    return csi.Volume(volume_id=driver.name("csi-inline"), volume_context={
        **store.parameters(), "csi.storage.k8s.io/ephemeral": "true", **more})


def test_an_inline_volume_may_name_a_bucket_and_not_size_the_cache(driver, store):
    store.put("prefix/file", "x")
    target = driver.publish(inline(driver, store), secrets=values())
    assert (target / "file").read_text() == "x"
    with refused("INVALID_ARGUMENT", naming="may not be set by an inline volume"):
        driver.publish(inline(driver, store, pageStoreSize="1Gi"))


@pytest.mark.parametrize("secrets, word", [
    ({"s3a.accessKeyId": CANARY}, "s3a.secretKey is missing"),
    ({"s3a.secretKey": CANARY}, "s3a.accessKeyId is missing"),
    ({"s3a.accessKeyId": CANARY, "aws.accessKeyId": CANARY, "s3a.secretKey": CANARY}, "aws.accessKeyId"),
    ({"s3a.accessKeyID": CANARY, "s3a.secretKey": CANARY}, "s3a.accessKeyId"),
    ({"s3a.accessKeyId": f"{CANARY} x", "s3a.secretKey": CANARY}, "s3a.accessKeyId"),
], ids=["no key", "no id", "twice", "misspelled", "a space"])
def test_secrets_that_are_no_key_pair_are_refused_and_not_repeated(driver, store, secrets, word):
    volume = driver.create(**store.parameters())
    with refused("INVALID_ARGUMENT", naming=[word, "secret"]) as refusal:
        driver.publish(volume, secrets=secrets)
    assert CANARY not in refusal.message


@pytest.mark.plugin("--log-level", "trace")
def test_keys_that_a_worker_uses_stay_out_of_everything_that_is_written(isolated, store):
    store.put("prefix/file", "x")
    volume = isolated.create(secrets=values(), **store.parameters())
    target = isolated.publish(volume, secrets=values())
    assert (target / "file").read_text() == "x"
    isolated.publish(volume, target, secrets={**values(), "s3a.secretKey": f"{CANARY}-rotated"})
    assert find_canary(isolated) == []
    isolated.restart()
    (target / "new").write_text("y")
    assert store.get("prefix/new") == "y"
    assert find_canary(isolated) == []
    isolated.unpublish(target)
    assert find_canary(isolated) == []
