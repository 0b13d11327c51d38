"""One driver under test: the real programs, with real mounts, in a folder of their own."""

import itertools
import json
import os
import pathlib
import queue
import signal
import subprocess
import sys
import tempfile
import threading

import grpc

from . import system
from .client import GIB, SECONDS, Client, capability, capacity

FUSE_TYPE = "fuse.alluxio-fuse"
START_SECONDS = 30


def programs():
    """The folder with the programs under test: $ALLUXIO_PROGRAMS, or what `swift build` made last."""
    checkout = pathlib.Path(__file__).resolve().parents[2]
    chosen = os.environ.get("ALLUXIO_PROGRAMS")
    folder = pathlib.Path(chosen) if chosen else checkout / ".build" / "debug"
    if not (folder / "alluxio-csi").exists():
        raise RuntimeError(f"{folder}/alluxio-csi is not there: run 'swift build' first, or set ALLUXIO_PROGRAMS")
    return folder.resolve()


class Nest:
    """The process that everything of one driver lives in (nest.py)."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, "-S", str(pathlib.Path(__file__).with_name("nest.py"))],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.pid = self._process.pid
        self._tags = itertools.count()
        self._spawned = queue.Queue()
        self._changed = threading.Condition()
        self._exits = {}
        self._watchers = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self._process.stdout:
            event = json.loads(line)
            if "exited" in event:
                with self._changed:
                    self._exits[event["exited"]] = event["status"]
                    self._changed.notify_all()
                    watchers = [watcher for pid, watcher in self._watchers if pid == event["exited"]]
                for watcher in watchers:
                    watcher()
            else:
                self._spawned.put(event)

    def spawn(self, argv, log, environment=None):
        """Starts a program and answers its process id."""
        command = {"argv": [str(word) for word in argv], "log": str(log), "tag": next(self._tags),
                   "environment": environment or {}}
        self._process.stdin.write(json.dumps(command) + "\n")
        self._process.stdin.flush()
        event = self._spawned.get(timeout=START_SECONDS)
        if "failed" in event:
            raise RuntimeError(f"cannot start {argv[0]}: {event['failed']}")
        return event["spawned"]

    def on_exit(self, pid, watcher):
        """Calls `watcher` once when the process has ended; at once if it already has."""
        with self._changed:
            if pid not in self._exits:
                self._watchers.append((pid, watcher))
                return
        watcher()

    def wait(self, pid, timeout=SECONDS):
        """The exit status of a process of the nest: negative is the number of the signal that killed it."""
        with self._changed:
            ended = self._changed.wait_for(lambda: pid in self._exits, timeout)
        assert ended, f"process {pid} ({system.program(pid)}) has not ended after {timeout} s"
        return self._exits[pid]

    def members(self):
        """Process ids of all programs of the driver that run now, by program name."""
        found = {}
        for pid in system.descendants(self.pid):
            found.setdefault(system.program(pid), []).append(pid)
        return found

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=30)
        self._reader.join(timeout=5)
        self._process.stdout.close()


class Driver:
    """`alluxio-csi` as it runs on a node, with a client on its socket.

    `folder/ufs` lies beneath `--file-roots`, `folder/elsewhere` does not; `folder/kubelet` is the kubelet's folder.
    """

    def __init__(self, *arguments, mode="all", start=True, folder=None):
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="d."))
        self.ufs = self.folder / "ufs"
        self.elsewhere = self.folder / "elsewhere"
        self.kubelet = self.folder / "kubelet"
        self.state = self.kubelet / "plugins" / "alluxio"
        self.registry = self.folder / "registry"
        self.log = self.folder / "driver.log"
        self.socket = self.folder / "csi" / "csi.sock"
        self.folder.chmod(0o755)
        for directory in (self.ufs, self.elsewhere, self.kubelet, self.registry):
            directory.mkdir(exist_ok=True)
        self.mode, self.arguments = mode, arguments
        self.programs = programs()
        self.nest = Nest()
        self.pid = None
        self.client = None
        self._names = itertools.count(1)
        self._published = {}
        self._volumes = {}
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    # Lifetime of the plugin.

    def command(self, mode=None, socket=None):
        return [
            self.programs / "alluxio-csi", "--endpoint", f"unix://{socket or self.socket}", "--nodeid", "node-1",
            "--mode", mode or self.mode, "--registry", f"file:{self.registry}", "--state-dir", self.state,
            "--kubelet-dir", self.kubelet, "--file-roots", self.ufs, *self.arguments
        ]

    def start(self, command=None):
        """Starts the plugin and returns once it serves."""
        pid = self.nest.spawn(command or self.command(), self.log)
        client = Client(self.socket)
        events = queue.Queue()
        ready = grpc.channel_ready_future(client.channel)
        ready.add_done_callback(lambda _: events.put("ready"))
        self.nest.on_exit(pid, lambda: events.put("exited"))
        try:
            event = events.get(timeout=START_SECONDS)
        except queue.Empty:
            event = f"silent for {START_SECONDS} s"
        if event != "ready":
            ready.cancel()
            client.close()
            raise RuntimeError(f"the plugin did not start ({event}); its log:\n{self.log_text()[-4000:]}")
        self.pid, self.client = pid, client

    def refusal(self, command=None):
        """Runs a plugin that must not start; answers its exit status and what it printed."""
        log = self.folder / f"{self.name('refused')}.log"
        pid = self.nest.spawn(command or self.command(), log)
        return self.nest.wait(pid, START_SECONDS), log.read_text(encoding="utf-8", errors="replace")

    def kill(self, number=signal.SIGKILL):
        """Ends the plugin alone, as a crash would, and answers how it ended."""
        os.kill(self.pid, number)
        status = self.nest.wait(self.pid)
        self.client.close()
        self.pid = self.client = None
        return status

    def restart(self):
        """kill -9 and a new plugin on the same folders."""
        self.kill()
        self.start()

    def workers(self):
        """Process ids of the workers that have a volume; one more waits for the next volume, without a name."""
        return [pid for pid in self.nest.members().get("alluxio-fuse", []) if self._volume_of(pid)]

    @staticmethod
    def _command_line(pid):
        try:
            return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
        except OSError:
            return [b""]  # It has ended.

    def _volume_of(self, pid):
        return self._command_line(pid)[-1].strip()

    def mounter(self):
        """Process id of the serving mounter, whose parent keeps its descriptors."""
        found = self.nest.members().get("alluxio-mounter", [])
        return next((pid for pid in found if b"--parent-fd" in self._command_line(pid)), None)

    def log_text(self):
        return self.log.read_text(encoding="utf-8", errors="replace") if self.log.exists() else ""

    # Volumes and targets; what is still there when the driver closes is removed by it.

    def name(self, stem="vol"):
        return f"{stem}-{next(self._names)}"

    def source(self, name=None):
        """A new directory beneath the file roots."""
        directory = self.ufs / (name or self.name("source"))
        directory.mkdir()
        return directory

    def create(self, name=None, path=None, capabilities=None, size=0, limit=0, timeout=SECONDS, secrets=None,
               **parameters):
        """CreateVolume; answers the Volume."""
        if path is None:
            path = f"file://{self.source()}"
        reply = self.client.call(
            "Controller.CreateVolume", timeout=timeout, name=name or self.name(), secrets=secrets or {},
            capacity_range=capacity(size, limit) if size or limit else None,
            volume_capabilities=capabilities or [capability()],
            parameters={"path": str(path), **{key.replace("__", "/"): value for key, value in parameters.items()}})
        self._volumes[reply.volume.volume_id] = reply.volume
        return reply.volume

    def delete(self, volume_id, **fields):
        self.client.call("Controller.DeleteVolume", volume_id=volume_id, **fields)
        self._volumes.pop(volume_id, None)

    def target(self, pod=None):
        """A target path as the kubelet names it; its parent exists, it does not."""
        pod = self.kubelet / "pods" / (pod or self.name("pod")) / "volumes" / "kubernetes.io~csi" / "data"
        pod.mkdir(parents=True, exist_ok=True)
        return pod / "mount"

    def publication(self, volume, target, readonly=False, capability_=None, secrets=None, context=None, **more):
        """The fields of NodePublishVolume for a Volume; `more` goes into the volume context."""
        self._published[str(target)] = volume.volume_id
        return {
            "volume_id": volume.volume_id, "target_path": str(target), "readonly": readonly,
            "volume_capability": capability_ or capability(), "secrets": secrets or {},
            "volume_context": {**(dict(volume.volume_context) if context is None else context), **more},
        }

    def publish(self, volume, target=None, timeout=SECONDS, **options):
        """NodePublishVolume; answers the target."""
        target = target or self.target()
        self.client.call("Node.NodePublishVolume", timeout=timeout, **self.publication(volume, target, **options))
        return pathlib.Path(target)

    def start_publish(self, volume, target, timeout=SECONDS, **options):
        return self.client.start(
            "Node.NodePublishVolume", timeout=timeout, **self.publication(volume, target, **options))

    def unpublish(self, target, volume_id=None, timeout=SECONDS):
        volume_id = volume_id or self._published[str(target)]
        self.client.call("Node.NodeUnpublishVolume", timeout=timeout, volume_id=volume_id, target_path=str(target))
        self._published.pop(str(target), None)

    def published(self, size=0, **options):
        """A new volume at a new target: (volume, target, the directory behind it)."""
        directory = self.source()
        volume = self.create(path=f"file://{directory}", size=size)
        return volume, self.publish(volume, **options), directory

    def mounts(self):
        return system.mounts(self.folder)

    # The end.

    def sweep(self):
        """Unpublishes and deletes what the test left, and names what is still there then although nothing should be."""
        if self.client is None:
            self.start()
        problems = []
        for target, volume_id in list(self._published.items()):
            self._attempt(problems, "Node.NodeUnpublishVolume", volume_id=volume_id, target_path=target)
        for volume_id in list(self._volumes):
            self._attempt(problems, "Controller.DeleteVolume", volume_id=volume_id)
        self._published.clear()
        self._volumes.clear()
        problems += [f"mount left: {entry.point} ({entry.kind})" for entry in self.mounts() if entry.kind == FUSE_TYPE]
        for pid in self.workers():
            # Its unmounting was answered before the process had ended.
            if not system.wait_for_exit(pid, 5):
                problems.append(f"worker left: {pid}")
        volumes = self.state / "volumes"
        problems += [f"folder left: {path}" for path in volumes.glob("*")] if volumes.exists() else []
        return problems

    def _attempt(self, problems, method, **fields):
        service = method.split(".")[0].lower()
        if self.mode not in ("all", service):
            return
        try:
            self.client.call(method, **fields)
        except grpc.RpcError as error:
            problems.append(f"{method} {fields}: {error.code().name} {error.details()}")

    def close(self):
        """Ends every process, unmounts everything and removes the folder, whatever state the driver is in."""
        if self.client is not None:
            self.client.close()
            self.client = None
        self.nest.close()
        system.remove_tree(self.folder)

    def stop(self):
        """An orderly end; names what goes wrong with it."""
        problems = []
        if self.pid is not None:
            status = self.kill(signal.SIGTERM)
            if status != 0:
                problems.append(f"the plugin ended with {status} on SIGTERM")
        serving = self.mounter()
        for mounter in self.nest.members().get("alluxio-mounter", []):
            # The parent ends the one that serves, and then itself.
            if mounter != serving:
                os.kill(mounter, signal.SIGTERM)
                if not system.wait_for_exit(mounter, 10):
                    problems.append("the mounter did not end on SIGTERM")
        left = {program: pids for program, pids in self.nest.members().items() if program}
        if left:
            problems.append(f"processes left: {left}")
        return problems


def size_of(path):
    """(bytes available to everybody, bytes in all) of the file system at a path."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize, status.f_blocks * status.f_frsize


__all__ = ["Driver", "FUSE_TYPE", "GIB", "size_of"]
