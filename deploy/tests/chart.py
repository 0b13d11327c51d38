"""The chart as Helm sees it: rendered objects, default values, and the schemas of its values."""

import copy
import json
import pathlib

import helm_python.chart
import yaml

DEPLOY = pathlib.Path(__file__).resolve().parents[1]
CHECKOUT = DEPLOY.parent
CHART = DEPLOY / "charts" / "alluxio-operator"
DRIVER = CHART / "charts" / "alluxio-csi"

RELEASE = {"name": "operator", "namespace": "default"}
"""As the public pages install it: `helm install operator`, without a namespace."""

MATRIX = {
    "defaults": {},
    "without the driver": {"alluxio-csi": {"enabled": False}},
    "private registry": {
        "global": {"image": "registry.example.com/alluxio-csi", "imagePullSecrets": ["one", "two"]},
        "alluxio-csi": {
            "controllerPlugin": {"provisioner": {"image": "registry.example.com/csi-provisioner:v2.0.5"}},
            "nodePlugin": {"driverRegistrar": {"image": "registry.example.com/csi-node-driver-registrar:v2.0.0"}},
        },
    },
    "directories of a NAS": {"alluxio-csi": {
        "fileRoots": ["/ufs/nas", "/ufs/claim"], "inlineFileRoots": ["/ufs/nas/public"],
        "ufs": {"hostPaths": {"/mnt/nas": "/ufs/nas"}, "pvcMounts": {"data": "/ufs/claim"},
                "secrets": {"ca": "/etc/ca"}, "configMaps": {"aws": "/etc/aws"}},
        "controllerPlugin": {"fileProvisioning": True, "registryClaim": "registry"},
        "storageClass": {"parameters": {"path": "file:///ufs/nas", "provisioning": "directory"}, "isDefault": True},
        "claim": {"create": True},
    }},
    "bucket": {"alluxio-csi": {
        "pageStore": {"hostPath": "/mnt/nvme/alluxio", "size": "500Gi", "share": ["s3://bucket", "oss://data/public"]},
        "mounter": {"env": [{"name": "AWS_REGION", "value": "eu-central-1"}], "hostNetwork": True},
        "ufs": {"secrets": {"store-ca": "/etc/store-ca"}},
        "nodes": {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::1:role/node"}},
        "csiDriver": {"tokenRequests": [{"audience": "sts.amazonaws.com", "expirationSeconds": 3600}]},
        "storageClass": {
            "parameters": {"path": "s3://bucket/prefix", "alluxio.underfs.s3.region": "eu-central-1"},
            "nodePublishSecret": {"name": "keys", "namespace": "data"},
            "provisionerSecret": {"name": "keys", "namespace": "data"},
            "mountOptions": ["noexec"], "allowVolumeExpansion": True},
        "controllerPlugin": {"env": [{"name": "SSL_CERT_FILE", "value": "/etc/store-ca/ca.crt"}],
                             "provisioner": {"secrets": [{"namespace": "data", "name": "keys"},
                                                         {"namespace": "other", "name": "keys"}]}},
    }},
    "two controllers": {"alluxio-csi": {"controllerPlugin": {
        "replicas": 2, "registryClaim": "registry", "resizer": {"enabled": True},
        "affinity": {"podAntiAffinity": {}}, "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"operator": "Exists"}], "podAnnotations": {"example.com/note": "a"}},
        "nodePlugin": {"events": True}}},
    "nodes that start with a taint": {"alluxio-csi": {
        "nodes": {"tolerations": []}, "nodePlugin": {"startupTaint": {
            "enabled": True, "key": "example.com/starting", "ownNodeOnly": True}}}},
    "volumes as objects": {"alluxio-csi": {"controllerPlugin": {"registry": "kubernetes", "replicas": 3}}},
    "reports of nodes": {"alluxio-csi": {"controllerPlugin": {"registry": "kubernetes"},
                                         "nodePlugin": {"reports": True, "ownReportOnly": True}}},
    "another kubelet": {"alluxio-csi": {
        "kubeletDir": "/data/kubelet", "driverName": "csi.example.com", "logLevel": "debug", "logFormat": "json",
        "metrics": {"annotations": {"prometheus.io/scrape": "true"}},
        "nodePlugin": {"hostPID": True, "livenessProbe": {"enabled": False}, "updateStrategy": {"type": "OnDelete"}},
        "mounter": {"updateStrategy": {"type": "OnDelete"}}, "nodes": {"nodeSelector": {"disk": "nvme"}}}},
    "without metrics": {"alluxio-csi": {"metrics": {"enabled": False}}},
    "Prometheus's operator": {"alluxio-csi": {"metrics": {
        "port": 9811, "serviceMonitor": {"enabled": True, "interval": "1m", "labels": {"release": "prometheus"}}}}},
}
"""Values that together render every line of every template."""

EVERYTHING = {}
"""One set of values with all that is optional."""


def merged(below, above):
    """Values as Helm merges them: maps key by key, everything else replaced."""
    result = copy.deepcopy(below)
    for key, value in above.items():
        both = isinstance(value, dict) and isinstance(result.get(key), dict)
        result[key] = merged(result[key], value) if both else copy.deepcopy(value)
    return result


for _name in ("directories of a NAS", "bucket", "two controllers", "nodes that start with a taint", "Prometheus's operator"):
    EVERYTHING = merged(EVERYTHING, MATRIX[_name])


def loaded():
    """The chart, read anew: where a condition leaves a sub-chart out, it is gone from that copy."""
    return helm_python.chart.Chart.load(CHART)


def texts(values=None, **release):
    """What `helm template` prints, by template."""
    with loaded() as whole:
        return whole.render(values=values or {}, **{**RELEASE, **release})


def parsed(rendered):
    return [thing for text in rendered.values() for thing in yaml.safe_load_all(text) if thing]


def objects(values=None, **release):
    """The rendered objects."""
    return parsed({name: text for name, text in texts(values, **release).items() if name.endswith(".yaml")})


def find(things, kind, name):
    [thing] = [thing for thing in things if (thing["kind"], thing["metadata"]["name"]) == (kind, name)]
    return thing


def pod(things, kind, name):
    return find(things, kind, name)["spec"]["template"]["spec"]


def container(spec, name):
    [found] = [entry for entry in spec["containers"] if entry["name"] == name]
    return found


def schema(folder):
    return json.loads((folder / "values.schema.json").read_text(encoding="utf-8"))


def defaults():
    """The values of the chart with those of its sub-chart beneath, as a user would write them."""
    own = yaml.safe_load((CHART / "values.yaml").read_text(encoding="utf-8"))
    below = yaml.safe_load((DRIVER / "values.yaml").read_text(encoding="utf-8"))
    return merged({"alluxio-csi": below}, own)


def leaves():
    """(path, schema, default) of each value, in the order of the schemas; the path is a tuple of keys."""
    whole = schema(CHART)["properties"]
    yield from _leaves(("global",), whole["global"], defaults()["global"])
    yield from _leaves(("alluxio-csi",), {"properties": {
        key: value for key, value in schema(DRIVER)["properties"].items() if key != "global"}}, defaults()["alluxio-csi"])


def _leaves(path, node, default):
    for key, child in node["properties"].items():
        if "examples" in child:
            yield (*path, key), child, default[key]
        else:
            yield from _leaves((*path, key), child, default[key])


def at(path, value):
    """Values that set one key."""
    for key in reversed(path):
        value = {key: value}
    return value
