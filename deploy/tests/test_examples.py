"""The examples are valid for Kubernetes, for the driver and for the chart."""

import re

import chart
import pytest
import test_chart
import yaml

EXAMPLES = chart.DEPLOY / "examples"
OBJECTS = sorted(path.name for path in EXAMPLES.glob("*.yaml") if not path.name.endswith(".values.yaml"))
VALUES = sorted(path.name for path in EXAMPLES.glob("*.values.yaml"))
UNITS = {"": 1, **{letter: 1000 ** power for power, letter in enumerate("KMGTPE", 1)},
         **{letter + "i": 1024 ** power for power, letter in enumerate("KMGTPE", 1)}}
KUBERNETES = ("csi.storage.k8s.io/", "storage.kubernetes.io/")


def things(name):
    return list(yaml.safe_load_all((EXAMPLES / name).read_text(encoding="utf-8")))


def parameters():
    """The README's table of parameters, which is compared with the driver's own by its tests: (form, places) by key."""
    text = (chart.CHECKOUT / "README.md").read_text(encoding="utf-8")
    table = text.split("<!-- parameters:")[1].split("<!-- end of parameters -->")[0]
    found = {}
    for line in table.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        for key in re.findall(r"`([^`]+)`", cells[0]) if len(cells) == 5 else ():
            found[key] = cells[1], [place.strip() for place in cells[3].split(",")]
    return found


def secret_keys():
    """The keys of secrets, as the driver's table of them has them."""
    text = (chart.CHECKOUT / "Sources/VolumeModel/VolumeContext+ObjectStores.swift").read_text(encoding="utf-8")
    return set(re.findall(r"\"([\w.]+)\"", "".join(re.findall(r"SecretKey\(([^)]*)\)", text))))


def size(text):
    number, unit = re.fullmatch(r"(\d+)([KMGTPE]i?)?", text).groups()
    return int(number) * UNITS[unit or ""]


def fits(value, form):
    """Whether a value is of the form that the table names."""
    if match := re.match(r"one of (.*)", form):
        return value in match[1].split(", ")
    if match := re.match(r"a (?:size|power of two) from (\d+) to (\d+)", form):
        whole = size(value)
        return int(match[1]) <= whole <= int(match[2]) and (whole & (whole - 1) == 0 or "power" not in form)
    if match := re.match(r"a time from 0 to (\d+) seconds", form):
        return re.fullmatch(r"[\d.]+", value) is not None and float(value) <= int(match[1])
    if form.startswith("a URI"):
        return re.fullmatch(r"(file:///|s3://[a-z0-9]|oss://[a-z0-9])\S*", value) is not None
    if form.startswith("the name of a region"):
        return re.fullmatch(r"[a-z0-9-]{1,63}", value) is not None
    if form.startswith("a host name"):
        return re.fullmatch(r"(https?://)?[a-z0-9.-]+(:\d+)?", value) is not None
    if form.startswith("a directory name"):
        return "${volume.id}" in value
    assert form.startswith("a text"), f"these tests do not know the form {form!r}"
    return value != ""


def uses(example):
    """(place, keys with values) of everything in an example that the driver reads."""
    for thing in things(example):
        if thing["kind"] == "StorageClass" and thing["provisioner"] == "alluxio":
            yield "StorageClass", thing["parameters"]
        if thing["kind"] == "PersistentVolume":
            yield "PersistentVolume", thing["spec"]["csi"]["volumeAttributes"]
            options = thing["spec"].get("mountOptions", [])
            yield "mount option", dict(option.partition("=")[::2] for option in options)
        if thing["kind"] == "Pod":
            for volume in thing["spec"]["volumes"]:
                if "csi" in volume:
                    yield "inline", volume["csi"]["volumeAttributes"]


@pytest.mark.parametrize("name", OBJECTS)
def test_an_example_is_valid_in_every_version_of_kubernetes(name):
    found = [problem for thing in things(name) for version in test_chart.versions()
             for problem in test_chart.problems(thing, version)]
    assert not found, "\n".join(found)


@pytest.mark.parametrize("name", OBJECTS)
def test_an_example_has_parameters_that_the_driver_takes_there(name):
    known = parameters()
    for place, given in uses(name):
        for key, value in given.items():
            if key.startswith(KUBERNETES) or (place == "mount option" and key in ("ro", "rw", "noexec")):
                continue
            assert key in known, f"{key} is no parameter"
            form, places = known[key]
            assert place in places, f"{key} may not stand in {place}"
            assert isinstance(value, str) and fits(value, form), f"{key}: {value!r} is not {form}"
        assert place == "mount option" or "path" in given


@pytest.mark.parametrize("name", OBJECTS)
def test_secrets_have_the_keys_that_the_driver_reads_and_are_there_where_they_are_named(name):
    secrets = {(thing["metadata"].get("namespace"), thing["metadata"]["name"]): thing for thing in things(name)
               if thing["kind"] == "Secret"}
    assert len(secret_keys()) >= 8
    for thing in secrets.values():
        assert set(thing["stringData"]) <= secret_keys()
    text = (EXAMPLES / name).read_text(encoding="utf-8")
    assert bool(secrets) == ("ecretRef" in text or "publish-secret-name" in text) or name == "warm-up.yaml"


def test_every_example_of_values_can_be_installed():
    for name in VALUES:
        [values] = things(name)
        rendered = chart.objects(values)
        found = [problem for thing in rendered for problem in test_chart.problems(thing, test_chart.versions()[-1])]
        assert not found, found


def test_paths_of_the_examples_lie_beneath_the_directories_of_their_values():
    for name in VALUES:
        [values] = things(name)
        roots = values["alluxio-csi"]["fileRoots"]
        mounted = [path for kind in values["alluxio-csi"]["ufs"].values() for path in kind.values()]
        assert set(roots) <= set(mounted), f"{name}: {roots} are mounted nowhere"
        for _, given in uses(name.replace(".values", "")):
            assert given["path"].removeprefix("file://") in roots, given


def test_examples_name_classes_and_claims_that_are_there():
    everything = [thing for name in OBJECTS for thing in things(name)]
    classes = {thing["metadata"]["name"] for thing in everything if thing["kind"] == "StorageClass"}
    classes |= {"", chart.defaults()["alluxio-csi"]["storageClass"]["name"]}
    claims = {thing["metadata"]["name"] for thing in everything if thing["kind"] == "PersistentVolumeClaim"}
    for thing in everything:
        if thing["kind"] == "PersistentVolumeClaim" and "storageClassName" in thing["spec"]:
            # One stands for another driver's.
            assert thing["spec"]["storageClassName"] in classes | {"nfs"}
        spec = thing["spec"]["template"]["spec"] if thing["kind"] == "Deployment" else thing.get("spec", {})
        for volume in spec.get("volumes", []):
            if "persistentVolumeClaim" in volume:
                assert volume["persistentVolumeClaim"]["claimName"] in claims


def test_a_key_in_the_wrong_place_or_a_value_out_of_form_is_noticed():
    known = parameters()
    assert "inline" not in known["memoryLimit"][1] and "PersistentVolume" not in known["onDelete"][1]
    assert not fits("1Ki", known["memoryLimit"][0]) and not fits("3Mi", known["pageSize"][0])
    assert not fits("sometimes", known["onDelete"][0]) and not fits("nfs://x", known["path"][0])
