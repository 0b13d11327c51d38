"""Runs a server for a test and ends it with the test.

usage: run.py PATTERN PROGRAM [ARGUMENTS...]

Prints the first group of PATTERN, once a line of the server's output matches it: the port that it listens on, or 0 when
PATTERN has no group. Everything
that the server prints later is thrown away; when it ends before, all that it printed is shown instead. The server is
killed when this program's standard input ends, so also when the test process dies. The folder $REMOVE_AT_END goes with it.
"""

import os
import re
import shutil
import subprocess
import sys
import threading


def main() -> int:
    pattern = re.compile(sys.argv[1])
    server = subprocess.Popen(
        sys.argv[2:], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    )
    assert server.stdout is not None

    def follow_parent() -> None:
        while os.read(0, 1024):
            pass
        server.kill()

    threading.Thread(target=follow_parent, daemon=True).start()
    printed = []
    ready = False
    for line in server.stdout:
        if ready:
            continue
        printed.append(line)
        if found := pattern.search(line):
            ready = True
            print(found.group(1) if pattern.groups else 0, flush=True)
    if not ready:
        print("".join(printed), flush=True)
    status = server.wait()
    if folder := os.environ.get("REMOVE_AT_END"):
        shutil.rmtree(folder, ignore_errors=True)
    return status


if __name__ == "__main__":
    sys.exit(main())
