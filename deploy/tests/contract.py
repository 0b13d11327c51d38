"""What the rendered objects must say for the cluster and the driver to work together: one list of sentences.

Each function looks at the objects and names what is missing or too much. That the sentences about mounts and privileges
are true is shown by test_node.py, which runs the specifications; those about the API follow what the sidecars document.
"""

import itertools
import json
import re

import chart

STATE = "plugins/csi-alluxio-plugin"

PROVISIONER = {
    ("", "persistentvolumes"): {"get", "list", "watch", "create", "patch", "delete"},
    ("", "persistentvolumeclaims"): {"get", "list", "watch", "update"},
    ("storage.k8s.io", "storageclasses"): {"get", "list", "watch"},
    # WaitForFirstConsumer: the node that is annotated is looked up, also without topology.
    ("", "nodes"): {"get"},
    ("", "events"): {"list", "watch", "create", "update", "patch"},
}
"""external-provisioner, deploy/kubernetes/rbac.yaml: without topology, snapshots, attaching and capacity tracking."""

RESIZER = {
    ("", "persistentvolumes"): {"get", "list", "watch", "patch"},
    ("", "persistentvolumeclaims"): {"get", "list", "watch"},
    ("", "persistentvolumeclaims/status"): {"patch"},
    ("", "pods"): {"get", "list", "watch"},
    ("storage.k8s.io", "volumeattributesclasses"): {"get", "list", "watch"},
    ("", "events"): {"list", "watch", "create", "update", "patch"},
}
"""external-resizer, deploy/kubernetes/rbac.yaml; of attribute classes main.go, which watches them in any case."""

REGISTRY = {
    ("csi.alluxio.com", "alluxiovolumes"): {"get", "list", "create", "patch", "delete"},
    ("csi.alluxio.com", "alluxiovolumes/status"): {"patch"},
    ("csi.alluxio.com", "alluxionodes"): {"list", "watch", "delete"},
    ("", "nodes"): {"get"},
}
"""What the controller calls itself; KubernetesRegistryTests and VolumeStatusesTests record it against these rules."""

NODE_EVENTS = {("events.k8s.io", "events"): {"create", "patch"}}
"""What the node plugin calls itself; PluginEventTests records it against these rules."""

NODE_REPORTS = {
    ("csi.alluxio.com", "alluxionodes"): {"create"},
    ("csi.alluxio.com", "alluxionodes/status"): {"patch"},
}
"""What the node plugin calls for its report; NodeReportsTests records it against these rules."""

STARTUP_TAINT = {("storage.k8s.io", "csinodes"): {"get"}, ("", "nodes"): {"get", "patch"}}
"""The same for the startup taint; PluginStartupTests records it against these rules."""

NODE_FEATURES = {"--events=kubernetes": ("alluxio-csi-node-events", NODE_EVENTS),
                 "--node-reports=kubernetes": ("alluxio-csi-node-reports", NODE_REPORTS),
                 "--startup-taint=kubernetes": ("alluxio-csi-node-startup-taint", STARTUP_TAINT)}
"""What the node plugin asks the API for, by the argument that makes it ask: role and rules."""

TOKEN_FOLDER = re.search(
    r'serviceAccountFolder = "([^"]+)"',
    (chart.CHECKOUT / "Sources/Kubernetes/Access/ClusterAccess+Pod.swift").read_text(encoding="utf-8"))[1]
"""Where the program looks for the token of its service account."""

TOKEN = json.dumps({"defaultMode": 0o400, "sources": [
    {"serviceAccountToken": {"path": "token", "expirationSeconds": 3600}},
    {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
    {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}]}},
]}, sort_keys=True)
"""What the kubelet puts there where a pod has automountServiceAccountToken, for root alone."""

LEASES = {("coordination.k8s.io", "leases"): {"get", "list", "watch", "create", "update", "patch", "delete"}}


def granted(role):
    """Verbs by API group and resource."""
    found = {}
    for rule in role["rules"]:
        for group, resource in itertools.product(rule["apiGroups"], rule["resources"]):
            found.setdefault((group, resource), set()).update(rule["verbs"])
    return found


