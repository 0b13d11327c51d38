"""What the policy of admission lets the node plugin change, evaluated as the API server evaluates it (CEL)."""

import copy

import celpy
import chart
import pytest

VALUES = {"alluxio-csi": {"nodePlugin": {"startupTaint": {"enabled": True, "ownNodeOnly": True}}}}
ACCOUNT = "system:serviceaccount:alluxio-operator:alluxio-csi-node-sa"
NAME = "alluxio-csi-startup-taint-of-own-node"
STARTUP = [{"key": "alluxio/agent-not-ready", "effect": effect} for effect in ("NoSchedule", "NoExecute")]
OTHER = {"key": "dedicated", "value": "gpu", "effect": "NoExecute", "timeAdded": "2026-11-21T10:00:00Z"}
NODE = {
    "metadata": {"name": "node-1", "labels": {"zone": "a"}, "annotations": {"a": "b"}, "resourceVersion": "1",
                 "finalizers": ["example.com/f"], "ownerReferences": [{"kind": "Machine", "name": "m"}]},
    "spec": {"podCIDR": "10.0.0.0/24", "taints": [STARTUP[0], OTHER, STARTUP[1]]},
}


def policy():
    return copy.deepcopy(chart.find(chart.objects(VALUES), "ValidatingAdmissionPolicy", NAME)["spec"])


def request(node="node-1", username=ACCOUNT):
    extra = {"extra": {"authentication.kubernetes.io/node-name": [node]}} if node else {}
    return {"userInfo": {"username": username, **extra}}


def refusals(spec, new, old=None, asked=None):
    """The messages of the validations that do not hold; none where the policy is not for the request."""
    environment = celpy.Environment()
    known = {"object": new, "oldObject": old or NODE, "request": asked or request()}
    values = {name: celpy.json_to_cel(value) for name, value in known.items()}

    def evaluated(expression):
        return environment.program(environment.compile(expression)).evaluate(values)

    if not all(evaluated(condition["expression"]) for condition in spec["matchConditions"]):
        return []
    values["variables"] = celpy.json_to_cel({})
    values["variables"].update({
        celpy.celtypes.StringType(entry["name"]): evaluated(entry["expression"]) for entry in spec.get("variables", [])})
    return [entry["message"] for entry in spec["validations"] if not evaluated(entry["expression"])]


def changed(**parts):
    node = copy.deepcopy(NODE)
    for path, value in parts.items():
        part, _, name = path.partition("_")
        if value is None:
            node[part].pop(name, None)
        else:
            node[part][name] = value
    return node


ALLOWED = {
    "both effects": changed(spec_taints=[OTHER]),
    "one effect": changed(spec_taints=[OTHER, STARTUP[1]]),
    "nothing": NODE,
}
REFUSED = {
    "the node plugin removes no taint but alluxio/agent-not-ready": changed(spec_taints=None),
    "the node plugin adds no taint": changed(
        spec_taints=[OTHER, {"key": "alluxio/agent-not-ready", "effect": "PreferNoSchedule"}]),
    "the node plugin neither cordons a node nor uncordons it": changed(spec_unschedulable=True),
    "the node plugin changes no labels": changed(metadata_labels={"zone": "b"}),
    "the node plugin changes no annotations": changed(metadata_annotations=None),
    "the node plugin changes no finalizers": changed(metadata_finalizers=[]),
    "the node plugin changes no ownerReferences": changed(metadata_ownerReferences=None),
}


@pytest.mark.parametrize("name", ALLOWED)
def test_the_startup_taint_may_go_whatever_its_effects(name):
    assert refusals(policy(), ALLOWED[name]) == []


def test_it_may_be_the_last_taint():
    old = changed(spec_taints=[STARTUP[0]])
    assert refusals(policy(), changed(spec_taints=None), old) == refusals(policy(), changed(spec_taints=[]), old) == []


@pytest.mark.parametrize("message", REFUSED)
def test_nothing_else_of_a_node_may_change(message):
    assert refusals(policy(), REFUSED[message]) == [message]


def test_a_node_without_labels_taints_and_the_like_gets_none():
    bare = {"metadata": {"name": "node-1"}, "spec": {}}
    assert refusals(policy(), bare, bare) == []
    assert len(refusals(policy(), changed(spec_unschedulable=True), bare)) == 6


