"""The plain manifests of deploy/manifests: the chart, rendered with its default values.

As a program (scripts/render-manifests.sh) it writes them and the table of values in the
chart's README.
"""

import pathlib
import re
import sys

import chart
import reference

FOLDER = chart.DEPLOY / "manifests"
HEADER = "# Rendered from deploy/charts/alluxio-operator by scripts/render-manifests.sh. Change the chart, not this.\n"
KUSTOMIZATION = "kustomization.yaml"


def files():
    """What the folder must contain: text by file name."""
    found = {}
    for template, text in chart.texts().items():
        name = pathlib.PurePath(template).name
        # Optional parts that are not there leave empty lines.
        lines = [line.rstrip() for line in text.splitlines() if line.strip()]
        if template.endswith(".yaml") and lines:
            found[name] = HEADER + "\n".join(lines) + "\n"
    order = ["namespace.yaml", *sorted(found.keys() - {"namespace.yaml"})]
    found[KUSTOMIZATION] = (
        HEADER + "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources:\n"
        + "".join(f"  - {name}\n" for name in order))
    return found


def write():
    wanted = files()
    FOLDER.mkdir(exist_ok=True)
    for path in FOLDER.iterdir():
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (FOLDER / name).write_text(text, encoding="utf-8")
    readme = chart.CHART / "README.md"
    text = readme.read_text(encoding="utf-8")
    pattern = re.escape(reference.BEGIN) + r"\n.*?" + re.escape(reference.END)
    whole = f"{reference.BEGIN}\n\n{reference.table()}\n\n{reference.END}"
    readme.write_text(re.sub(pattern, lambda _: whole, text, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write())
