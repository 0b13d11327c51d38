"""What the tests ask the kernel directly: mounts, processes, directory flags."""

import contextlib
import ctypes
import dataclasses
import fcntl
import os
import re
import select
import signal
import stat
import struct

_libc = ctypes.CDLL(None, use_errno=True)

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_BIND, MS_REC, MS_PRIVATE = 1, 2, 4, 0x1000, 0x4000, 1 << 18
MS_REMOUNT, MS_SHARED = 32, 1 << 20
MNT_DETACH = 2
CLONE_NEWNS = 0x20000
FS_IOC_GETFLAGS, FS_IOC_SETFLAGS, FS_IMMUTABLE_FL = 0x80086601, 0x40086602, 0x10


def _check(result, subject):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), str(subject))


def mount(source, target, kind, flags=0, data=""):
    _check(_libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode()),
           target)


def unmount(target, flags=0):
    _check(_libc.umount2(os.fsencode(target), flags), target)


def enter_private_mount_namespace():
    """Mounts of this process and its children are no longer seen by the machine, and end with the last of them."""
    _check(_libc.unshare(CLONE_NEWNS), "mount namespace")
    mount("none", "/", "", MS_REC | MS_PRIVATE)


@dataclasses.dataclass(frozen=True)
class Mount:
    point: str
    kind: str
    options: frozenset
    device: str
    root: str


def _unescape(field):
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def mounts(below="/"):
    """The mounts at or below a path, in the order they were made (proc_pid_mountinfo(5))."""
    found = []
    prefix = str(below).rstrip("/") + "/"
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            left, right = line.rstrip("\n").split(" - ", 1)
            fields = left.split(" ")
            point = _unescape(fields[4])
            if (point + "/").startswith(prefix):
                found.append(Mount(point, right.split(" ")[0], frozenset(fields[5].split(",")), fields[2],
                                   _unescape(fields[3])))
    return found


def mount_at(path):
    """The topmost mount at exactly this path, or None."""
    at = [entry for entry in mounts(path) if entry.point == str(path)]
    return at[-1] if at else None


def descendants(pid):
    """Process ids of all living descendants of a process."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    # The command name may contain anything, but ends with the last parenthesis.
                    state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state != b"Z":
                    parents.setdefault(int(parent), []).append(int(name))
            except OSError:
                continue
    found, queue = [], [pid]
    while queue:
        for child in parents.get(queue.pop(), []):
            found.append(child)
            queue.append(child)
    return found


def program(pid):
    """Name of the file that a process executes, or None once it is gone."""
    try:
        return os.path.basename(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return None


def wait_for_exit(pid, timeout):
    """Waits until a process has ended; true if it has. Any process can be waited for, not only children."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        poll = select.poll()
        poll.register(handle, select.POLLIN)
        return bool(poll.poll(timeout * 1000))
    finally:
        os.close(handle)


def wait_until_stopped(pid):
    """Waits until SIGSTOP has taken effect on every thread, which it does at each thread's next return to user space."""
    while True:
        states = set()
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/stat", "rb") as file:
                states.add(file.read().rpartition(b")")[2].split()[0])
        if states <= {b"T", b"t"}:
            return
        os.sched_yield()


@contextlib.contextmanager
def stopped(pid):
    """A process that does nothing for the length of a block, which may be its last."""
    os.kill(pid, signal.SIGSTOP)
    try:
        wait_until_stopped(pid)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


def directory_flags(path):
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return struct.unpack("l", fcntl.ioctl(handle, FS_IOC_GETFLAGS, b"\0" * 8))[0]
    finally:
        os.close(handle)


def is_immutable(path):
    return bool(directory_flags(path) & FS_IMMUTABLE_FL)


def clear_immutable(path):
    """Takes the immutable flag off a directory, where the file system knows it and it is set."""
    try:
        flags = directory_flags(path)
        if flags & FS_IMMUTABLE_FL:
            handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
            fcntl.ioctl(handle, FS_IOC_SETFLAGS, struct.pack("l", flags & ~FS_IMMUTABLE_FL))
            os.close(handle)
    except OSError:
        pass


def remove_tree(top):
    """Unmounts everything below a directory and removes it; never descends into something that is still mounted."""
    for entry in reversed(mounts(top)):
        unmount(entry.point, MNT_DETACH)
    for folder, names, files in os.walk(top, onerror=None):
        clear_immutable(folder)
    for folder, names, files in os.walk(top, topdown=False):
        for name in files + names:
            path = os.path.join(folder, name)
            if stat.S_ISDIR(os.lstat(path).st_mode):
                os.rmdir(path)
            else:
                os.unlink(path)
    os.rmdir(top)
