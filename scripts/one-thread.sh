#!/usr/bin/env bash
# usage: scripts/one-thread.sh COMMAND [ARGUMENT...]
# Runs a command, and all that it starts, as on a machine with one processor as far as Swift's tasks are concerned: they
# have one thread. A test that blocks it until another task has done something then waits for ever, each time, and not
# once in a thousand runs. Needs root; the command sees mounts of its own.
set -euo pipefail

possible=$(mktemp)
trap 'rm -f "$possible"' EXIT
echo 0 >"$possible"
# shellcheck disable=SC2016 # the inner shell expands them
unshare --mount sh -c 'mount --bind "$0" /sys/devices/system/cpu/possible && exec "$@"' "$possible" "$@"
