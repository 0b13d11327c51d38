#!/usr/bin/env bash
# usage: scripts/bounded.sh SECONDS COMMAND [ARGUMENT...]
# Runs a command that must not wait for ever for what never comes. When its time is up, what its processes and their
# threads are at is shown on standard error, they are ended, and the status is 124 as timeout(1) has it.
set -euo pipefail

seconds=$1
shift
# A session of its own, so that all of it can be ended; in the background setsid(1) is not the leader of a group, and so
# becomes the command instead of starting it.
setsid "$@" &
command=$!
sleep "$seconds" &
clock=$!

trap 'kill "$clock" 2>/dev/null || true' EXIT
trap 'kill -KILL -- "-$command" 2>/dev/null || true; exit 130' INT TERM

# The command and whatever came of it, sessions of their own included: `pid`, one a line.
descendants() {
  ps -e -o pid=,ppid= | awk -v root="$command" '
    { parent[$1] = $2 }
    END {
      for (pid in parent) {
        for (up = pid; up in parent && up != root; up = parent[up]) if (up <= 1) break
        if (up == root) print pid
      }
    }' | sort -n
}

# A debugger that is there may lack a library.
backtraces() {
  if lldb --version >/dev/null 2>&1; then
    timeout 60 lldb -p "$1" --batch -o 'thread backtrace all'
  elif gdb --version >/dev/null 2>&1; then
    timeout 60 gdb -p "$1" -batch -ex 'thread apply all backtrace 30'
  fi
}

# What each thread waits for in the kernel, then, where a debugger is there, in the program.
threads() {
  local pid=$1 task
  for task in "/proc/$pid/task/"*; do
    printf '  %s %s: %s, system call %s\n' "${task##*/}" "$(cat "$task/comm")" "$(cat "$task/wchan")" \
      "$(cut -d ' ' -f 1 "$task/syscall")"
  done 2>/dev/null || true
  case $(readlink "/proc/$pid/exe" || true) in
    */.build*) backtraces "$pid" || true ;;
  esac
}

status=0
wait -n -p ended "$command" "$clock" || status=$?
[ "$ended" = "$clock" ] || exit "$status"

{
  echo "ERROR: not done within $seconds s: $*; its processes and what their threads wait for:"
  for pid in $(descendants); do
    ps -o pid=,ppid=,etimes=,stat=,args= -p "$pid" || continue
    threads "$pid"
  done
} >&2
kill -TERM -- "-$command" 2>/dev/null || true
# Those that do not care.
timeout 10 tail -f /dev/null --pid="$command" || kill -KILL -- "-$command" 2>/dev/null || true
exit 124
