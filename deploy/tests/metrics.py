"""The metrics that the program lists, and the names that an expression of Prometheus asks for."""

import functools
import json
import subprocess

import promql_parser
from csi_client.driver import programs


@functools.cache
def listed():
    """Metrics by name, in the program's order."""
    shown = subprocess.run([programs() / "alluxio-csi", "metrics", "--json"], capture_output=True, text=True, check=True)
    return {entry["name"]: entry for entry in json.loads(shown.stdout)}


@functools.cache
def samples():
    """Labels by the name of a sample: a histogram has three kinds of them."""
    found = {}
    for name, entry in listed().items():
        labels = set(entry["labels"])
        if entry["kind"] in ("histogram", "summary"):
            found[f"{name}_sum"] = found[f"{name}_count"] = labels
        if entry["kind"] == "histogram":
            found[f"{name}_bucket"] = labels | {"le"}
        elif entry["kind"] == "summary":
            found[name] = labels | {"quantile"}
        else:
            found[name] = labels
    return found


ADDED = {"namespace", "instance", "job", "pod", "node"}
"""Labels that Prometheus adds to all series of a target."""


def problems(expression):
    """What an expression asks for and nothing has: metrics, and labels of theirs."""
    node = promql_parser.parse(expression)
    for selector in _selectors(node):
        if selector.name not in samples():
            yield f"{selector.name} is no metric"
            continue
        for matcher in selector.matchers.matchers:
            if matcher.name not in samples()[selector.name] | ADDED:
                yield f"{selector.name} has no label {matcher.name}"


def names(expression):
    """Samples that an expression asks for."""
    return {selector.name for selector in _selectors(promql_parser.parse(expression))}


def _selectors(node):
    """All selectors of an expression; every kind of node names its parts itself."""
    if isinstance(node, promql_parser.VectorSelector):
        yield node
    elif isinstance(node, promql_parser.MatrixSelector):
        yield node.vector_selector
    elif isinstance(node, promql_parser.BinaryExpr):
        yield from _selectors(node.lhs)
        yield from _selectors(node.rhs)
    elif isinstance(node, promql_parser.Call):
        for argument in node.args:
            yield from _selectors(argument)
    elif isinstance(node, (promql_parser.AggregateExpr, promql_parser.ParenExpr, promql_parser.UnaryExpr,
                           promql_parser.SubqueryExpr)):
        yield from _selectors(node.expr)
    else:
        assert isinstance(node, (promql_parser.NumberLiteral, promql_parser.StringLiteral)), type(node)
