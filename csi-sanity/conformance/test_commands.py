"""The commands of the Makefile on machines that lack something, and the leak check's own canaries."""

import os
import pathlib
import subprocess
import tempfile

import pytest

from csi_client import system
from csi_client.driver import FUSE_TYPE

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SCRIPTS = CHECKOUT / "scripts"


def run(*command, **options):
    return subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=60, check=False,
                          **options)


def without(what):
    """A command that runs `require.sh` on a machine that lacks something."""
    require = SCRIPTS / "require.sh"
    return {
        "swift": (["env", "-i", "PATH=/usr/bin:/bin", require, "swift"], "Swift toolchain is missing"),
        "fuse": (["unshare", "-m", "sh", "-c", f"mount -t tmpfs none /dev && exec {require} fuse"], "/dev/fuse"),
        "root": (["setpriv", "--reuid", "65534", "--clear-groups", require, "root"], "needs root"),
        "mount": (["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", require, "root"], "CAP_SYS_ADMIN"),
    }[what]


@pytest.mark.parametrize("what", ["swift", "fuse", "root", "mount"])
def test_what_is_missing_is_said_in_one_sentence(what):
    command, sentence = without(what)
    result = run(*command)
    assert result.returncode == 1
    assert sentence in result.stderr and result.stderr.count("\n") == 1, result.stderr
    assert result.stdout == ""


def test_an_old_toolchain_is_named_with_the_version_that_is_needed(tmp_path):
    (tmp_path / "swift").write_text("#!/bin/sh\necho 'Swift version 5.10 (swift-5.10-RELEASE)'\n")
    (tmp_path / "swift").chmod(0o755)
    result = run(SCRIPTS / "require.sh", "swift", env={"PATH": f"{tmp_path}:/usr/bin:/bin"})
    assert result.returncode == 1 and "5.10" in result.stderr and "6.2" in result.stderr


def test_a_machine_that_has_everything_is_told_nothing():
    result = run(SCRIPTS / "install-dependencies.sh", "build", "test")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_csi_sanity_says_where_to_get_it_and_exits_3():
    environment = {name: value for name, value in os.environ.items() if name != "CSI_SANITY"}
    result = run(CHECKOUT / "csi-sanity" / "run.sh", env={**environment, "PATH": "/usr/bin:/bin"})
    assert result.returncode == 3 and "github.com/kubernetes-csi/csi-test" in result.stderr


# The leak check finds what it is there to find.

@pytest.fixture
def leaks():
    """Answers the leak check's verdict on what has come since the fixture began."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="leaks."))
    (folder / "tmp").mkdir()
    environment = {**os.environ, "TMPDIR": str(folder / "tmp")}
    assert run(SCRIPTS / "leak-check.sh", "snapshot", folder / "before", env=environment).returncode == 0
    yield folder / "tmp", lambda: run(SCRIPTS / "leak-check.sh", "compare", folder / "before", env=environment)
    system.remove_tree(folder)


def test_a_clean_run_leaks_nothing(leaks):
    result = leaks[1]()
    assert result.returncode == 0 and "Leak check: no" in result.stdout, result.stderr


def test_a_folder_left_behind_is_found(leaks):
    (leaks[0] / "left").mkdir()
    result = leaks[1]()
    assert result.returncode == 1 and "left/left" not in result.stderr and "/left" in result.stderr


def test_a_mount_left_behind_is_found(leaks):
    (leaks[0] / "point").mkdir()
    system.mount("x", leaks[0] / "point", "tmpfs")
    result = leaks[1]()
    assert result.returncode == 1 and f"mount {leaks[0] / 'point'}" in result.stderr


def test_a_worker_left_behind_is_found_with_its_mount(leaks, driver):
    _, target, _ = driver.published()
    result = leaks[1]()
    assert result.returncode == 1
    assert f"{target} ({FUSE_TYPE})" in result.stderr and "alluxio-fuse" in result.stderr
