"""Metrics and health over HTTP: the real plugin, scraped by another client and read by Prometheus's own parser."""

import concurrent.futures
import json
import os
import re
import signal
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from prometheus_client.parser import text_string_to_metric_families
from test_secrets import CANARY, values

from csi_client.driver import programs
from csi_client.client import csi, refused

SECONDS = 30

pytestmark = pytest.mark.plugin("--metrics-address", "127.0.0.1:0")

LISTED = {entry["name"]: entry for entry in json.loads(subprocess.run(
    [programs() / "alluxio-csi", "metrics", "--json"], capture_output=True, text=True, check=True).stdout)}


def address(driver):
    """Where the plugin serves: its log says which port it got, a moment after it answers calls."""
    limit = time.monotonic() + SECONDS
    while not (found := re.findall(r"serving metrics address=(\S+)", driver.log_text())):
        assert time.monotonic() < limit, driver.log_text()
    return found[-1]


def fetch(driver, path, timeout=SECONDS):
    """(status, text) of a page."""
    try:
        with urllib.request.urlopen(f"http://{address(driver)}{path}", timeout=timeout) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


class Scrape:
    """The samples of one scrape, each once, of known metrics with their known labels."""

    def __init__(self, driver):
        status, self.text = fetch(driver, "/metrics")
        assert status == 200, self.text
        self.values = {}
        for family in text_string_to_metric_families(self.text):
            name = family.name + ("_total" if family.type == "counter" else "")
            known = LISTED[name]
            assert (family.type, family.documentation) == (known["kind"], known["help"])
            for sample in family.samples:
                assert set(sample.labels) - {"le", "quantile"} == set(known["labels"]), sample
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.values, f"twice: {sample}"
                self.values[key] = sample.value

    def sum(self, name, **labels):
        """Of all samples of a name with these labels; None where there is none."""
        found = [value for (sample, of), value in self.values.items()
                 if sample == name and set(labels.items()) <= set(of)]
        return sum(found) if found else None


def until(driver, name, wanted, **labels):
    """Scrapes until a number is as wanted: what workers count comes with their answers to the mounter."""
    limit = time.monotonic() + SECONDS
    while True:
        scrape = Scrape(driver)
        value = scrape.sum(name, **labels)
        if value is not None and wanted(value):
            return scrape
        assert time.monotonic() < limit, f"{name}{labels} is {value}\n{scrape.text}"


def test_calls_are_counted_by_method_and_code(isolated):
    before = Scrape(isolated)
    volume = isolated.create()
    with refused("NOT_FOUND"):
        isolated.client.call("Node.NodeGetVolumeStats", volume_id=volume.volume_id, volume_path="/nowhere")
    made_up = isolated.client.channel.unary_unary("/csi.v1.Identity/MadeUpByAClient")
    with refused("UNIMPLEMENTED"):
        made_up(b"")
    scrape = Scrape(isolated)
    count = lambda at, method, code: at.sum("alluxio_csi_rpcs_total", method=method, code=code) or 0  # noqa: E731
    for method, code in (("CreateVolume", "OK"), ("NodeGetVolumeStats", "NOT_FOUND"), ("other", "UNIMPLEMENTED")):
        assert count(scrape, method, code) == count(before, method, code) + 1
    assert scrape.sum("alluxio_csi_rpc_duration_seconds_count", method="CreateVolume") == 1
    assert scrape.sum("alluxio_csi_rpc_duration_seconds_bucket", method="CreateVolume", le="+Inf") == 1
    assert 0 < scrape.sum("alluxio_csi_rpc_duration_seconds_sum", method="CreateVolume") < SECONDS
    assert "MadeUp" not in scrape.text
    assert scrape.sum("alluxio_csi_rpcs_in_flight") == 0
    version = isolated.client.call("Identity.GetPluginInfo").vendor_version
    assert scrape.sum("alluxio_csi_build_info", version=version, mode="all") == 1
    assert scrape.sum("process_resident_memory_bytes") > 1 << 20


