"""Names that users of Alluxio know, and flags that the programs have."""

import re
import subprocess

import chart
import pytest
from csi_client.driver import programs

NAMES = {
    "defaults": [
        "CSIDriver alluxio",
        "ClusterRole alluxio-external-provisioner-role",
        "ClusterRoleBinding alluxio-csi-provisioner-binding",
        "DaemonSet alluxio-operator/alluxio-csi-mounter",
        "DaemonSet alluxio-operator/alluxio-csi-nodeplugin",
        "Deployment alluxio-operator/alluxio-csi-controller",
        "Namespace alluxio-operator",
        "ServiceAccount alluxio-operator/alluxio-csi-node-sa",
        "ServiceAccount alluxio-operator/alluxio-csi-sa",
    ],
    "directories of a NAS": ["PersistentVolumeClaim default/alluxio-alluxio-csi-fuse-pvc",
                             "StorageClass alluxio-csi-storage-class"],
    "bucket": ["Role data/alluxio-csi-provisioner-secrets", "Role other/alluxio-csi-provisioner-secrets",
               "RoleBinding data/alluxio-csi-provisioner-secrets", "RoleBinding other/alluxio-csi-provisioner-secrets",
               "StorageClass alluxio-csi-storage-class"],
    "Prometheus's operator": ["Service alluxio-operator/alluxio-csi-controller-metrics",
                              "Service alluxio-operator/alluxio-csi-nodeplugin-metrics",
                              "ServiceMonitor alluxio-operator/alluxio-csi"],
    "two controllers": ["ClusterRole alluxio-csi-node-events", "ClusterRoleBinding alluxio-csi-node-events",
                        "ClusterRole alluxio-external-resizer-role", "ClusterRoleBinding alluxio-csi-resizer-binding",
                        "PodDisruptionBudget alluxio-operator/alluxio-csi-controller",
                        "Role alluxio-operator/alluxio-csi-leader-election",
                        "RoleBinding alluxio-operator/alluxio-csi-leader-election"],
}


def names(values):
    return sorted(f"{thing['kind']} " + "/".join(
        filter(None, [thing["metadata"].get("namespace"), thing["metadata"]["name"]])) for thing in chart.objects(values))


@pytest.mark.parametrize("name", NAMES)
def test_objects_have_the_names_that_users_know(name):
    expected = NAMES["defaults"] if name == "defaults" else sorted(NAMES["defaults"] + NAMES[name])
    assert names(chart.MATRIX[name]) == expected


def test_containers_images_and_labels():
    things = chart.objects()
    shown = {kind: [(entry["name"], entry["image"]) for entry in chart.pod(things, kind[0], kind[1])["containers"]]
             for kind in (("Deployment", "alluxio-csi-controller"), ("DaemonSet", "alluxio-csi-nodeplugin"),
                          ("DaemonSet", "alluxio-csi-mounter"))}
    own = "alluxio-csi:0.1.0"
    side = "registry.k8s.io/sig-storage"
    assert list(shown.values()) == [
        [("csi-controller", own), ("csi-provisioner", f"{side}/csi-provisioner:v6.3.0")],
        [("csi-nodeserver", own), ("node-driver-registrar", f"{side}/csi-node-driver-registrar:v2.16.0"),
         ("liveness-probe", f"{side}/livenessprobe:v2.19.0")],
        [("alluxio-mounter", own)],
    ]
    labels = chart.find(things, "Deployment", "alluxio-csi-controller")["spec"]["template"]["metadata"]["labels"]
    assert labels["app.kubernetes.io/component"] == "csi-controller"


def test_every_image_can_be_another_and_pull_secrets_reach_every_pod():
    text = "\n".join(chart.texts(chart.merged(chart.MATRIX["private registry"], {"alluxio-csi": {
        "controllerPlugin": {"resizer": {"enabled": True, "image": "registry.example.com/csi-resizer:v2"}},
        "nodePlugin": {"livenessProbe": {"image": "registry.example.com/livenessprobe:v2"}}}})).values())
    images = re.findall(r"image: \"(.*)\"", text)
    assert len(images) == 7 and all(image.startswith("registry.example.com/") for image in images)
    assert text.count("imagePullSecrets:") == 3


def test_arguments_are_those_of_the_public_pages():
    things = chart.objects()
    controller = chart.pod(things, "Deployment", "alluxio-csi-controller")
    provisioner = chart.container(controller, "csi-provisioner")["args"]
    assert provisioner[:3] == ["--csi-address=/csi/csi.sock", "--timeout=60s", "--volume-name-prefix=alluxio"]
    assert "--extra-create-metadata" in provisioner
    plugin = chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin")
    assert chart.container(plugin, "node-driver-registrar")["args"] == [
        "--csi-address=/plugin/csi.sock",
        "--kubelet-registration-path=/var/lib/kubelet/plugins/csi-alluxio-plugin/csi.sock"]
    assert {"--nodeid=$(NODE_ID)", "--endpoint=$(CSI_ENDPOINT)"} <= set(chart.container(plugin, "csi-nodeserver")["args"])
    assert controller["securityContext"] == {
        "runAsNonRoot": True, "runAsUser": 1001, "runAsGroup": 1001, "fsGroup": 1001}


def test_the_csi_driver_object():
    spec = chart.find(chart.objects(), "CSIDriver", "alluxio")["spec"]
    assert spec == {"attachRequired": False, "podInfoOnMount": True, "volumeLifecycleModes": ["Persistent", "Ephemeral"],
                    "fsGroupPolicy": "None", "requiresRepublish": True}


def test_the_storage_class():
    thing = chart.find(chart.objects(chart.MATRIX["bucket"]), "StorageClass", "alluxio-csi-storage-class")
    assert (thing["provisioner"], thing["volumeBindingMode"]) == ("alluxio", "WaitForFirstConsumer")


def test_the_mounter_is_updated_beside_the_old_one_and_the_plugin_after_it():
    things = chart.objects()
    strategy = lambda name: chart.find(things, "DaemonSet", name)["spec"]["updateStrategy"]["rollingUpdate"]  # noqa: E731
    assert strategy("alluxio-csi-mounter") == {"maxSurge": 1, "maxUnavailable": 0}
    assert strategy("alluxio-csi-nodeplugin") == {"maxUnavailable": 1}


@pytest.mark.parametrize("program", ["alluxio-csi", "alluxio-mounter"])
def test_every_flag_of_the_chart_is_one_of_the_program(program):
    known = subprocess.run([programs() / program, "--help"], capture_output=True, text=True, check=True).stdout
    flags = set()
    for values in chart.MATRIX.values():
        for thing in chart.objects(values):
            for entry in thing.get("spec", {}).get("template", {}).get("spec", {}).get("containers", []):
                if entry.get("command") == [program]:
                    flags.update(word.partition("=")[0] for word in entry["args"])
    assert flags and not [flag for flag in flags if not re.search(rf"(?m)^\s+(-\w, )?{flag}\b", known)], flags
