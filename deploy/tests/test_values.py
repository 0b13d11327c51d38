"""Every value is read, and what is wrong is refused by name."""

import chart
import pytest
import reference

BESIDE = {
    # What a value means something beside: with it alone the chart renders the same.
    "storageClass": {"storageClass": {"parameters": {"path": "file:///ufs/data"}}},
    "claim": {"claim": {"create": True}},
    "metrics": {"metrics": {"serviceMonitor": {"enabled": True}}},
    "nodePlugin": {"controllerPlugin": {"registry": "kubernetes"},
                   "nodePlugin": {"reports": True, "startupTaint": {"enabled": True}}},
    "controllerPlugin": {"controllerPlugin": {"registryClaim": "registry", "replicas": 3, "resizer": {"enabled": True}}},
}
LEAVES = {".".join(path): (path, schema, default) for path, schema, default in chart.leaves()}


def _yaml_keys(node, path=()):
    for key, value in node.items():
        path_of_key = (*path, key)
        if ".".join(path_of_key) in LEAVES:
            yield ".".join(path_of_key)
        else:
            assert isinstance(value, dict), f"{'.'.join(path_of_key)} is not in the schema"
            yield from _yaml_keys(value, path_of_key)


def test_values_and_schemas_have_the_same_keys():
    assert sorted(_yaml_keys(chart.defaults())) == sorted(LEAVES)


@pytest.mark.parametrize("name", LEAVES)
def test_a_value_is_read(name):
    path, schema, default = LEAVES[name]
    beside = chart.at(path[:1], BESIDE.get(path[1], {}))
    before = chart.texts(beside)
    for example in schema["examples"]:
        if chart.merged(beside, chart.at(path, example)) == beside:
            example = default
        values = chart.merged(beside, chart.at(path, example))
        assert chart.texts(values) != before, f"{name}: {example!r} changes nothing"


@pytest.mark.parametrize("name", LEAVES)
def test_a_value_of_another_kind_is_refused(name):
    path, schema, _ = LEAVES[name]
    kinds = schema.get("type", "string")
    wrong = {"string": 7, "array": "text", "object": "text", "boolean": "text", "integer": "text"}[
        kinds if isinstance(kinds, str) else "array"]
    wrong = [] if wrong == "text" and not isinstance(kinds, str) else wrong
    with pytest.raises(Exception, match=path[-1]):
        chart.texts(chart.at(path, wrong))


@pytest.mark.parametrize("values, name", [
    ({"global": {"imageTga": "1"}}, "imageTga"),
    ({"alluxio-csi": {"nodePlugin": {"driverRegistrer": {}}}}, "driverRegistrer"),
    ({"alluxio-csi": {"mounter": {"resources": {"limits": {"memory": "1Gi"}}}}}, "memory"),
    ({"alluxio-csi": {"nodePlugin": {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}}}}, "maxSurge"),
    ({"alluxio-csi": {"fileRoots": ["relative"]}}, "fileRoots"),
    ({"alluxio-csi": {"nodePlugin": {"startupTaint": {"key": "a/b/c"}}}}, "startupTaint"),
    ({"alluxio-csi": {"storageClass": {"parameters": {"provisioning": "shared"}}}}, "path"),
    ({"alluxio-csi": {"storageClass": {"provisionerSecret": {"name": "keys"}}}}, "namespace"),
    ({"alluxio-csi": {"controllerPlugin": {"provisioner": {"image": "csi-provisioner"}}}}, "image"),
])
def test_what_nobody_reads_or_nothing_can_be_is_refused(values, name):
    with pytest.raises(Exception, match=name):
        chart.texts(values)


def test_every_value_is_described():
    assert not [name for name, (_, schema, _) in LEAVES.items() if not schema.get("description", "").endswith(".")]


def test_the_readme_of_the_chart_lists_the_values():
    readme = (chart.CHART / "README.md").read_text(encoding="utf-8")
    [section] = readme.split(reference.BEGIN)[1:]
    assert section.split(reference.END)[0].strip() == reference.table(), "run scripts/render-manifests.sh"


def test_the_notes_say_what_is_missing_and_no_more():
    notes = lambda values=None: chart.texts(values)["alluxio-operator/templates/NOTES.txt"]  # noqa: E731
    assert "no storage class yet" in notes() and "fileRoots" in notes() and "registryClaim" in notes()
    whole = notes(chart.EVERYTHING)
    assert "the taint example.com/starting" in whole and "the taint" not in notes()
    assert "s3://bucket/prefix" in whole and "fileRoots" not in whole and "registryClaim" not in whole
    assert not notes(chart.MATRIX["without the driver"]).strip()