def test_what_a_worker_does_moves_the_numbers_of_its_volume(isolated):
    volume, target, directory = isolated.published()
    (directory / "file").write_bytes(b"x" * 100_000)
    (target / "written").write_bytes(b"y" * 50_000)
    assert (target / "file").read_bytes() == b"x" * 100_000
    for number in range(3):
        with pytest.raises(FileNotFoundError):
            (target / f"absent-{number}").stat()
    name = volume.volume_id
    scrape = until(isolated, "alluxio_csi_volume_read_bytes_total", lambda value: value >= 100_000, volume=name)
    assert scrape.sum("alluxio_csi_volume_written_bytes_total", volume=name) == 50_000
    assert scrape.sum("alluxio_csi_volume_request_errors_total", volume=name, errno="ENOENT") >= 3
    assert scrape.sum("alluxio_csi_volume_requests_total", volume=name) >= 8
    assert scrape.sum("alluxio_csi_volume_worker_resident_bytes", volume=name) > 1 << 20
    assert scrape.sum("alluxio_csi_volume_serving", volume=name) == 1
    assert scrape.sum("alluxio_csi_volume_targets", volume=name) == 1
    assert scrape.sum("alluxio_csi_volume_custody_complete", volume=name) == 1
    assert scrape.sum("alluxio_csi_node_volumes") == scrape.sum("alluxio_csi_node_targets") == 1
    assert abs(scrape.sum("alluxio_csi_volume_worker_start_time_seconds", volume=name) - time.time()) < 600


def test_a_killed_worker_is_a_death_a_restart_and_a_pause(isolated):
    volume, target, _ = isolated.published()
    labels = {"volume": volume.volume_id}
    assert Scrape(isolated).sum("alluxio_csi_volume_worker_deaths_total", **labels) == 0
    [worker] = isolated.workers()
    os.kill(worker, signal.SIGKILL)
    target.stat()
    scrape = until(isolated, "alluxio_csi_volume_worker_restarts_total", lambda value: value == 1, **labels)
    assert scrape.sum("alluxio_csi_volume_worker_deaths_total", cause="signal", **labels) == 1
    assert scrape.sum("alluxio_csi_volume_worker_deaths_total", **labels) == 1
    scrape = until(isolated, "alluxio_csi_volume_pause_seconds_total", lambda value: value > 0, **labels)
    assert scrape.sum("alluxio_csi_volume_longest_pause_seconds", **labels) > 0


def test_a_bucket_has_a_cache_and_requests_and_shows_no_secret(isolated, store):
    store.put("prefix/object", "o" * 10_000)
    volume = isolated.create(**store.parameters())
    target = isolated.publish(volume, secrets=values())
    assert (target / "object").read_text() == "o" * 10_000
    name = volume.volume_id
    until(isolated, "alluxio_csi_volume_ufs_read_bytes_total", lambda value: value >= 10_000, volume=name)
    scrape = until(isolated, "alluxio_csi_volume_ufs_requests_total", lambda value: value >= 1, volume=name,
                   kind="GetObject")
    assert scrape.sum("alluxio_csi_volume_ufs_request_duration_seconds_count", volume=name, kind="GetObject") >= 1
    assert scrape.sum("alluxio_csi_volume_ufs_request_duration_seconds", volume=name, kind="GetObject",
                      quantile="0.99") > 0
    assert scrape.sum("alluxio_csi_volume_cache_misses_total", volume=name) >= 1
    assert scrape.sum("alluxio_csi_volume_cache_usable", volume=name) == 1
    assert scrape.sum("alluxio_csi_volume_cache_limit_bytes", volume=name) > 0
    for word in (CANARY, "bucket/prefix", store.url, str(isolated.folder), str(target)):
        assert word not in scrape.text


def test_a_volume_that_is_gone_takes_its_series_along(isolated):
    volume, target, _ = isolated.published()
    until(isolated, "alluxio_csi_volume_serving", lambda value: value == 1, volume=volume.volume_id)
    isolated.unpublish(target)
    limit = time.monotonic() + SECONDS
    while volume.volume_id in Scrape(isolated).text:
        assert time.monotonic() < limit
    assert Scrape(isolated).sum("alluxio_csi_node_targets") == 0


def test_names_that_look_like_samples_stay_names(isolated):
    name = 'evil"} 1\n# TYPE x counter\\'
    directory = isolated.source()
    target = isolated.target()
    volume = isolated.create(path=f"file://{directory}")
    volume.volume_id = name
    isolated.publish(volume, target)
    assert Scrape(isolated).sum("alluxio_csi_volume_serving", volume=name) == 1
    isolated.unpublish(target, name)


