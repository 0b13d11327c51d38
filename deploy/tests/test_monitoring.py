"""Alerts and dashboard ask for metrics that there are, and the alerts do what they say."""

import json
import re
import shutil
import subprocess

import chart
import dashboard
import metrics
import pytest
import yaml

FOLDER = chart.DEPLOY / "monitoring"
RULES = [rule for group in yaml.safe_load((FOLDER / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
         for rule in group["rules"]]
TESTS = yaml.safe_load((FOLDER / "alerts.test.yaml").read_text(encoding="utf-8"))["tests"]

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool (package prometheus) is missing")


def promtool(*words):
    done = subprocess.run(["promtool", *words], cwd=FOLDER, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_the_rules_are_ones():
    assert f"{len(RULES)} rules found" in promtool("check", "rules", "alerts.yaml")


@needs_promtool
def test_the_alerts_are_raised_when_they_should_and_not_before():
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yaml")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_there_is_and_is_tested_both_ways(rule):
    assert list(metrics.problems(rule["expr"])) == []
    cases = [case for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == rule["alert"]]
    assert [bool(case["exp_alerts"]) for case in cases] == [False, True]
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert {"summary", "description"} == rule["annotations"].keys()
    # Labels that a message names are there.
    for label in re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())):
        known = set().union(*(metrics.samples()[name] for name in metrics.names(rule["expr"])))
        assert label in known | metrics.ADDED, label


def test_the_operators_page_says_what_each_alert_wants():
    page = (chart.DEPLOY / "operations" / "monitoring.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(AlluxioCSI\w+)`", page, re.MULTILINE) == [rule["alert"] for rule in RULES]


def test_series_of_the_tests_of_alerts_are_those_of_the_program():
    for test in TESTS:
        for entry in test["input_series"]:
            assert list(metrics.problems(entry["series"])) == []


def test_the_dashboard_is_up_to_date():
    assert dashboard.FILE.read_text(encoding="utf-8") == dashboard.text(), "run scripts/render-dashboard.sh"


def test_the_dashboard_shows_each_metric_and_no_other():
    page = json.loads(dashboard.FILE.read_text(encoding="utf-8"))
    shown = set()
    for panel in page["panels"]:
        for target in panel.get("targets", []):
            expression = target["expr"].replace(dashboard.INTERVAL, "5m")
            assert list(metrics.problems(expression)) == []
            shown |= {re.sub(r"_bucket$", "", name) for name in metrics.names(expression)}
    assert shown == metrics.listed().keys()
    assert len({panel["id"] for panel in page["panels"]}) == len(page["panels"])
    taken = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in page["panels"]]
    assert len(set(taken)) == len(taken)


@pytest.mark.parametrize("expression, problem", [
    ("rate(alluxio_csi_rpc_total[5m])", "alluxio_csi_rpc_total is no metric"),
    ('alluxio_csi_volume_serving{pvc="a"} > 0', "alluxio_csi_volume_serving has no label pvc"),
    ("sum(alluxio_csi_volume_ufs_requests_total) / (1 + max_over_time(gone[5m:1m]))", "gone is no metric"),
])
def test_what_there_is_not_is_noticed(expression, problem):
    assert list(metrics.problems(expression)) == [problem]


def test_the_service_monitor_finds_the_pods_and_the_port():
    things = chart.objects(chart.MATRIX["Prometheus's operator"])
    monitor = chart.find(things, "ServiceMonitor", "alluxio-csi")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"] == {
        "selector": {"matchLabels": {"app.kubernetes.io/name": "alluxio-csi"}},
        "namespaceSelector": {"matchNames": ["alluxio-operator"]},
        "endpoints": [{"port": "metrics", "interval": "1m", "relabelings": [
            {"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}]}]}
    services = [thing for thing in things if thing["kind"] == "Service"]
    assert len(services) == 2
    for service in services:
        assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
        [workload] = [thing for thing in things if thing["kind"] in ("Deployment", "DaemonSet")
                      and service["spec"]["selector"].items() <= thing["spec"]["template"]["metadata"]["labels"].items()]
        driver = workload["spec"]["template"]["spec"]["containers"][0]
        [port] = service["spec"]["ports"]
        assert {"name": port["targetPort"], "containerPort": port["port"]} in driver["ports"]
        assert f"--metrics-address=:{port['port']}" in driver["args"]


@pytest.mark.parametrize("values, node, controller", [
    ({}, ("healthz /healthz", "metrics /readyz"), ("metrics /healthz", "metrics /readyz")),
    ({"nodePlugin": {"livenessProbe": {"enabled": False}}}, ("metrics /healthz", "metrics /readyz"),
     ("metrics /healthz", "metrics /readyz")),
    ({"metrics": {"enabled": False}}, ("healthz /healthz", None), (None, None)),
])
def test_probes_ask_the_program_itself_where_it_can_be_asked(values, node, controller):
    things = chart.objects({"alluxio-csi": values})
    for kind, name, wanted in (("DaemonSet", "alluxio-csi-nodeplugin", node),
                               ("Deployment", "alluxio-csi-controller", controller)):
        driver = chart.pod(things, kind, name)["containers"][0]
        shown = [probe and f"{probe['httpGet']['port']} {probe['httpGet']['path']}"
                 for probe in map(driver.get, ("livenessProbe", "readinessProbe"))]
        assert tuple(shown) == wanted
        assert {probe.split()[0] for probe in wanted if probe} - {"healthz"} <= {
            port["name"] for port in driver.get("ports", [])}


def test_the_readme_lists_the_metrics():
    readme = (dashboard.FILE.parent / "README.md").read_text(encoding="utf-8")
    [section] = readme.split(dashboard.BEGIN)[1:]
    assert section.split(dashboard.END)[0].strip() == dashboard.table(), "run scripts/render-dashboard.sh"
