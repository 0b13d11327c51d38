"""The demo: the life of a volume, as the kubelet and the provisioner would drive it, with the time of each step.

Controller and node run as two processes, as in a cluster. Every step checks what it shows; the first that does not
hold ends the demo with exit status 1. Whatever happens, nothing of it is left on the machine.
"""

import contextlib
import hashlib
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import grpc

from . import system
from .client import capability
from .driver import FUSE_TYPE, Driver


class Failed(Exception):
    """A step did not hold; the text says what was seen."""


@contextlib.contextmanager
def step(text):
    """Runs one step and prints it with its time; what the step reports is printed below it."""
    details = []
    begin = time.perf_counter()
    try:
        yield details.append
    except BaseException:
        print(f"FAILED   {text}", flush=True)
        raise
    milliseconds = (time.perf_counter() - begin) * 1000
    print(f"{milliseconds:7.1f} ms  {text}", flush=True)
    for line in details:
        print(f"             {line}")


def check(holds, otherwise):
    if not holds:
        raise Failed(otherwise)


def fill(directory):
    """A small data set: tables, a binary file of a few megabytes, and a link, as somebody's training data might be."""
    (directory / "tables").mkdir()
    for month in ("2025-11", "2025-12"):
        rows = "".join(f"{month}-{day:02},{day * 37 % 101}\n" for day in range(1, 31))
        (directory / "tables" / f"{month}.csv").write_text("day,value\n" + rows)
    block = hashlib.sha256(b"weights").digest()
    (directory / "weights.bin").write_bytes(b"".join(
        hashlib.sha256(block + number.to_bytes(4, "big")).digest() for number in range(131_072)))
    (directory / "latest.csv").symlink_to("tables/2025-12.csv")


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def refusal(call):
    try:
        call()
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