def test_health_and_readiness_do_not_depend_on_the_mounter(isolated):
    assert fetch(isolated, "/healthz") == (200, "ok: the CSI socket answers\n")
    status, text = fetch(isolated, "/readyz")
    assert status == 200 and "mounter: answers" in text
    stopped = isolated.nest.members()["alluxio-mounter"]
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        # The last answer holds for a second.
        until(isolated, "alluxio_csi_mounter_up", lambda value: value == 0)
        # Scrapes wait for the mounter, and neither calls nor health wait for scrapes.
        with concurrent.futures.ThreadPoolExecutor(20) as pool:
            scrapes = [pool.submit(Scrape, isolated) for _ in range(20)]
            for _ in range(20):
                assert isolated.client.call("Identity.Probe").ready.value
            assert fetch(isolated, "/healthz")[0] == 200
            assert all(scrape.result().sum("alluxio_csi_mounter_up") == 0 for scrape in scrapes)
        status, text = fetch(isolated, "/readyz")
        assert status == 200 and "mounter: does not answer" in text
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    until(isolated, "alluxio_csi_mounter_up", lambda value: value == 1)


def test_readiness_fails_with_the_registry_and_health_does_not(isolated):
    moved = isolated.registry.with_name("elsewhere-registry")
    isolated.registry.rename(moved)
    try:
        limit = time.monotonic() + SECONDS
        while fetch(isolated, "/readyz")[0] == 200:
            assert time.monotonic() < limit
        status, text = fetch(isolated, "/readyz")
        assert status == 503 and "FAILED: registry or state folder" in text
        assert fetch(isolated, "/healthz")[0] == 200
    finally:
        moved.rename(isolated.registry)
    assert fetch(isolated, "/readyz")[0] == 200


def test_a_plugin_that_hangs_is_not_healthy(isolated):
    where = address(isolated)
    os.kill(isolated.pid, signal.SIGSTOP)
    try:
        with pytest.raises(OSError):
            urllib.request.urlopen(f"http://{where}/healthz", timeout=1)
    finally:
        os.kill(isolated.pid, signal.SIGCONT)
    assert fetch(isolated, "/healthz")[0] == 200


def test_other_pages_and_methods_are_refused(isolated):
    assert fetch(isolated, "/")[0] == fetch(isolated, "/../etc/passwd")[0] == 404
    request = urllib.request.Request(f"http://{address(isolated)}/metrics", data=b"x=1", method="POST")
    with pytest.raises(urllib.error.HTTPError) as refusal:
        urllib.request.urlopen(request, timeout=SECONDS)
    assert refusal.value.code == 405
    refusal.value.close()


@pytest.mark.parametrize("text", ["9809", "localhost:9809", "127.0.0.1:99999"])
def test_an_address_that_is_none_is_refused(unstarted, text):
    status, output = unstarted.refusal([*unstarted.command(), "--metrics-address", text])
    assert status == 64 and "--metrics-address" in output


def test_an_address_that_is_taken_is_refused_by_name(isolated, unstarted):
    status, output = unstarted.refusal([*unstarted.command(), "--metrics-address", address(isolated)])
    assert status == 1 and f"metrics cannot be served at {address(isolated)}" in output


TRACE = "0af7651916cd43dd8448eb211c80319c"


def test_one_trace_id_goes_from_the_call_by_way_of_the_mounter_to_the_worker(isolated):
    volume = isolated.create()
    target = isolated.target()
    isolated.client.node.NodePublishVolume(
        csi.NodePublishVolumeRequest(**isolated.publication(volume, target)), timeout=SECONDS,
        metadata=[("traceparent", f"00-{TRACE}-b7ad6b7169203331-01")])
    lines = [line for line in isolated.log_text().splitlines() if f"trace={TRACE}" in line]
    assert any(" csi: call" in line and "method=NodePublishVolume" in line for line in lines)
    assert any("worker" in line and "serving" in line for line in lines), "\n".join(lines)


def test_a_call_without_a_trace_gets_one_and_a_false_one_is_not_logged(isolated):
    isolated.create()
    isolated.client.identity.GetPluginInfo(
        csi.GetPluginInfoRequest(), timeout=SECONDS, metadata=[("traceparent", "00-canary-b7ad6b7169203331-01")])
    lines = [line for line in isolated.log_text().splitlines() if " csi: call" in line]
    traces = [re.search(r"trace=([0-9a-f]{32})(\s|$)", line) for line in lines]
    assert all(traces) and len({found[1] for found in traces}) == len(lines)
    assert "canary" not in isolated.log_text()
