"""Fixtures: the driver that most tests share, and drivers of their own for tests that break things."""

import faulthandler
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]))
sys.dont_write_bytecode = True

from csi_client import system  # noqa: E402
from csi_client.driver import Driver  # noqa: E402

TEST_SECONDS = 120
"""A test that takes longer is stuck: the run ends with the stacks of all threads."""

_root_missing = os.geteuid() != 0


def pytest_configure(config):
    if not _root_missing:
        system.enter_private_mount_namespace()
    # All folders of this run lie in one, with a short name: paths of unix sockets end at 107 bytes.
    config.run_folder = tempfile.mkdtemp(prefix="csi.")
    tempfile.tempdir = config.run_folder
    # Pods are not root: they must be able to reach the targets.
    os.chmod(config.run_folder, 0o755)


def pytest_unconfigure(config):
    tempfile.tempdir = None
    shutil.rmtree(config.run_folder, ignore_errors=not config.option.verbose)


def pytest_collection_modifyitems(items):
    if _root_missing:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="mounting needs root"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    setattr(item, f"failed_{report.when}", report.failed)
    return report


@pytest.fixture(autouse=True)
def watchdog():
    faulthandler.dump_traceback_later(TEST_SECONDS, exit=True)
    yield
    faulthandler.cancel_dump_traceback_later()


def _failed(request):
    return getattr(request.node, "failed_call", False) or getattr(request.node, "failed_setup", False)


def _judge(request, problems, log):
    """Fails a test that left something behind, unless it has failed already."""
    if problems and not _failed(request):
        pytest.fail("\n".join([*map(str, problems), "--- log ---", log[-4000:]]), pytrace=False)


class Shared:
    """The session's driver, replaced when a test has left it in disorder."""

    def __init__(self):
        self.driver = None

    def get(self):
        if self.driver is None:
            self.driver = Driver()
        return self.driver

    def discard(self):
        driver, self.driver = self.driver, None
        if driver is not None:
            driver.close()


@pytest.fixture(scope="session")
def _shared():
    shared = Shared()
    try:
        yield shared
        problems = shared.driver.stop() if shared.driver else []
        assert not problems, problems
    finally:
        shared.discard()


@pytest.fixture
def driver(_shared, request):
    """The session's driver. Whatever a test creates on it is gone afterwards, and the test fails if it is not."""
    instance = _shared.get()
    before = len(instance.log_text())
    yield instance
    problems = instance.sweep()
    log = instance.log_text()[before:]
    if problems:
        _shared.discard()
    _judge(request, problems, log)


@pytest.fixture
def isolated(request):
    """A driver of the test's own, to be killed, stopped and restarted; its whole end is checked for leaks."""
    marker = request.node.get_closest_marker("plugin")
    instance = Driver(*(marker.args if marker else ()))
    try:
        yield instance
        _judge(request, instance.sweep() + instance.stop(), instance.log_text())
    finally:
        instance.close()


@pytest.fixture
def unstarted():
    """A driver's folders without a running plugin, to start it in other ways."""
    instance = Driver(start=False)
    try:
        yield instance
    finally:
        instance.close()


@pytest.fixture(scope="session")
def store():
    """A bucket in moto, for all tests."""
    from test_object_stores import Store  # pylint: disable=import-outside-toplevel
    server = Store()
    yield server
    server.close()


@pytest.fixture
def small_disk(driver):
    """A file system of 8 MiB beneath the file roots."""
    folder = driver.source(driver.name("small"))
    system.mount("small", folder, "tmpfs", data="size=8m,mode=755")
    yield folder
    system.unmount(folder, system.MNT_DETACH)
    folder.rmdir()
