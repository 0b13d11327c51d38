"""The chart renders, is valid YAML and valid Kubernetes, for every version that it says it runs on."""

import functools
import shutil
import subprocess

import chart
import helm_python.chart
import manifests
import pytest
import yaml
import yamllint.config
import yamllint.linter
from jsonschema import Draft202012Validator
from kubernetes_validate import utils
from referencing import Registry, Resource

YAMLLINT = yamllint.config.YamlLintConfig(
    "{extends: default, rules: {line-length: {max: 140}, document-start: disable, braces: {max-spaces-inside: 1},"
    " brackets: {max-spaces-inside: 1}, comments: {min-spaces-from-content: 1},"
    " indentation: {indent-sequences: whatever}, truthy: {check-keys: false}, octal-values: disable}}")


def versions():
    """Minor versions with schemas. The validator begins with 1.25; in that version the kinds of the chart got one new
    field, CSIDriver's seLinuxMount, so that what is valid without it is valid in 1.24 as well."""
    return list(dict.fromkeys(utils.major_minor(version) for version in utils.all_versions()))


@functools.cache
def definitions(version):
    return utils.schema_contents(f"kubernetes-json-schema/v{full(version)}-local-strict/_definitions.json", version)


@functools.cache
def full(version):
    return next(entry for entry in utils.all_versions() if utils.major_minor(entry) == version)


@functools.cache
def validator(version, kind, api):
    group, _, rest = api.partition("/")
    name = f"{kind.lower()}-{group.split('.')[0] + '-' + rest if rest else group}"
    schema = utils.schema_contents(f"kubernetes-json-schema/v{full(version)}-local-strict/{name}.json", version)
    registry = Resource.from_contents(definitions(version)) @ (Resource.from_contents(schema) @ Registry())
    return Draft202012Validator(schema, registry=registry)


def problems(thing, version):
    if thing["kind"].startswith("ValidatingAdmissionPolicy") and int(version.partition(".")[2]) < 30:
        # Not of that version: only where it is asked for, of newer ones.
        return []
    if thing["apiVersion"].startswith("monitoring.coreos.com/"):
        # Prometheus's operator's own: test_monitoring.py says what it must be.
        return []
    return [f"{thing['kind']} {thing['metadata']['name']} in {version}: {'.'.join(map(str, error.path))}: {error.message}"
            for error in validator(version, thing["kind"], thing["apiVersion"]).iter_errors(thing)]


def lint(text):
    return [str(problem) for problem in yamllint.linter.run(text, YAMLLINT)]


@pytest.mark.parametrize("name", chart.MATRIX)
def test_helm_has_no_objection_to_the_chart(name):
    report = helm_python.chart.lint(chart.CHART, chart.MATRIX[name], strict=True, with_subcharts=True)
    # Severity 1 is information: an icon is recommended.
    assert not report["errors"] and all(entry["severity"] < 2 for entry in report["messages"]), report


@pytest.mark.parametrize("name", chart.MATRIX)
def test_what_is_rendered_is_valid_in_every_version_of_kubernetes(name):
    things = chart.objects(chart.MATRIX[name])
    assert (len(things) > 1) == (name != "without the driver")
    found = [problem for version in versions() for thing in things for problem in problems(thing, version)]
    assert not found, "\n".join(found)


def test_the_versions_begin_with_the_oldest_that_the_chart_names():
    assert versions()[0] in ("1.24", "1.25") and len(versions()) >= 13
    assert not any("seLinuxMount" in thing["spec"] for thing in chart.objects() if thing["kind"] == "CSIDriver")
    with chart.loaded() as whole:
        assert whole.metadata["kubeVersion"] == ">=1.24.0-0"


def test_a_schema_refuses_what_kubernetes_does_not_know():
    thing = chart.find(chart.objects(), "DaemonSet", "alluxio-csi-mounter")
    thing["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["mountPropogation"] = "Bidirectional"
    assert problems(thing, versions()[-1])


def test_every_template_renders_something():
    rendered = [chart.texts(values) for values in chart.MATRIX.values()]
    names = {f"alluxio-operator/{path.relative_to(chart.CHART)}" for path in chart.CHART.rglob("templates/*")
             if path.suffix in (".yaml", ".txt")}
    assert names == {name for texts in rendered for name, text in texts.items() if text.strip()}


def test_rendered_objects_have_one_name_each():
    for values in chart.MATRIX.values():
        keys = [(thing["kind"], thing["metadata"].get("namespace"), thing["metadata"]["name"])
                for thing in chart.objects(values)]
        assert len(keys) == len(set(keys)), keys


@pytest.mark.parametrize("path", sorted(
    path.relative_to(chart.DEPLOY).as_posix() for path in [
        *chart.CHART.rglob("Chart.yaml"), *chart.CHART.rglob("values.yaml"), *chart.CHART.rglob("definitions/*.yaml"),
        *manifests.FOLDER.glob("*.yaml"), *(chart.DEPLOY / "examples").glob("*.yaml")]))
def test_yaml_is_written_well(path):
    assert not lint((chart.DEPLOY / path).read_text(encoding="utf-8"))


def test_the_manifests_are_what_the_chart_renders():
    there = {path.name: path.read_text(encoding="utf-8") for path in manifests.FOLDER.iterdir()}
    assert there == manifests.files(), "run scripts/render-manifests.sh"


def test_the_manifests_and_the_chart_are_the_same_objects():
    written = [thing for name, text in manifests.files().items() if name != manifests.KUSTOMIZATION
               for thing in yaml.safe_load_all(text)]
    by_name = lambda things: {(thing["kind"], thing["metadata"]["name"]): thing for thing in things}  # noqa: E731
    assert by_name(written) == by_name(chart.objects())


def test_kubectl_builds_the_manifests():
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        return  # What it would build has been compared above.
    built = subprocess.run([kubectl, "kustomize", manifests.FOLDER], capture_output=True, text=True, check=True).stdout
    assert len(list(yaml.safe_load_all(built))) == len(chart.objects())


def test_the_namespace_is_not_made_where_the_release_is_in_it():
    kinds = lambda **release: [thing["kind"] for thing in chart.objects(**release)]  # noqa: E731
    assert kinds().count("Namespace") == 1 and "Namespace" not in kinds(namespace="alluxio-operator")


def test_several_controllers_need_a_claim_for_what_they_remember():
    with pytest.raises(Exception, match="registryClaim"):
        chart.objects({"alluxio-csi": {"controllerPlugin": {"replicas": 2}}})
