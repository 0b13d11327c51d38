"""Runs containers as the chart renders them: arguments, environment, mounts and security contexts, on a node of folders.

The node is a folder that stands for the root of a machine, with the folders of a kubelet in it, on a shared mount as
a node's root is. Paths of hostPath volumes lie beneath it, so that the chart's own paths are used as they are.
"""

import json
import os
import pathlib
import re
import sys
import tempfile

from csi_client import system
from csi_client.driver import Nest, programs

import chart
import image

NODE_NAME = "node-1"
HERE = pathlib.Path(__file__).parent


# What the API server adds to each pod that does not say otherwise.
ACCOUNT_FOLDER = "/var/run/secrets/kubernetes.io/serviceaccount"
ACCOUNT = {"name": "kube-api-access", "projected": {"defaultMode": 0o644, "sources": [
    {"serviceAccountToken": {"path": "token"}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}}]}}


class Node:
    """A machine with a kubelet."""

    def __init__(self, kubelet="/var/lib/kubelet"):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="n."))
        self.folder.chmod(0o755)
        self.root = self.folder / "r"
        self.root.mkdir()
        system.mount(self.root, self.root, "", system.MS_BIND)
        system.mount("none", self.root, "", system.MS_SHARED)
        self.kubelet = pathlib.Path(kubelet)
        for name in ("plugins", "plugins_registry", "pods"):
            self.path(self.kubelet / name).mkdir(parents=True, mode=0o750)
        self.nest = Nest()
        self.logs = {}
        self.cluster = None
        """The API server that pods are told of, with the credentials of their service account: see Cluster."""
        self._claims = {}
        self._scratch = {}
        self._count = 0

    def path(self, path):
        """A path of the node, as this process sees it."""
        return self.root / str(path).lstrip("/")

    def claim(self, name):
        """The directory that stands for a claim."""
        if name not in self._claims:
            self._claims[name] = self._make(f"c.{name}", 0o777)
        return self._claims[name]

    def _make(self, name, mode):
        folder = self.folder / name
        folder.mkdir()
        folder.chmod(mode)
        return folder

    def source(self, pod, volume):
        """The directory behind a volume of a pod."""
        if "hostPath" in volume:
            path = self.path(volume["hostPath"]["path"])
            kind = volume["hostPath"].get("type", "")
            if kind == "DirectoryOrCreate":
                path.mkdir(parents=True, exist_ok=True)
            assert path.is_dir(), f"the node has no {volume['hostPath']['path']}"
            return path
        if "persistentVolumeClaim" in volume:
            return self.claim(volume["persistentVolumeClaim"]["claimName"])
        if "projected" in volume:
            return self._projected(volume)
        if "emptyDir" not in volume:
            raise AssertionError(f"volume {volume} of a kind that these tests do not make")
        key = (id(pod), volume["name"])
        if key not in self._scratch:
            # As the kubelet makes it: writable for everybody, a file system of its own in the container.
            folder = self._make(f"e.{volume['name']}.{len(self._scratch)}", 0o777)
            system.mount("emptyDir", folder, "tmpfs", data="mode=777")
            group = pod.get("securityContext", {}).get("fsGroup")
            if group is not None:
                os.chown(folder, 0, group)
                folder.chmod(0o2777)
            self._scratch[key] = folder
        return self._scratch[key]

    def _projected(self, volume):
        """The files that the kubelet writes for the sources of a projected volume."""
        self._count += 1
        folder = self._make(f"p{self._count}", 0o755)
        for source in volume["projected"]["sources"]:
            for path, text in self.cluster.projected(source).items():
                file = folder / path
                file.write_text(text, encoding="utf-8")
                file.chmod(volume["projected"]["defaultMode"])
        return folder

    def start(self, pod, name, command=None):
        """Starts a container of a pod specification; answers the process that ends with it."""
        spec = chart.container(pod, name)
        self._count += 1
        root = self.folder / f"i{self._count}"
        root.mkdir()
        wanted = {**described(self, pod, spec), "root": str(root)}
        if command:
            wanted["command"] = [str(word) for word in command]
        self.logs[name] = log = self.folder / f"{name}.{self._count}.log"
        pids = [] if pod.get("hostPID") else ["--pid", "--fork", "--kill-child"]
        return self.nest.spawn(
            ["/usr/bin/unshare", "--mount", *pids, "--propagation", "unchanged", sys.executable, "-S",
             HERE / "container.py", json.dumps(wanted)], log)

    def first_process(self, pid):
        """The program of a container, as the node sees it: unshare(1) waits for it."""
        [child] = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
        return int(child)

    def log(self, name):
        return self.logs[name].read_text(encoding="utf-8", errors="replace")

    def close(self):
        self.nest.close()
        system.remove_tree(self.folder)


def described(node, pod, spec):
    """What container.py is told of a container."""
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    context = {**pod.get("securityContext", {}), **spec["securityContext"]}
    entries = spec["volumeMounts"]
    if node.cluster and pod.get("automountServiceAccountToken", True):
        volumes[ACCOUNT["name"]] = ACCOUNT
        entries = [*entries, {"name": ACCOUNT["name"], "mountPath": ACCOUNT_FOLDER, "readOnly": True}]
    files = image_of(spec)
    environment = files["environment"]
    if node.cluster:
        environment.update(node.cluster.variables())
    for entry in spec.get("env", []):
        environment[entry["name"]] = value_of(entry)
    return {
        **files, "command": [
            own_port(expanded(word, environment)) for word in [*spec.get("command", []), *spec["args"]]],
        "mounts": [{
            "source": str(node.source(pod, volumes[entry["name"]])), "path": entry["mountPath"],
            "propagation": entry.get("mountPropagation", "None"), "readOnly": entry.get("readOnly", False),
        } for entry in entries],
        "readOnlyRoot": context["readOnlyRootFilesystem"],
        "privileged": context.get("privileged", False),
        "capabilities": context.get("capabilities", {}).get("add", []),
        "user": context["runAsUser"], "group": context["runAsGroup"],
        "groups": [context["fsGroup"]] if "fsGroup" in context else [],
    }


def image_of(spec):
    """The files and the environment of a container's image: the driver's, and this machine's for those of others."""
    if spec.get("command", [""])[0].startswith("alluxio-") and image.can_be_made():
        return image.described()
    folder = str(programs())
    return {"image": "/", "runtime": [folder],
            "environment": {"PATH": f"{folder}:/usr/sbin:/usr/bin:/sbin:/bin"}}


def own_port(word):
    """A pod has an address of its own. Here its port is one that is free on this machine, which its log tells."""
    return "--metrics-address=127.0.0.1:0" if word.startswith("--metrics-address=:") else word


def value_of(entry):
    if "value" in entry:
        return entry["value"]
    assert entry["valueFrom"] == {"fieldRef": {"fieldPath": "spec.nodeName"}}, entry
    return NODE_NAME


def expanded(word, environment):
    """$(NAME) as the kubelet expands it in arguments."""
    return re.sub(r"\$\((\w+)\)", lambda match: environment[match[1]], word)