class Demo:
    """The two plugins and one volume; each method is a step or a few of them."""

    def __init__(self, folder):
        self.folder = folder
        self.controller = Driver(mode="controller", start=False, folder=self._make("controller"))
        self.node = Driver(mode="node", start=False, folder=self._make("node"))
        self.data = self.controller.source("data")

    def _make(self, name):
        (self.folder / name).mkdir()
        return self.folder / name

    def start(self):
        with step("fill the sample directory, which is the under file system") as report:
            fill(self.data)
            size = sum(path.stat().st_size for path in self.data.rglob("*") if path.is_file())
            report(f"{self.data}: {len(list(self.data.rglob('*')))} entries, {size / 1e6:.1f} MB")
        with step("start the controller plugin") as report:
            self.controller.start()
            info = self.controller.client.call("Identity.GetPluginInfo")
            report(f"{info.name} {info.vendor_version} on unix://{self.controller.socket}")
        with step("start the node plugin") as report:
            command = [str(word) for word in self.node.command()]
            command[command.index("--file-roots") + 1] = str(self.controller.ufs)
            command[command.index("--registry") + 1] = f"file:{self.controller.registry}"
            self.node.start(command)
            report(f"node {self.node.client.call('Node.NodeGetInfo').node_id} on unix://{self.node.socket}")

    def provision(self):
        with step("CreateVolume from the sample directory") as report:
            self.volume = self.controller.create("demo-data", path=f"file://{self.data}", size=1 << 30)
            report(f"volume {self.volume.volume_id}, context {dict(self.volume.volume_context)}")

    def publish(self):
        with step("NodePublishVolume at the first target (starts the volume's FUSE process)") as report:
            self.writable = self.node.publish(self.volume)
            check(os.path.ismount(self.writable), "the target is not a mount")
            [worker] = self.node.workers()
            report(f"{system.mount_at(self.writable).kind}, served by process {worker}")
        with step("NodePublishVolume at the second target, read-only (same FUSE process)") as report:
            self.readable = self.node.publish(self.volume, readonly=True)
            check(self.node.workers() == [worker], "the second target has a process of its own")
            check("ro" in system.mount_at(self.readable).options, "the second target is not read-only")
            report(",".join(sorted(system.mount_at(self.readable).options)))

    def use(self):
        with step("list the files through the mount") as report:
            for line in subprocess.run(["ls", "-lA", self.writable], check=True, capture_output=True,
                                       text=True).stdout.splitlines()[1:]:
                report(line)
            check({path.name for path in self.writable.iterdir()} == {path.name for path in self.data.iterdir()},
                  "the mount does not show what the directory holds")
        with step("read them through the mount") as report:
            check(digest(self.readable / "weights.bin") == digest(self.data / "weights.bin"), "the bytes differ")
            report(f"weights.bin: sha256 {digest(self.readable / 'weights.bin')[:16]}… on both sides")
        with step("write through the mount, read below it") as report:
            (self.writable / "results").mkdir()
            (self.writable / "results" / "summary.txt").write_text("written through FUSE\n")
            below = self.data / "results" / "summary.txt"
            check(below.read_text() == "written through FUSE\n", "what was written is not in the under file system")
            report(f"{below}: {below.stat().st_size} bytes")
        with step("write through the read-only target: refused") as report:
            try:
                (self.readable / "no").write_text("x")
            except OSError as error:
                report(error.strerror)
            else:
                raise Failed("the read-only target was written")
        with step("NodeGetVolumeStats") as report:
            reply = self.node.client.call("Node.NodeGetVolumeStats", volume_id=self.volume.volume_id,
                                          volume_path=str(self.writable))
            check(reply.usage and not reply.volume_condition.abnormal, "no usage, or an abnormal condition")
            for usage in reply.usage:
                report(f"{('', 'bytes', 'inodes')[usage.unit]}: {usage.used:,} of {usage.total:,} used")
            report(f"condition: {reply.volume_condition.message}")

    def refuse(self):
        bad = [
            ("an unknown parameter", "INVALID_ARGUMENT",
             lambda: self.controller.create("bad", path=f"file://{self.data}", onDelet="retain")),
            ("a directory outside --file-roots", None,
             lambda: self.controller.create("bad", path="file:///etc")),
            ("to delete a volume that is in use", "FAILED_PRECONDITION",
             lambda: self.controller.delete(self.volume.volume_id)),
            ("a target outside the kubelet's folder", "INVALID_ARGUMENT",
             lambda: self.node.client.call(
                 "Node.NodePublishVolume", volume_id=self.volume.volume_id, target_path="/etc/mount",
                 volume_capability=capability(), volume_context=dict(self.volume.volume_context))),
        ]
        for text, expected, call in bad:
            with step(f"refuse {text}") as report:
                code, details = refusal(call)
                check(code == expected or expected is None and code != "OK", f"answered {code}")
                report(f"{code}: {details}")

    def end(self):
        with step("NodeUnpublishVolume of the first target; the second serves on"):
            self.node.unpublish(self.writable)
            check(not self.writable.exists(), "the target is still there")
            check((self.readable / "results" / "summary.txt").exists(), "the second target stopped serving")
        with step("NodeUnpublishVolume of the last target (ends the FUSE process)"):
            workers = self.node.workers()
            self.node.unpublish(self.readable)
            check(all(system.wait_for_exit(pid, 10) for pid in workers), "the FUSE process is still there")
        with step("DeleteVolume (the data stays: the volume showed a directory that it does not own)"):
            self.controller.delete(self.volume.volume_id)
            check(not self.controller.client.call("Controller.ListVolumes").entries, "the volume is still listed")
            check((self.data / "results" / "summary.txt").exists(), "the data is gone")
        with step("stop both plugins and the mounter"):
            problems = self.controller.stop() + self.node.stop()
            check(not problems, "; ".join(problems))

    def leave_nothing(self):
        with step("look for what is left: mounts, processes, folders"):
            mounts = [mount.point for mount in system.mounts(self.folder) if mount.kind == FUSE_TYPE]
            check(not mounts, f"mounts left: {mounts}")
            processes = [*system.descendants(self.controller.nest.pid), *system.descendants(self.node.nest.pid)]
            check(not processes, f"processes left: {processes}")
            folders = [str(path) for path in (self.node.state / "volumes").glob("*")]
            folders += [str(path) for path in (self.node.kubelet / "pods").rglob("mount")]
            check(not folders, f"folders left: {folders}")

    def close(self):
        """After this nothing is on the machine that was not there before, however the demo went."""
        self.controller.close()
        self.node.close()
        shutil.rmtree(self.folder)


def main():
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))
    begin = time.perf_counter()
    demo = Demo(pathlib.Path(tempfile.mkdtemp(prefix="alluxio-demo.")))
    try:
        for part in (demo.start, demo.provision, demo.publish, demo.use, demo.refuse, demo.end, demo.leave_nothing):
            part()
    except (Failed, grpc.RpcError, AssertionError, OSError, RuntimeError) as error:
        text = f"{error.code().name}: {error.details()}" if isinstance(error, grpc.RpcError) else error
        print(f"error: {text}", file=sys.stderr)
        for name, driver in (("controller", demo.controller), ("node", demo.node)):
            print(f"--- log of the {name} plugin ---\n{driver.log_text()[-3000:]}", file=sys.stderr)
        sys.exit(1)
    finally:
        folder = demo.folder
        demo.close()
    check(not folder.exists() and not system.mounts(folder), "the demo's folder is left")
    print(f"Every step held, and nothing is left. {time.perf_counter() - begin:.1f} s in all.")


if __name__ == "__main__":
    main()
