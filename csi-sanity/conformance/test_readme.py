"""The README's tour and its table of flags, taken literally."""

import pathlib
import re
import subprocess
import tempfile

from csi_client import system
from csi_client.driver import Nest, programs

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
README = (CHECKOUT / "README.md").read_text(encoding="utf-8")


def tour():
    """The tour's commands as one script that stops at the first that fails; those of `sh tour refused` must fail."""
    lines = ["set -euo pipefail"]
    for kind, block in re.findall(r"```sh tour( refused)?\n(.*?)```", README, re.S):
        lines.append(f"if (\n{block}); then exit 90; fi" if kind else block)
    return "\n".join(lines)


def test_the_tour_of_the_readme_works_command_by_command():
    folder = pathlib.Path(tempfile.mkdtemp(prefix="t."))
    log = folder / "log"
    script = tour().replace("/tmp/tour", str(folder / "tour")).replace(".build-release/", f"{programs()}/")
    nest = Nest()
    try:
        pid = nest.spawn(["/bin/bash", "-c", f"cd {CHECKOUT}\n{script}"], log)
        status = nest.wait(pid, timeout=60)
        seen = log.read_text(encoding="utf-8", errors="replace")
        assert status == 0, f"the tour ended with {status}:\n{seen}"
        for text in ("hello from below", "hello from above", '"volume_id": "greetings"', "FAILED_PRECONDITION",
                     "--file-roots"):
            assert text in seen, f"{text!r} was not seen:\n{seen}"
        left = {name: pids for name, pids in nest.members().items() if name}
        assert not left and not system.mounts(folder), (left, system.mounts(folder))
        assert [entry.name for entry in folder.iterdir()] == ["log"]
    finally:
        nest.close()
        system.remove_tree(folder)


def flags_of(text):
    return set(re.findall(r"(?<![\w-])--([a-z][a-z-]*)", text))


def test_the_table_of_flags_lists_what_the_program_takes():
    table = README.split("## Flags of alluxio-csi")[1].split("\n## ")[0]
    first_cells = "\n".join(line.split("|")[1] for line in table.splitlines() if line.startswith("| `"))
    shown = subprocess.run([programs() / "alluxio-csi", "--help"], capture_output=True, text=True, check=True).stdout
    listed = "\n".join(line for line in shown.splitlines() if re.match(r"\s+(-\w, )?-", line))
    assert flags_of(first_cells) == flags_of(listed) - {"help"}
