"""Nothing is missing from the rendered objects, and nothing too much; to take a line away is noticed."""

import copy

import chart
import contract
import pytest

WHOLE = [name for name in chart.MATRIX if name != "without the driver"]


@pytest.mark.parametrize("name", WHOLE)
def test_the_parts_fit_together_and_have_no_more_than_they_need(name):
    assert contract.problems(chart.objects(chart.MATRIX[name])) == []


def _broken(things):
    """The objects with one line less or one privilege more, and what was changed."""
    for index, thing in enumerate(things):
        name = f"{thing['kind']} {thing['metadata']['name']}"
        for path, parent, key in _places(thing):
            copied = copy.deepcopy(things)
            node = copied[index]
            for step in path:
                node = node[step]
            del node[key]
            yield f"{name}: {'.'.join(map(str, path))} without {key} ({parent[key]!r})", copied


def _places(thing):
    """Lines that must not be missing: rules and verbs, subjects, mounts and their propagation, privileges."""
    if thing["kind"] in ("ClusterRole", "Role"):
        for number, rule in enumerate(thing["rules"]):
            yield ["rules"], thing["rules"], number
            for verb in range(len(rule["verbs"])):
                yield ["rules", number, "verbs"], rule["verbs"], verb
    if thing["kind"] in ("ClusterRoleBinding", "RoleBinding"):
        yield ["subjects"], thing["subjects"], 0
    if thing["kind"] in ("Deployment", "DaemonSet"):
        spec = thing["spec"]["template"]["spec"]
        for number, volume in enumerate(spec["volumes"]):
            for source in range(len(volume.get("projected", {}).get("sources", []))):
                path = ["spec", "template", "spec", "volumes", number, "projected", "sources"]
                yield path, volume["projected"]["sources"], source
        for number in range(len(spec.get("tolerations", [])) if thing["kind"] == "DaemonSet" else 0):
            yield ["spec", "template", "spec", "tolerations"], spec["tolerations"], number
        for number, container in enumerate(spec["containers"]):
            path = ["spec", "template", "spec", "containers", number]
            for mount, entry in enumerate(container["volumeMounts"]):
                yield [*path, "volumeMounts"], container["volumeMounts"], mount
                if "mountPropagation" in entry:
                    yield [*path, "volumeMounts", mount], entry, "mountPropagation"


@pytest.mark.parametrize("more", [{}, chart.MATRIX["reports of nodes"]])
def test_no_rule_verb_binding_mount_or_propagation_can_be_taken_away_unnoticed(more):
    things = chart.objects(chart.merged(chart.EVERYTHING, more))
    assert contract.problems(things) == []
    mutants = list(_broken(things))
    assert len(mutants) > 80
    unnoticed = [name for name, changed in mutants if not _noticed(changed)]
    assert not unnoticed, "\n".join(unnoticed)


def _noticed(things):
    try:
        return bool(contract.problems(things))
    except (KeyError, IndexError, ValueError):
        return True


@pytest.mark.parametrize("change", [
    lambda rules: rules.append({"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}),
    lambda rules: rules[0]["verbs"].append("*"),
    lambda rules: rules[3]["verbs"].append("list"),
])
def test_a_right_more_than_needed_is_noticed(change):
    things = chart.objects()
    change(chart.find(things, "ClusterRole", "alluxio-external-provisioner-role")["rules"])
    assert contract.problems(things)


@pytest.mark.parametrize("flag", contract.NODE_FEATURES)
def test_a_node_plugin_that_is_not_asked_to_has_no_right(flag):
    things = chart.objects(chart.merged(chart.EVERYTHING, chart.MATRIX["reports of nodes"]))
    chart.container(chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin"), "csi-nodeserver")["args"].remove(flag)
    role, _ = contract.NODE_FEATURES[flag]
    assert f"{role} is not needed" in contract.problems(things)


@pytest.mark.parametrize("toleration", [
    {"operator": "Exists", "key": "example.com/other"}, {"operator": "Exists", "effect": "NoSchedule"},
    {"operator": "Equal", "key": "example.com/starting", "value": ""},
])
def test_a_plugin_that_does_not_tolerate_each_effect_of_the_startup_taint_is_noticed(toleration):
    things = chart.objects(chart.EVERYTHING)
    chart.pod(things, "DaemonSet", "alluxio-csi-mounter")["tolerations"] = [toleration]
    assert [problem for problem in contract.problems(things) if "startup taint" in problem]


def test_other_tolerations_leave_that_of_the_startup_taint():
    things = chart.objects({"alluxio-csi": {
        "nodes": {"tolerations": [{"key": "gpu", "operator": "Exists"}]}, "nodePlugin": {"startupTaint": {"enabled": True}}}})
    for name in ("alluxio-csi-nodeplugin", "alluxio-csi-mounter"):
        assert chart.pod(things, "DaemonSet", name)["tolerations"] == [
            {"key": "gpu", "operator": "Exists"}, {"key": "alluxio/agent-not-ready", "operator": "Exists"}]


def test_a_provisioner_that_does_not_name_the_claim_is_noticed():
    things = chart.objects()
    arguments = chart.container(chart.pod(things, "Deployment", "alluxio-csi-controller"), "csi-provisioner")["args"]
    arguments.remove("--extra-create-metadata")
    assert contract.problems(things) == ["the controller does not learn for which claim a volume is"]


def test_a_token_for_more_than_the_node_plugins_driver_is_noticed():
    [access] = [mount for mount in chart.container(
        chart.pod(chart.objects(chart.EVERYTHING), "DaemonSet", "alluxio-csi-nodeplugin"),
        "csi-nodeserver")["volumeMounts"] if mount["mountPath"] == contract.TOKEN_FOLDER]
    for name in ("node-driver-registrar", "liveness-probe"):
        things = chart.objects(chart.EVERYTHING)
        spec = chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin")
        chart.container(spec, name)["volumeMounts"].append(access)
        assert contract.problems(things)
    for name in ("alluxio-csi-nodeplugin", "alluxio-csi-mounter"):
        things = chart.objects(chart.EVERYTHING)
        chart.pod(things, "DaemonSet", name)["automountServiceAccountToken"] = True
        assert contract.problems(things) == [f"{name}: the token of the service account"]


def test_a_token_that_nobody_asks_with_is_noticed():
    things = chart.objects(chart.EVERYTHING)
    chart.container(chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin"), "csi-nodeserver")["args"] = [
        word for word in chart.container(chart.pod(things, "DaemonSet", "alluxio-csi-nodeplugin"), "csi-nodeserver")["args"]
        if word not in contract.NODE_FEATURES]
    assert [problem for problem in contract.problems(things) if "csi-nodeserver has" in problem]
