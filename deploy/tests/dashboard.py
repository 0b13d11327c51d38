"""The dashboard of deploy/monitoring for Grafana: a panel for each metric that the program lists.

As a program (scripts/render-dashboard.sh) it writes the file.
"""

import json
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "csi-sanity"))
sys.dont_write_bytecode = True

import chart  # noqa: E402
import metrics  # noqa: E402
from csi_client.driver import programs  # noqa: E402

FILE = chart.DEPLOY / "monitoring" / "dashboard.json"
BEGIN = "<!-- metrics: written by scripts/render-dashboard.sh, compared with the program by deploy/tests -->"
END = "<!-- end of metrics -->"

ROWS = [
    # In the order of the page: beginnings of names, the first that fits.
    ("Volumes", "alluxio_csi_volume_", "alluxio_csi_volume_ufs_", "alluxio_csi_volume_cache_",
     "alluxio_csi_volume_read_"),
    ("Page store and reads", "alluxio_csi_volume_cache_", "alluxio_csi_volume_read_"),
    ("Object stores", "alluxio_csi_volume_ufs_"),
    ("Node", "alluxio_csi_mounter_", "alluxio_csi_node_"),
    ("CSI calls", "alluxio_csi_rpc"),
    ("Process of the plugin", "process_", "alluxio_csi_build_info"),
]
"""Heading and what belongs there; of the first row, what follows its own beginning belongs elsewhere."""

WIDTH, HEIGHT, COLUMNS = 8, 7, 3
INTERVAL = "$__rate_interval"


def row_of(name):
    for heading, *beginnings in ROWS[1:]:
        if name.startswith(tuple(beginnings)):
            return heading
    assert name.startswith(ROWS[0][1]), f"{name} belongs in no row"
    return ROWS[0][0]


def unit(entry):
    name = entry["name"].removesuffix("_total")
    if name.endswith("time_seconds"):
        return "dateTimeAsIso"
    rate = entry["kind"] == "counter"
    if name.endswith("_bytes"):
        return "Bps" if rate else "bytes"
    if name.endswith("_seconds"):
        return "percentunit" if rate else "s"
    return "ops" if rate else "none"


def selector(entry):
    """Of the nodes and volumes that are chosen on the page."""
    chosen = ['instance=~"$instance"'] + (['volume=~"$volume"'] if "volume" in entry["labels"] else [])
    return "{" + ",".join(chosen) + "}"


def queries(entry):
    """(expression, legend) of a metric's panel."""
    name, where = entry["name"], selector(entry)
    legend = " ".join(f"{{{{{label}}}}}" for label in ["instance", *entry["labels"]])
    if entry["kind"] == "counter":
        return [(f"rate({name}{where}[{INTERVAL}])", legend)]
    if entry["kind"] == "histogram":
        labels = ", ".join(["le", *entry["labels"]])
        by = " ".join(f"{{{{{label}}}}}" for label in entry["labels"])
        return [(f"histogram_quantile({part}, sum by ({labels}) (rate({name}_bucket{where}[{INTERVAL}])))",
                 f"{by} p{round(float(part) * 100)}") for part in ("0.5", "0.99")]
    if entry["kind"] == "summary":
        return [(f"{name}{where}", f"{legend} {{{{quantile}}}}")]
    if name.endswith("time_seconds"):
        return [(f"{name}{where} * 1000", legend)]
    return [(f"{name}{where}", legend)]


def panel(entry, number, place):
    source = {"type": "prometheus", "uid": "$source"}
    title = entry["name"].removeprefix("alluxio_csi_").removesuffix("_total").replace("_", " ")
    kind = "table" if entry["name"] == "alluxio_csi_build_info" else "timeseries"
    return {
        "id": number, "type": kind, "title": title, "description": f"{entry['help']}.", "datasource": source,
        "gridPos": {"x": place % COLUMNS * WIDTH, "y": 0, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": unit(entry), "min": 0}, "overrides": []},
        "targets": [{"refId": chr(ord("A") + index), "datasource": source, "expr": expression, "legendFormat": legend,
                     "instant": kind == "table", "format": kind if kind == "table" else "time_series"}
                    for index, (expression, legend) in enumerate(queries(entry))],
    }


def panels():
    """Rows with their panels, each at its place on the grid of 24 columns."""
    found, number, line = [], 1, 0
    for heading, *_ in ROWS:
        found.append({"id": number, "type": "row", "title": heading, "collapsed": False, "panels": [],
                      "gridPos": {"x": 0, "y": line, "w": 24, "h": 1}})
        number, line = number + 1, line + 1
        entries = [entry for entry in metrics.listed().values() if row_of(entry["name"]) == heading]
        for place, entry in enumerate(entries):
            made = panel(entry, number, place)
            made["gridPos"]["y"] = line + place // COLUMNS * HEIGHT
            found.append(made)
            number += 1
        line += -(-len(entries) // COLUMNS) * HEIGHT
    return found


def choice(name, query):
    source = {"type": "prometheus", "uid": "$source"}
    return {"name": name, "type": "query", "datasource": source, "query": {"query": query, "refId": name},
            "refresh": 2, "includeAll": True, "multi": True, "allValue": ".*", "sort": 1,
            "current": {"text": ["All"], "value": ["$__all"]}}


def text():
    return json.dumps({
        "title": "Alluxio CSI", "uid": "alluxio-csi", "tags": ["alluxio", "csi", "storage"], "schemaVersion": 39,
        "editable": True, "refresh": "30s", "time": {"from": "now-6h", "to": "now"}, "timezone": "",
        "templating": {"list": [
            {"name": "source", "type": "datasource", "query": "prometheus", "refresh": 1},
            choice("instance", "label_values(alluxio_csi_build_info, instance)"),
            choice("volume", 'label_values(alluxio_csi_volume_serving{instance=~"$instance"}, volume)'),
        ]},
        "panels": panels(),
    }, indent=2) + "\n"


def table():
    """The program's own."""
    return subprocess.run([programs() / "alluxio-csi", "metrics"], capture_output=True, text=True, check=True).stdout.strip()


def write():
    FILE.write_text(text(), encoding="utf-8")
    readme = FILE.parent / "README.md"
    whole = readme.read_text(encoding="utf-8")
    pattern = re.escape(BEGIN) + r"\n.*?" + re.escape(END)
    readme.write_text(re.sub(pattern, lambda _: f"{BEGIN}\n\n{table()}\n\n{END}", whole, flags=re.S), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(write())