@pytest.mark.parametrize("asked", [request("node-2"), request("node-10"), request(None)])
def test_the_plugin_of_another_node_and_a_token_of_no_pod_may_change_nothing(asked):
    assert refusals(policy(), ALLOWED["both effects"], asked=asked) == ["the node plugin changes its own node only"]


@pytest.mark.parametrize("username", ["system:node:node-1", "system:serviceaccount:other:alluxio-csi-node-sa"])
def test_others_are_not_held_to_it(username):
    assert refusals(policy(), changed(spec_taints=[]), asked=request("node-2", username)) == []


def test_each_sentence_is_needed():
    spec = policy()
    messages = {entry["message"] for entry in spec["validations"]}
    assert messages == {"the node plugin changes its own node only", *REFUSED}
    for entry in policy()["validations"]:
        less = {**spec, "validations": [other for other in spec["validations"] if other != entry]}
        asked = request("node-2") if "own node" in entry["message"] else request()
        node = REFUSED.get(entry["message"], ALLOWED["both effects"])
        assert refusals(spec, node, asked=asked) and not refusals(less, node, asked=asked)


def test_it_is_for_all_that_the_role_lets_the_plugin_change_and_it_denies():
    things = chart.objects(VALUES)
    role = chart.find(things, "ClusterRole", "alluxio-csi-node-startup-taint")
    changes = [rule for rule in role["rules"] if set(rule["verbs"]) - {"get", "list", "watch"}]
    [rule] = policy()["matchConstraints"]["resourceRules"]
    assert [(part["apiGroups"], part["resources"]) for part in changes] == [(rule["apiGroups"], rule["resources"])]
    # A patch is an UPDATE to admission.
    assert {verb for part in changes for verb in part["verbs"]} == {"get", "patch"} and rule["operations"] == ["UPDATE"]
    binding = chart.find(things, "ValidatingAdmissionPolicyBinding", NAME)["spec"]
    assert binding == {"policyName": NAME, "validationActions": ["Deny"]}
    assert policy()["failurePolicy"] == "Fail"


@pytest.mark.parametrize("values", [{}, {"enabled": True}, {"ownNodeOnly": True}])
def test_it_is_there_where_it_is_asked_for_only(values):
    kinds = {thing["kind"] for thing in chart.objects({"alluxio-csi": {"nodePlugin": {"startupTaint": values}}})}
    assert not [kind for kind in kinds if kind.startswith("Validating")]


REPORTS = {"alluxio-csi": {"controllerPlugin": {"registry": "kubernetes"},
                           "nodePlugin": {"reports": True, "ownReportOnly": True}}}
REPORT = "alluxio-csi-own-report-only"


@pytest.mark.parametrize("asked, name, is_refused", [
    (request("node-1"), "node-1", False),
    (request("node-2"), "node-1", True),
    # A token of an older cluster, which names no node.
    (request(None), "node-1", True),
    # Controllers remove reports; nobody else is held to anything here.
    (request(None, username="somebody"), "node-1", False),
])
def test_a_node_writes_its_own_report_only(asked, name, is_refused):
    spec = chart.find(chart.objects(REPORTS), "ValidatingAdmissionPolicy", REPORT)["spec"]
    report = {"metadata": {"name": name}, "spec": {"nodeID": name}}
    assert bool(refusals(spec, report, asked=asked)) == is_refused


def test_it_is_for_all_that_the_role_lets_the_plugin_report_and_it_denies():
    things = chart.objects(REPORTS)
    spec = chart.find(things, "ValidatingAdmissionPolicy", REPORT)["spec"]
    [rule] = spec["matchConstraints"]["resourceRules"]
    role = chart.find(things, "ClusterRole", "alluxio-csi-node-reports")
    assert {entry for part in role["rules"] for entry in part["resources"]} == set(rule["resources"])
    assert rule["operations"] == ["CREATE", "UPDATE"] and spec["failurePolicy"] == "Fail"
    binding = chart.find(things, "ValidatingAdmissionPolicyBinding", REPORT)["spec"]
    assert binding == {"policyName": REPORT, "validationActions": ["Deny"]}
    for switch in ("reports", "ownReportOnly"):
        values = chart.merged(REPORTS, {"alluxio-csi": {"nodePlugin": {switch: False}}})
        assert not [thing for thing in chart.objects(values) if thing["kind"].startswith("Validating")]
