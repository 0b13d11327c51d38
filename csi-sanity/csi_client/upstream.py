"""Runs the upstream csi-sanity against the plugin, once for each way of provisioning.

All of its specs must run: a spec may be skipped only because it asks for a capability that the plugin does not offer,
which is read from the report and not believed.
"""

import os
import pathlib
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

from . import system
from .client import GIB
from .driver import Driver

# What csi-sanity writes where a plugin lacks a capability.
NOT_OFFERED = re.compile(r"not supported$")
# What the driver offers: no spec may call one of these unsupported.
OFFERED = re.compile(r"skipped - (CreateVolume|DeleteVolume|ListVolumes|GetCapacity|\w*GetVolume|\w*ExpandVolume|\w*Stats)")

PARAMETERS = {
    "shared": {},
    "directory": {"provisioning": "directory", "onDelete": "delete", "directoryPattern": "${volume.id}"},
}
SECRETS = ["CreateVolumeSecret", "DeleteVolumeSecret", "ControllerValidateVolumeCapabilitiesSecret",
           "ControllerExpandVolumeSecret", "NodePublishVolumeSecret"]


def write_settings(driver, parameters):
    """The files that csi-sanity reads: parameters of its volumes, and secrets for every call that takes them."""
    chosen = {"path": f"file://{driver.source()}", **parameters}
    lines = "".join(f'{key}: "{value}"\n' for key, value in chosen.items())
    (driver.folder / "parameters.yaml").write_text(lines)
    secret = "  s3a.accessKeyId: sanity\n  s3a.secretKey: sanity-secret-value\n"
    (driver.folder / "secrets.yaml").write_text("".join(f"{name}:\n{secret}" for name in SECRETS))


def unexpected_skips(report):
    """Names of the specs that did not run for another reason than a capability."""
    found, counts = [], {"ran": 0, "skipped": 0}
    for case in xml.etree.ElementTree.parse(report).getroot().iter("testcase"):
        skipped = case.find("skipped")
        if skipped is None:
            counts["ran"] += 1
            continue
        if skipped.get("message") == "pending":
            # Switched off by its authors, for every driver.
            continue
        counts["skipped"] += 1
        message = skipped.get("message", "")
        if not NOT_OFFERED.search(message) or OFFERED.search(message):
            found.append(f"{case.get('name')}: {message}")
    return found, counts


def run(kind, arguments):
    driver = Driver()
    try:
        write_settings(driver, PARAMETERS[kind])
        report = driver.folder / "report.xml"
        pods = driver.kubelet / "pods"
        pods.mkdir()
        result = subprocess.run([
            os.environ["CSI_SANITY"], "-csi.endpoint", f"unix://{driver.socket}", "-csi.mountdir", pods / "mount",
            "-csi.stagingdir", pods / "staging", "-csi.testvolumeparameters", driver.folder / "parameters.yaml",
            "-csi.secrets", driver.folder / "secrets.yaml", "-csi.testvolumesize", str(GIB),
            "-csi.testvolumeexpandsize", str(2 * GIB), "-csi.testnodevolumeattachlimit",
            "-ginkgo.junit-report", report, "-ginkgo.no-color", *arguments], check=False)
        problems = [f"csi-sanity ended with {result.returncode}"] if result.returncode != 0 else []
        if "sanity-secret-value" in driver.log_text():
            problems.append("a secret stands in the log")
        skips, counts = unexpected_skips(report)
        problems += [f"skipped although the capability is offered: {name}" for name in skips] if not arguments else []
        problems += driver.sweep() + driver.stop()
        print(f"csi-sanity, provisioning {kind}: {counts['ran']} specs ran, {counts['skipped']} ask for capabilities "
              "that are not offered", flush=True)
        if problems:
            print(driver.log_text()[-6000:], file=sys.stderr)
        return problems
    finally:
        driver.close()


def main():
    system.enter_private_mount_namespace()
    folder = tempfile.mkdtemp(prefix="sanity.")
    tempfile.tempdir = folder
    try:
        problems = [f"{kind}: {problem}" for kind in PARAMETERS for problem in run(kind, sys.argv[1:])]
    finally:
        pathlib.Path(folder).rmdir()
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
