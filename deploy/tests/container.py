"""The first process of a container: makes the container's file system and privileges, and becomes its program.

Started by pods.py under unshare(1), in mount and PID namespaces of its own, with what it is to be as JSON. Does what a
container runtime does with a container of a pod specification: mounts with their propagation, a file system that is
read-only where it must be, user, groups, capabilities, no_new_privs, and nothing of the environment but what it is given.
"""

import ctypes
import json
import os
import sys

libc = ctypes.CDLL(None, use_errno=True)
MS_RDONLY, MS_NOSUID, MS_REMOUNT, MS_BIND, MS_REC = 1, 2, 32, 0x1000, 0x4000
MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 18, 1 << 19, 1 << 20
PROPAGATION = {"None": MS_PRIVATE, "HostToContainer": MS_SLAVE, "Bidirectional": MS_SHARED}
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
CAPABILITIES = {"CHOWN": 0, "DAC_OVERRIDE": 1, "DAC_READ_SEARCH": 2, "FOWNER": 3}
LAST_CAPABILITY = 40


def check(result, subject):
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), subject)


def mount(source, target, kind="", flags=0, data=""):
    check(libc.mount(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), data.encode()),
          target)


def bind(source, target, propagation):
    os.makedirs(target, exist_ok=True)
    mount(source, target, flags=MS_BIND | MS_REC)
    mount("none", target, flags=PROPAGATION[propagation] | MS_REC)


def make_read_only(target):
    mount("none", target, flags=MS_REMOUNT | MS_BIND | MS_RDONLY)


def make_root(root, wanted):
    """What an image has; then the volumes; then it becomes the root."""
    mount("container", root, "tmpfs", data="mode=755")
    for entry in os.scandir(wanted["image"]):
        if entry.is_symlink():
            os.symlink(os.readlink(entry.path), f"{root}/{entry.name}")
        elif entry.name in ("usr", "etc", "opt", "bin", "sbin", "lib", "lib64"):
            bind(entry.path, f"{root}/{entry.name}", "None")
            make_read_only(f"{root}/{entry.name}")
    bind("/dev", root + "/dev", "None")
    bind("/sys", root + "/sys", "HostToContainer")
    os.mkdir(root + "/proc")
    os.mkdir(root + "/tmp", 0o1777)
    for path in wanted["runtime"]:
        bind(path, root + path, "None")
    mount("proc", root + "/proc", "proc")
    for volume in wanted["mounts"]:
        bind(volume["source"], root + volume["path"], volume["propagation"])
        if volume["readOnly"]:
            make_read_only(root + volume["path"])
    os.mkdir(root + "/before")
    os.chdir(root)
    check(libc.pivot_root(b".", b"before") if hasattr(libc, "pivot_root") else libc.syscall(155, b".", b"before"), root)
    os.chdir("/")
    # Only this namespace's copies: the machine keeps its mounts.
    mount("none", "/before", flags=MS_PRIVATE | MS_REC)
    check(libc.umount2(b"/before", 2), "/before")
    os.rmdir("/before")
    if wanted["readOnlyRoot"]:
        make_read_only("/")


def take_privileges(wanted):
    if not wanted["privileged"]:
        kept = {CAPABILITIES[name] for name in wanted["capabilities"]}
        for number in range(LAST_CAPABILITY + 1):
            if number not in kept:
                check(libc.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), f"capability {number}")
        check(libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    os.setgroups(wanted["groups"])
    os.setgid(wanted["group"])
    os.setuid(wanted["user"])


def program(wanted):
    """The first of the command on PATH. What os.execvpe imports for that lies outside the container."""
    name = wanted["command"][0]
    found = [name] if "/" in name else [f"{folder}/{name}" for folder in wanted["environment"]["PATH"].split(":")]
    return next((path for path in found if os.access(path, os.X_OK)), name)


def main():
    wanted = json.loads(sys.argv[1])
    make_root(wanted["root"], wanted)
    take_privileges(wanted)
    os.umask(0o022)
    os.execve(program(wanted), wanted["command"], wanted["environment"])


if __name__ == "__main__":
    main()
