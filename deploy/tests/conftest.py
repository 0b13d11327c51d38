"""Where the tests of deploy/ find the client of csi-sanity, and a mount namespace of their own."""

import faulthandler
import os
import pathlib
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "csi-sanity"))
sys.dont_write_bytecode = True

from csi_client import system  # noqa: E402

import image  # noqa: E402

TEST_SECONDS = 120
"""A test that takes longer is stuck: the run ends with the stacks of all threads."""


def pytest_configure(config):
    if os.geteuid() == 0:
        system.enter_private_mount_namespace()
    # With a short name: paths of unix sockets end at 107 bytes.
    config.run_folder = tempfile.mkdtemp(prefix="k.")
    tempfile.tempdir = config.run_folder
    os.chmod(config.run_folder, 0o755)


def pytest_unconfigure(config):
    image.remove()
    tempfile.tempdir = None
    os.rmdir(config.run_folder)


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(TEST_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
