"""The table of the chart's values in its README, made from the schemas and the default values."""

import json

import chart

BEGIN = "<!-- values: written by scripts/render-manifests.sh, compared with the chart by deploy/tests -->"
END = "<!-- end of values -->"


def shown(default):
    """A default as it would be written in YAML, in one line."""
    if default in ("", [], {}):
        return "none"
    if isinstance(default, dict):
        return "`{" + ", ".join(f"{key}: {_flow(value)}" for key, value in default.items()) + "}`"
    return f"`{_flow(default)}`"


def _flow(value):
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {_flow(entry)}" for key, entry in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_flow, value)) + "]"
    return value if isinstance(value, str) else json.dumps(value)


def table():
    lines = ["| value | default | meaning |", "|---|---|---|"]
    for path, schema, default in chart.leaves():
        meaning = schema["description"]
        if "enum" in schema:
            meaning += " One of " + ", ".join(f"`{word}`" for word in schema["enum"]) + "."
        lines.append(f"| `{'.'.join(path)}` | {shown(default)} | {meaning} |")
    return "\n".join(lines)
