"""The driver, run exactly as the chart renders it: the two DaemonSets on a node, and the controller."""

import concurrent.futures
import contextlib
import copy
import json
import os
import pathlib
import queue
import signal
import re
import subprocess
import time
import urllib.request

import grpc
import pytest
from csi_client import system
from csi_client.client import Client, capability

import chart
import pods
import test_examples as examples
from conftest import needs_root

pytestmark = needs_root

DATA = "/ufs/nas"
VALUES = {"alluxio-csi": {"fileRoots": [DATA], "ufs": {"hostPaths": {"/mnt/nas": DATA}}}}
TARGET = "pods/0a1b/volumes/kubernetes.io~csi/data/mount"
SECONDS = 30


@contextlib.contextmanager
def a_node(**options):
    node = pods.Node(**options)
    try:
        node.path("/mnt/nas").mkdir(parents=True)
        yield node
    finally:
        node.close()


def specifications(values=VALUES):
    things = chart.objects(values)
    return (copy.deepcopy(chart.pod(things, "DaemonSet", "alluxio-csi-mounter")),
            copy.deepcopy(chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin")))


def registered_socket(plugin):
    """The path that the registrar gives to the kubelet, and the one that it connects to itself."""
    words = dict(word.lstrip("-").split("=", 1) for word in chart.container(plugin, "node-driver-registrar")["args"])
    return words["kubelet-registration-path"], words["csi-address"]


def connected(node, path, pid, name):
    """A client on a socket of the node, once it is served. The socket's path may be longer than an address takes."""
    short = node.folder / "s"
    short.unlink(missing_ok=True)
    short.symlink_to(pathlib.Path(path).parent)
    client = Client(short / pathlib.Path(path).name)
    events = queue.Queue()
    ready = grpc.channel_ready_future(client.channel)
    ready.add_done_callback(lambda _: events.put("ready"))
    node.nest.on_exit(pid, lambda: events.put("ended"))
    try:
        event = events.get(timeout=SECONDS)
    except queue.Empty:
        event = "silent"
    if event != "ready":
        ready.cancel()
        client.close()
        raise AssertionError(f"{name}: {event}\n{node.log(name)[-3000:]}")
    return client


def publication(node, target, **context):
    return {"volume_id": "data", "target_path": str(node.kubelet / target), "volume_capability": capability(),
            "volume_context": {"path": f"file://{DATA}", **context}}


def live(node, mounter, plugin):
    """What a user has of the two DaemonSets: registered, a volume published, written, read and unpublished."""
    (node.path("/mnt/nas") / "greeting").write_text("from the NAS\n", encoding="utf-8")
    start_mounter(node, mounter)
    server = node.start(plugin, "csi-nodeserver")
    on_node, in_registrar = registered_socket(plugin)
    client = connected(node, node.path(on_node), server, "csi-nodeserver")
    try:
        assert client.call("Identity.GetPluginInfo").name == "alluxio"
        assert client.call("Node.NodeGetInfo").node_id == pods.NODE_NAME
        assert client.call("Identity.Probe").ready.value
        register(node, plugin, in_registrar)
        target = node.path(node.kubelet / TARGET)
        target.parent.mkdir(parents=True)
        client.call("Node.NodePublishVolume", timeout=SECONDS, **publication(node, TARGET))
        # Seen from the node, and so by the pods that the kubelet starts.
        mount = system.mount_at(target)
        assert mount is not None and mount.kind == "fuse.alluxio-fuse", system.mounts(node.root)
        assert (target / "greeting").read_text(encoding="utf-8") == "from the NAS\n"
        (target / "answer").write_text("from the pod\n", encoding="utf-8")
        assert (node.path("/mnt/nas") / "answer").read_text(encoding="utf-8") == "from the pod\n"
        client.call("Node.NodeUnpublishVolume", timeout=SECONDS, volume_id="data",
                    target_path=str(node.kubelet / TARGET))
        assert not target.exists()
    finally:
        client.close()


def register(node, plugin, socket):
    """As the registrar does from its container: it reaches the plugin's socket, and makes one of its own."""
    script = (f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({socket!r}); "
              "r = socket.socket(socket.AF_UNIX); r.bind('/registration/alluxio-reg.sock')")
    pid = node.start(plugin, "node-driver-registrar", command=["/usr/bin/python3", "-S", "-c", script])
    assert node.nest.wait(pid, SECONDS) == 0, node.log("node-driver-registrar")
    made = node.path(node.kubelet / "plugins_registry/alluxio-reg.sock")
    assert made.is_socket()
    made.unlink()


def test_a_volume_lives_and_ends_on_a_node_with_the_two_daemon_sets():
    with a_node() as node:
        live(node, *specifications())


def test_another_folder_of_the_kubelet_a_page_store_of_its_own_and_all_other_flags():
    values = chart.merged(VALUES, {"alluxio-csi": {
        "kubeletDir": "/data/kubelet", "inlineFileRoots": [f"{DATA}/public"], "logFormat": "json", "logLevel": "debug",
        "pageStore": {"hostPath": "/mnt/nvme/alluxio", "size": "100Mi", "share": ["s3://bucket/prefix"]},
        "nodePlugin": {"maxVolumes": 5, "hostPID": True}, "mounter": {"noticeAfter": 5, "killAfter": 60}}})
    with a_node(kubelet="/data/kubelet") as node:
        live(node, *specifications(values))


def test_a_plugin_without_a_mounter_is_alive_and_mounts_once_there_is_one():
    """Pods of the two DaemonSets start in any order, and the kubelet must not kill a plugin that waits for the other."""
    mounter, plugin = specifications()
    with a_node() as node:
        server = node.start(plugin, "csi-nodeserver")
        client = connected(node, node.path(registered_socket(plugin)[0]), server, "csi-nodeserver")
        try:
            assert client.call("Identity.Probe").ready.value
            assert "mounter: does not answer" in probed(node, plugin, "csi-nodeserver")
            target = node.path(node.kubelet / TARGET)
            target.parent.mkdir(parents=True)
            with pytest.raises(grpc.RpcError) as refusal:
                client.call("Node.NodePublishVolume", timeout=SECONDS, **publication(node, TARGET))
            assert refusal.value.code() == grpc.StatusCode.UNAVAILABLE, refusal.value
            start_mounter(node, mounter)
            client.call("Node.NodePublishVolume", timeout=SECONDS, **publication(node, TARGET))
            client.call("Node.NodeUnpublishVolume", timeout=SECONDS, volume_id="data",
                        target_path=str(node.kubelet / TARGET))
        finally:
            client.close()


def probed(node, spec, name):
    """What the probes of a container get that ask the program itself; each must be answered with 200."""
    _wait_for(node, name, "serving metrics")
    [address] = re.findall(r"serving metrics address=(\S+)", node.log(name))
    container = chart.container(spec, name)
    own = [container[probe]["httpGet"]["path"] for probe in ("readinessProbe", "livenessProbe")
           if container[probe]["httpGet"]["port"] == "metrics"]
    assert "/readyz" in own
    texts = []
    for path in own:
        with urllib.request.urlopen(f"http://{address}{path}", timeout=SECONDS) as answer:
            texts.append(answer.read().decode())
    return "".join(texts)


def start_mounter(node, mounter):
    """Until it serves, or has ended: a kubelet repeats calls that a mounter does not answer yet, these tests do not."""
    pid = node.start(mounter, "alluxio-mounter")
    ended = []
    node.nest.on_exit(pid, lambda: ended.append(pid))
    _wait_for(node, "alluxio-mounter", "serving", ended)
    return pid


def _wait_for(node, name, text, ended=()):
    """Until a container has said something, or has ended: its log is all that tells."""
    limit = time.monotonic() + SECONDS
    while text not in node.log(name) and not ended:
        assert time.monotonic() < limit, f"{name} does not say {text!r}:\n{node.log(name)[-3000:]}"
        time.sleep(0.02)


def test_the_doctor_finds_nothing_in_the_plugins_container_and_what_is_not_shared_in_another():
    """As `kubectl exec` runs it: with what the container has mounted, and its privileges."""
    mounter, plugin = specifications()
    with a_node() as node, registered(node) as registry:
        start_mounter(node, mounter)
        server = node.start(plugin, "csi-nodeserver")
        connected(node, node.path(registered_socket(plugin)[0]), server, "csi-nodeserver").close()
        found, status = examined(node, plugin)
        failed = {name for name, states in found.items() if "FAIL" in states}
        assert (failed, status) == (set(), 0), node.log("csi-nodeserver")
        assert {"kernel", "propagation", "cgroups", "plugin", "registration", "mounter", "page store"} == found.keys()
        registry.stop(None).wait()
        _without_propagation(plugin, "csi-nodeserver", "kubelet")
        found, status = examined(node, plugin)
        failed = {name for name, states in found.items() if "FAIL" in states}
        assert (failed, status) == ({"registration", "propagation"}, 1), node.log("csi-nodeserver")


@contextlib.contextmanager
def registered(node):
    """The socket of a registrar, which lives."""
    folder = node.folder / "registry"
    folder.symlink_to(node.path(node.kubelet / "plugins_registry"))
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(1))
    server.add_insecure_port(f"unix:{folder}/alluxio-reg.sock")
    server.start()
    try:
        yield server
    finally:
        server.stop(None).wait()


def examined(node, plugin):
    """What the doctor finds in the plugin's container, by check, and how it ends."""
    pid = node.start(plugin, "csi-nodeserver", command=["alluxio-csi", "doctor", "--json"])
    status = node.nest.wait(pid, SECONDS)
    found = {}
    for finding in json.loads(node.log("csi-nodeserver"))["findings"]:
        found.setdefault(finding["check"], []).append(finding["state"])
    return found, status


def test_an_update_of_the_mounter_takes_a_volume_along_and_a_rollback_brings_it_back():
    """A pod that the DaemonSet starts beside the old one (maxSurge), and the ends that either of the two may have."""
    mounter, plugin = specifications()
    with a_node() as node:
        old = start_mounter(node, mounter)
        server = node.start(plugin, "csi-nodeserver")
        client = connected(node, node.path(registered_socket(plugin)[0]), server, "csi-nodeserver")
        try:
            target = node.path(node.kubelet / TARGET)
            target.parent.mkdir(parents=True)
            client.call("Node.NodePublishVolume", timeout=SECONDS, **publication(node, TARGET))
            (target / "file").write_text("before\n", encoding="utf-8")
            with open(target / "file", encoding="utf-8") as file:
                before = node.logs["alluxio-mounter"]
                new = node.start(mounter, "alluxio-mounter")
                after, node.logs["alluxio-mounter"] = node.logs["alluxio-mounter"], before
                # It does not end, or the kubelet would start its container again, which would take over in turn.
                _wait_for(node, "alluxio-mounter", "waiting until it is gone")
                assert file.read() == "before\n"
                # The new pod fails and goes: what it had is the old one's again.
                node.logs["alluxio-mounter"] = after
                _end(node, new)
                node.logs["alluxio-mounter"] = before
                _wait_for_reading(target / "file")
                third = node.start(mounter, "alluxio-mounter")
                node.logs["alluxio-mounter"] = before
                _wait_until_count(before, "waiting until it is gone", 2)
                _end(node, old)
                file.seek(0)
                assert file.read() == "before\n"
            client.call("Node.NodeUnpublishVolume", timeout=SECONDS, volume_id="data",
                        target_path=str(node.kubelet / TARGET))
            _end(node, third)
        finally:
            client.close()


def _end(node, pid):
    """As the kubelet ends a pod."""
    os.kill(node.first_process(pid), signal.SIGTERM)
    node.nest.wait(pid, SECONDS)


def _wait_for_reading(path):
    """Reads a file, which waits where nobody serves it."""
    subprocess.run(["/bin/cat", path], check=True, capture_output=True, timeout=SECONDS)


def _wait_until_count(log, text, count):
    limit = time.monotonic() + SECONDS
    while log.read_text(encoding="utf-8").count(text) < count:
        assert time.monotonic() < limit, log.read_text(encoding="utf-8")[-3000:]
        time.sleep(0.02)


def a_controller(node, values):
    """A client of the controller, which runs as rendered; its socket is the pod's own."""
    spec = copy.deepcopy(chart.pod(chart.objects(values), "Deployment", "alluxio-csi-controller"))
    pid = node.start(spec, "csi-controller")
    [socket] = [volume for volume in spec["volumes"] if volume["name"] == "socket"]
    client = connected(node, node.source(spec, socket) / "csi.sock", pid, "csi-controller")
    assert "FAILED" not in probed(node, spec, "csi-controller")
    return spec, client


def reaches(node, spec, container):
    script = "import socket; socket.socket(socket.AF_UNIX).connect('/csi/csi.sock')"
    pid = node.start(spec, container, command=["/usr/bin/python3", "-S", "-c", script])
    return node.nest.wait(pid, SECONDS) == 0


def creation(**parameters):
    """CreateVolume as the provisioner calls it with --extra-create-metadata."""
    claim = {"csi.storage.k8s.io/pvc/name": "claim", "csi.storage.k8s.io/pvc/namespace": "team",
             "csi.storage.k8s.io/pv/name": "pvc-1"}
    return {"name": "pvc-1", "volume_capabilities": [capability()],
            "parameters": {"path": f"file://{DATA}", **claim, **parameters}}


def test_a_controller_without_any_privilege_provisions_what_is_shown_as_it_is():
    with a_node() as node:
        spec, client = a_controller(node, VALUES)
        try:
            assert client.call("Identity.GetPluginInfo").name == "alluxio"
            assert reaches(node, spec, "csi-provisioner")
            volume = client.call("Controller.CreateVolume", **creation()).volume
            assert volume.volume_id == "pvc-1" and volume.volume_context["path"] == f"file://{DATA}"
            client.call("Controller.DeleteVolume", volume_id="pvc-1")
        finally:
            client.close()


def test_a_controller_with_the_file_systems_makes_and_deletes_directories_of_any_owner():
    # The values and the class of an example, which so is shown to work.
    [values] = examples.things("nas.values.yaml")
    [parameters] = [given for place, given in examples.uses("nas.yaml") if place == "StorageClass"]
    assert parameters["path"] == f"file://{DATA}" and parameters["onDelete"] == "delete"
    values = chart.merged(values, {"alluxio-csi": {"controllerPlugin": {"resizer": {"enabled": True}}}})
    with a_node() as node:
        base = node.path("/mnt/nas")
        # Of somebody who lets nobody else in.
        base.chmod(0o700)
        os.chown(base, 1234, 1234)
        spec, client = a_controller(node, values)
        try:
            assert reaches(node, spec, "csi-provisioner") and reaches(node, spec, "csi-resizer")
            client.call("Controller.CreateVolume", **creation(**parameters))
            [made] = [path for path in base.iterdir() if path.name == "team-claim-pvc-1"]
            (made / "inner").mkdir()
            os.chown(made / "inner", 4321, 4321)
            (made / "inner").chmod(0o700)
            client.call("Controller.DeleteVolume", volume_id="pvc-1")
            assert not made.exists()
            # What it remembers is on the claim.
            assert (node.claim("alluxio-csi-registry") / "volumes").is_dir()
        finally:
            client.close()


def test_the_driver_takes_the_parameters_of_every_class_of_the_examples():
    """Without a call to a bucket: volumes that show one as it is need none."""
    [nas], [shared] = examples.things("nas.values.yaml"), examples.things("claim-backed.values.yaml")
    roots = [root for values in (nas, shared) for root in values["alluxio-csi"]["fileRoots"]]
    values = chart.merged(chart.merged(nas, shared), {"alluxio-csi": {"fileRoots": roots}})
    with a_node() as node:
        _, client = a_controller(node, values)
        try:
            classes = [given for name in examples.OBJECTS for place, given in examples.uses(name)
                       if place == "StorageClass"]
            assert len(classes) == 3
            for number, parameters in enumerate(classes):
                own = {key: value for key, value in parameters.items() if not key.startswith("csi.storage.k8s.io/")}
                fields = {**creation(**own), "name": f"pvc-{number}"}
                assert client.call("Controller.CreateVolume", **fields).volume.volume_id == f"pvc-{number}"
                fields["parameters"]["pagestoreSize"] = "1Gi"
                with pytest.raises(grpc.RpcError) as refusal:
                    client.call("Controller.CreateVolume", **{**fields, "name": "pvc-refused"})
                assert refusal.value.code() == grpc.StatusCode.INVALID_ARGUMENT, refusal.value
        finally:
            client.close()


def _without_propagation(spec, container, volume):
    for entry in chart.container(spec, container)["volumeMounts"]:
        if entry["name"] == volume:
            del entry["mountPropagation"]


def _without_mount(spec, container, volume):
    found = chart.container(spec, container)
    found["volumeMounts"] = [entry for entry in found["volumeMounts"] if entry["name"] != volume]


def _unprivileged(spec, container):
    chart.container(spec, container)["securityContext"]["privileged"] = False


def _without_argument(spec, container, flag):
    found = chart.container(spec, container)
    found["args"] = [word for word in found["args"] if not word.startswith(flag)]


BROKEN = {
    "mounter without propagation": lambda m, p: _without_propagation(m, "alluxio-mounter", "state"),
    "plugin without propagation": lambda m, p: _without_propagation(p, "csi-nodeserver", "kubelet"),
    "mounter without the under file system": lambda m, p: _without_mount(m, "alluxio-mounter", "ufs-host-0"),
    "plugin without its socket's folder": lambda m, p: _without_mount(p, "csi-nodeserver", "plugin"),
    "plugin without the kubelet's folder": lambda m, p: _without_mount(p, "csi-nodeserver", "kubelet"),
    "mounter without its folder": lambda m, p: _without_mount(m, "alluxio-mounter", "state"),
    "registrar without the registry": lambda m, p: _without_mount(p, "node-driver-registrar", "registration"),
    "registrar without the plugin's folder": lambda m, p: _without_mount(p, "node-driver-registrar", "plugin"),
    "unprivileged mounter": lambda m, p: _unprivileged(m, "alluxio-mounter"),
    "unprivileged plugin": lambda m, p: _unprivileged(p, "csi-nodeserver"),
    "plugin without file roots": lambda m, p: _without_argument(p, "csi-nodeserver", "--file-roots"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_without_a_line_of_the_specification_it_does_not_work(name):
    mounter, plugin = specifications()
    before = copy.deepcopy((mounter, plugin))
    BROKEN[name](mounter, plugin)
    assert (mounter, plugin) != before
    with a_node() as node, pytest.raises((AssertionError, grpc.RpcError, OSError)):
        live(node, mounter, plugin)
