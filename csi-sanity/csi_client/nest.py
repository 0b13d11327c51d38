"""A nest: one small process that all processes of one driver under test live in.

It makes itself the sub-reaper of its descendants, so that a mounter whose plugin was killed, or a worker whose mounter
was killed, becomes its child instead of getting lost. Commands arrive as JSON lines on stdin, exits are reported as
JSON lines on stdout. When stdin ends, for whatever reason, every descendant is killed and reaped: a crashed test run
leaves nothing.
"""

import ctypes
import json
import os
import select
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36


def report(**event):
    sys.stdout.write(json.dumps(event) + "\n")
    sys.stdout.flush()


def spawn(command):
    """Starts a program with its output appended to a log; answers its process id or the reason it could not start."""
    log = os.open(command["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open("/dev/null", os.O_RDONLY)
    actions = [(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, log, 1), (os.POSIX_SPAWN_DUP2, log, 2)]
    try:
        environment = {**os.environ, **command.get("environment", {})}
        pid = os.posix_spawn(
            command["argv"][0], command["argv"], environment, file_actions=actions, setsigmask=[],
            setsigdef=[signal.SIGCHLD, signal.SIGPIPE])
        report(spawned=pid, tag=command["tag"])
    except OSError as error:
        report(failed=str(error), tag=command["tag"])
    finally:
        os.close(log)
        os.close(null)


def reap():
    """Collects every child that has ended and reports it; false when there is no child left."""
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return False
        if pid == 0:
            return True
        report(exited=pid, status=os.waitstatus_to_exitcode(status))


def children():
    with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
        return [int(word) for word in file.read().split()]


def kill_all():
    """Kills generation after generation: the children of the killed become ours."""
    sys.stdout = open(os.devnull, "w", encoding="ascii")
    while children():
        for pid in children():
            os.kill(pid, signal.SIGKILL)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def main():
    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    wake_read, wake_write = os.pipe()
    for end in (wake_read, wake_write):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    pending = b""
    while True:
        ready, _, _ = select.select([0, wake_read], [], [])
        if wake_read in ready:
            os.read(wake_read, 4096)
            reap()
        if 0 in ready:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, pending = (pending + data).split(b"\n")
            for line in lines:
                spawn(json.loads(line))
    kill_all()


if __name__ == "__main__":
    main()
