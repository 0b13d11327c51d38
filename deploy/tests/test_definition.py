"""The kinds AlluxioVolume and AlluxioNode: defined where volumes are remembered as objects, with columns that objects have.

That nothing of what controllers and nodes write is unknown to the definitions is shown by KubernetesRegistryTests,
VolumeStatusesTests and NodeReportsTests, whose server leaves out what the schemas do not have.
"""

import chart
import contract
import pytest

OBJECTS = {"alluxio-csi": {"controllerPlugin": {"registry": "kubernetes", "replicas": 2}}}
COLUMNS = {
    "alluxiovolumes.csi.alluxio.com": ["UFS", "Capacity", "Phase", "Nodes", "HitRate", "Age"],
    "alluxionodes.csi.alluxio.com": ["Volumes", "Abnormal", "Reported", "Age"],
}
NAMES = pytest.mark.parametrize("name", COLUMNS)


def definition(name):
    return chart.find(chart.objects(OBJECTS), "CustomResourceDefinition", name)


@NAMES
def test_it_is_there_with_the_registry_that_needs_it_and_else_not(name):
    kinds = [thing["kind"] for thing in chart.objects()]
    assert "CustomResourceDefinition" not in kinds
    spec = definition(name)["spec"]
    assert name == f"{spec['names']['plural']}.{spec['group']}"
    without = [thing for thing in chart.objects(OBJECTS) if thing["metadata"]["name"] != name]
    assert contract.problems(without) == [f"{spec['names']['kind']} is a kind that is not defined"]


def test_volumes_stay_when_the_chart_goes_and_reports_go():
    volumes, nodes = (definition(name)["metadata"].get("annotations", {}) for name in COLUMNS)
    assert volumes["helm.sh/resource-policy"] == "keep" and not nodes


def test_nodes_report_only_where_volumes_show_it():
    with pytest.raises(Exception, match="registry"):
        chart.objects({"alluxio-csi": {"nodePlugin": {"reports": True}}})


@NAMES
def test_the_columns_are_fields_of_the_schema(name):
    [version] = definition(name)["spec"]["versions"]
    columns = {column["name"]: column["jsonPath"] for column in version["additionalPrinterColumns"]}
    assert list(columns) == COLUMNS[name]
    for path in columns.values():
        schema = version["schema"]["openAPIV3Schema"]
        for step in path.lstrip(".").split("."):
            if step == "metadata":
                break
            schema = schema.get("properties", {}).get(step) or schema["additionalProperties"]
            assert schema["type"], path


@NAMES
def test_every_field_has_a_type(name):
    def check(schema, path):
        assert schema.get("type"), path
        for name, inner in schema.get("properties", {}).items():
            check(inner, f"{path}.{name}")
        for inner in (schema.get("items"), schema.get("additionalProperties")):
            if inner:
                check(inner, f"{path}[]")

    check(definition(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")


def test_several_controllers_share_objects_without_a_claim():
    pod = chart.pod(chart.objects(OBJECTS), "Deployment", "alluxio-csi-controller")
    assert "--registry=kubernetes" in chart.container(pod, "csi-controller")["args"]
    assert not any("persistentVolumeClaim" in volume for volume in pod["volumes"])
    with pytest.raises(Exception, match="registry"):
        chart.objects({"alluxio-csi": {"controllerPlugin": {"replicas": 2}}})