def of_kind(things, *kinds):
    return [thing for thing in things if thing["kind"] in kinds]


def roles_of(things, account):
    """Names of the roles that a service account has."""
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace(things)}
    return sorted(thing["roleRef"]["name"] for thing in of_kind(things, "ClusterRoleBinding", "RoleBinding")
                  if subject in thing["subjects"])


def namespace(things):
    return chart.find(things, "Deployment", "alluxio-csi-controller")["metadata"]["namespace"]


def rbac(things):
    """The controller's account may do what its sidecars document, the node's account what its plugin is asked for."""
    controller = chart.pod(things, "Deployment", "alluxio-csi-controller")
    names = {entry["name"] for entry in controller["containers"]}
    elects = any("--leader-election" in entry.get("args", []) for entry in controller["containers"])
    wanted = {"alluxio-external-provisioner-role": PROVISIONER}
    if "csi-resizer" in names:
        wanted["alluxio-external-resizer-role"] = RESIZER
    if elects:
        wanted["alluxio-csi-leader-election"] = LEASES
    if "--registry=kubernetes" in chart.container(controller, "csi-controller")["args"]:
        wanted["alluxio-csi-registry"] = REGISTRY
        defined = {thing["spec"]["names"]["kind"] for thing in of_kind(things, "CustomResourceDefinition")}
        yield from (f"{kind} is a kind that is not defined" for kind in ("AlluxioNode", "AlluxioVolume")
                    if kind not in defined)
    node = {role: rules for flag, (role, rules) in NODE_FEATURES.items() if flag in chart.container(
        chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin"), "csi-nodeserver")["args"]}
    everybody = wanted | node
    roles = {thing["metadata"]["name"]: thing for thing in of_kind(things, "ClusterRole", "Role")
             if thing["metadata"]["name"] != "alluxio-csi-provisioner-secrets"}
    yield from (f"{name} grants {granted(roles[name])}" for name in everybody
                if name not in roles or granted(roles[name]) != everybody[name])
    yield from (f"{name} is not needed" for name in roles.keys() - everybody.keys())
    bound = [name for name in roles_of(things, "alluxio-csi-sa") if name != "alluxio-csi-provisioner-secrets"]
    if bound != sorted(wanted):
        yield f"alluxio-csi-sa has {bound}"
    if roles_of(things, "alluxio-csi-node-sa") != sorted(node):
        yield f"alluxio-csi-node-sa has {roles_of(things, 'alluxio-csi-node-sa')}"
    yield from secrets(things)


def secrets(things):
    """Secrets are granted one by one: those that classes name, and those that the administrator has listed."""
    named = set()
    for thing in of_kind(things, "StorageClass"):
        parameters = thing["parameters"]
        if "csi.storage.k8s.io/provisioner-secret-name" in parameters:
            named.add((parameters["csi.storage.k8s.io/provisioner-secret-namespace"],
                       parameters["csi.storage.k8s.io/provisioner-secret-name"]))
    given = set()
    account = {"kind": "ServiceAccount", "name": "alluxio-csi-sa", "namespace": namespace(things)}
    bound = {thing["metadata"]["namespace"] for thing in of_kind(things, "RoleBinding")
             if thing["roleRef"]["name"] == "alluxio-csi-provisioner-secrets" and account in thing["subjects"]}
    for role in of_kind(things, "Role"):
        if role["metadata"]["name"] == "alluxio-csi-provisioner-secrets" and not (
                role["rules"] and role["metadata"]["namespace"] in bound):
            yield f"the role for secrets in {role['metadata']['namespace']} gives nothing to anybody"
        for rule in role["rules"]:
            if "secrets" in rule["resources"]:
                if rule["verbs"] != ["get"] or not rule.get("resourceNames"):
                    yield f"secrets of {role['metadata']['namespace']} are granted too widely"
                place = role["metadata"]["namespace"]
                if place in bound:
                    given.update((place, name) for name in rule.get("resourceNames", []))
    yield from (f"the provisioner may not read {name}" for name in named - given)
    yield from (f"{thing['metadata']['name']} grants all secrets" for thing in of_kind(things, "ClusterRole")
                if ("", "secrets") in granted(thing))


def mounts(things):
    """What containers have mounted, and which mounts go in and out."""
    driver = chart.container(chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin"), "csi-nodeserver")
    words = dict(word.lstrip("-").split("=", 1) for word in driver["args"])
    kubelet = words["kubelet-dir"]
    state = f"{kubelet}/{STATE}"
    expected = {
        ("DaemonSet", "alluxio-csi-nodeplugin", "csi-nodeserver"): {
            "/plugin": (state, None, False), kubelet: (kubelet, "Bidirectional", False)},
        ("DaemonSet", "alluxio-csi-nodeplugin", "node-driver-registrar"): {
            "/plugin": (state, None, True), "/registration": (f"{kubelet}/plugins_registry", None, False)},
        ("DaemonSet", "alluxio-csi-nodeplugin", "liveness-probe"): {"/plugin": (state, None, True)},
        ("DaemonSet", "alluxio-csi-mounter", "alluxio-mounter"): {state: (state, "Bidirectional", False)},
        ("Deployment", "alluxio-csi-controller", "csi-controller"): {
            "/csi": ("socket", None, False), "/registry": ("registry", None, False)},
        ("Deployment", "alluxio-csi-controller", "csi-provisioner"): {"/csi": ("socket", None, False)},
        ("Deployment", "alluxio-csi-controller", "csi-resizer"): {"/csi": ("socket", None, False)},
    }
    if NODE_FEATURES.keys() & set(driver["args"]):
        # The program looks for its token where automountServiceAccountToken would have put it.
        expected["DaemonSet", "alluxio-csi-nodeplugin", "csi-nodeserver"][TOKEN_FOLDER] = (TOKEN, None, True)
    if "page-store" in words:
        store = words["page-store"]
        for key in list(expected)[0], list(expected)[3]:
            expected[key][store] = (store, None, False)
    for kind, name in {key[:2] for key in expected}:
        spec = chart.pod(things, kind, name)
        for entry in spec["containers"]:
            found = {mount["mountPath"]: described(spec, mount) for mount in entry["volumeMounts"]
                     if not mount["name"].startswith(("ufs-", "secret-", "config-"))}
            if found != expected[kind, name, entry["name"]]:
                yield f"{name}/{entry['name']} has {found}"
        used = {mount["name"] for entry in spec["containers"] for mount in entry["volumeMounts"]}
        if used != {volume["name"] for volume in spec["volumes"]}:
            yield f"{name} has volumes that nothing mounts, or none for a mount"
    for kind, name in (("DaemonSet", "alluxio-csi-mounter"), ("Deployment", "alluxio-csi-controller")):
        for mount in chart.pod(things, kind, name)["containers"][0]["volumeMounts"]:
            if mount["name"].startswith(("secret-", "config-")) and not mount.get("readOnly"):
                yield f"{mount['mountPath']} may be written"
            if mount["name"].startswith("ufs-host-") and mount.get("mountPropagation") != "HostToContainer":
                yield f"{mount['mountPath']} does not see what is mounted later on"


def described(spec, mount):
    [volume] = [entry for entry in spec["volumes"] if entry["name"] == mount["name"]]
    source = volume["hostPath"]["path"] if "hostPath" in volume else volume["name"]
    if "projected" in volume:
        source = json.dumps(volume["projected"], sort_keys=True)
    return source, mount.get("mountPropagation"), mount.get("readOnly", False)


def privileges(things):
    """Only what mounts is privileged; all others have nothing."""
    for thing in of_kind(things, "Deployment", "DaemonSet"):
        spec = thing["spec"]["template"]["spec"]
        for entry in spec["containers"]:
            name, context = entry["name"], {**spec.get("securityContext", {}), **entry["securityContext"]}
            if context["readOnlyRootFilesystem"] is not True:
                yield f"{name} may write to its root"
            if context.get("privileged", False) != (name in ("csi-nodeserver", "alluxio-mounter")):
                yield f"{name}: privileged is {context.get('privileged')}"
            if context.get("privileged"):
                continue
            added = context["capabilities"].get("add", [])
            if context["capabilities"]["drop"] != ["ALL"] or context["allowPrivilegeEscalation"] is not False:
                yield f"{name} has privileges"
            if added and (name, context["runAsUser"]) != ("csi-controller", 0):
                yield f"{name} has {added}"
            if context["seccompProfile"] != {"type": "RuntimeDefault"}:
                yield f"{name} may make any system call"
        # The controller's sidecars ask the API; of the node plugin's containers the driver at most, see mounts.
        if spec["automountServiceAccountToken"] != (thing["metadata"]["name"] == "alluxio-csi-controller"):
            yield f"{thing['metadata']['name']}: the token of the service account"


def agreement(things):
    """What two parts must say alike, or they do not find each other."""
    plugin = chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin")
    words = lambda spec, name: dict(  # noqa: E731
        word.lstrip("-").partition("=")[::2] for word in chart.container(spec, name)["args"])
    node, registrar = words(plugin, "csi-nodeserver"), words(plugin, "node-driver-registrar")
    mounter = words(chart.pod(things, "DaemonSet", "alluxio-csi-mounter"), "alluxio-mounter")
    if (node["mounter-socket"], node["state-dir"]) != (mounter["socket"], mounter["state-dir"]):
        yield "plugin and mounter have other folders"
    if registrar["kubelet-registration-path"] != f"{node['state-dir']}/csi.sock":
        yield "the kubelet is given another socket"
    if not {"as-init", "take-over", "stay"} <= mounter.keys():
        yield "the mounter does not hand over"
    driver = of_kind(things, "CSIDriver")[0]["metadata"]["name"]
    controller = words(chart.pod(things, "Deployment", "alluxio-csi-controller"), "csi-controller")
    if {node["driver-name"], controller["driver-name"], driver} != {driver}:
        yield "the driver has several names"
    yield from (f"class {thing['metadata']['name']} is of another driver" for thing in of_kind(things, "StorageClass")
                if thing["provisioner"] != driver)
    if "extra-create-metadata" not in words(
            chart.pod(things, "Deployment", "alluxio-csi-controller"), "csi-provisioner"):
        yield "the controller does not learn for which claim a volume is"
    if node.get("file-roots") != controller.get("file-roots"):
        yield "controller and node serve other directories"
    for name, setting in ((name, entry["env"]) for thing in of_kind(things, "Deployment", "DaemonSet")
                          for entry in thing["spec"]["template"]["spec"]["containers"]
                          for name in [entry["name"]] if name in ("csi-nodeserver", "csi-controller")):
        endpoint = {entry["name"]: entry.get("value") for entry in setting}["CSI_ENDPOINT"]
        if endpoint != {"csi-nodeserver": "unix:///plugin/csi.sock", "csi-controller": "unix:///csi/csi.sock"}[name]:
            yield f"{name} serves on {endpoint}"
    for name in ("alluxio-csi-nodeplugin", "alluxio-csi-mounter"):
        tolerated = chart.pod(things, "DaemonSet", name).get("tolerations", [])
        if node.get("startup-taint") and not any(tolerates(entry, node["startup-taint-key"]) for entry in tolerated):
            yield f"{name} does not run where the startup taint is, and nobody removes it"
    spec = chart.find(things, "DaemonSet", "alluxio-csi-mounter")["spec"]
    if "memory" in spec["template"]["spec"]["containers"][0].get("resources", {}).get("limits", {}):
        yield "the mounter's FUSE processes share a limit of memory"
    if "livenessProbe" in spec["template"]["spec"]["containers"][0]:
        yield "the mounter is killed with all FUSE processes when it is late"


def tolerates(toleration, key):
    """Whether it tolerates a taint of the key, whatever its value and effect."""
    return (toleration.get("operator") == "Exists" and toleration.get("key") in (None, key)
            and not toleration.get("effect"))


def problems(things):
    """Everything that is wrong."""
    return [sentence for part in (rbac, mounts, privileges, agreement) for sentence in part(things)]
