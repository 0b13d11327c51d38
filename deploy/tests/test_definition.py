"""The kind AlluxioVolume: defined where volumes are remembered as objects, with columns that its objects have.

That nothing of what the controller writes is unknown to the definition is shown by KubernetesRegistryTests, whose server
leaves out what the schema does not have.
"""

import chart
import contract
import pytest

OBJECTS = {"alluxio-csi": {"controllerPlugin": {"registry": "kubernetes", "replicas": 2}}}
NAME = "alluxiovolumes.csi.alluxio.com"


def definition():
    return chart.find(chart.objects(OBJECTS), "CustomResourceDefinition", NAME)


def test_it_is_there_with_the_registry_that_needs_it_and_else_not():
    kinds = [thing["kind"] for thing in chart.objects()]
    assert "CustomResourceDefinition" not in kinds
    spec = definition()["spec"]
    assert NAME == f"{spec['names']['plural']}.{spec['group']}"
    without = [thing for thing in chart.objects(OBJECTS) if thing["kind"] != "CustomResourceDefinition"]
    assert contract.problems(without) == ["volumes are objects of a kind that is not defined"]


def test_it_stays_when_the_chart_goes():
    assert definition()["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_the_columns_are_fields_of_the_schema():
    [version] = definition()["spec"]["versions"]
    columns = {column["name"]: column["jsonPath"] for column in version["additionalPrinterColumns"]}
    assert list(columns) == ["UFS", "Capacity", "Phase", "Nodes", "Age"]
    for path in columns.values():
        schema = version["schema"]["openAPIV3Schema"]
        for step in path.lstrip(".").split("."):
            if step == "metadata":
                break
            schema = schema.get("properties", {}).get(step) or schema["additionalProperties"]
            assert schema["type"], path


def test_every_field_has_a_type():
    def check(schema, path):
        assert schema.get("type"), path
        for name, inner in schema.get("properties", {}).items():
            check(inner, f"{path}.{name}")
        for inner in (schema.get("items"), schema.get("additionalProperties")):
            if inner:
                check(inner, f"{path}[]")

    check(definition()["spec"]["versions"][0]["schema"]["openAPIV3Schema"], "")


def test_several_controllers_share_objects_without_a_claim():
    pod = chart.pod(chart.objects(OBJECTS), "Deployment", "alluxio-csi-controller")
    assert "--registry=kubernetes" in chart.container(pod, "csi-controller")["args"]
    assert not any("persistentVolumeClaim" in volume for volume in pod["volumes"])
    with pytest.raises(Exception, match="registry"):
        chart.objects({"alluxio-csi": {"controllerPlugin": {"replicas": 2}}})
