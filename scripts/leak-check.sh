#!/usr/bin/env bash
# usage: scripts/leak-check.sh snapshot FILE | scripts/leak-check.sh compare FILE
# What a run of the tests could leave behind on a machine: mounts of a worker, processes of ours, memfds and
# directories. `snapshot` writes what is there now; `compare` prints what is there and was not, and fails if that is
# anything. Directories are looked for in $TMPDIR, which the runner sets to a folder of its own.
set -euo pipefail

temporary=${TMPDIR:-/tmp}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# FUSE mounts of this driver and every mount below the folder for temporary files. Field 5 of mountinfo is the mount
# point; the file system type follows the separator.
mounts() {
  awk -v below="$temporary/" '{
    type = ""
    for (i = 7; i <= NF; i++) if ($i == "-") { type = $(i + 1); break }
    if (type == "fuse.alluxio-fuse" || index($5, below) == 1) print "mount " $5 " (" type ")"
  }' /proc/self/mountinfo
}

# Programs of this checkout, by what they execute and not by how they are called.
processes() {
  local directory program
  for directory in /proc/[0-9]*; do
    program=$(readlink "$directory/exe" 2>/dev/null) || continue
    case $program in
      "$root"/.build*) echo "process ${directory#/proc/} ($program)" ;;
    esac
  done
}

# Anonymous memory files that carry our name, held by any process.
memory_files() {
  find /proc/[0-9]*/fd -maxdepth 1 -lname '/memfd:alluxio*' -printf 'memfd %p -> %l\n' 2>/dev/null || true
}

# The Swift package manager leaves lock files and folders of its own in $TMPDIR with every call.
directories() {
  local entry
  find "$temporary" -mindepth 1 -maxdepth 1 -not -name '_*.lock' -not -name swift-generated-sources |
    while IFS= read -r entry; do
      case ${entry##*/} in
        TemporaryDirectory.*) [ -n "$(find "$entry" -type f -not -name .keep-directory)" ] || continue ;;
      esac
      echo "left $entry"
    done
  find "${TEST_SHARED_MEMORY:-/dev/shm}" -mindepth 1 -maxdepth 1 -name 'alluxio*' -printf 'left %p\n' 2>/dev/null || true
}

state() {
  { mounts && processes && memory_files && directories; } | LC_ALL=C sort -u
}

case ${1:-} in
  snapshot) state >"$2" ;;
  compare)
    leaked=$(LC_ALL=C comm -13 "$2" <(state))
    if [ -n "$leaked" ]; then
      printf 'Left behind by this run:\n%s\n' "$leaked" >&2
      exit 1
    fi
    echo "Leak check: no mount, process, memfd or directory was left behind."
    ;;
  *)
    echo "usage: scripts/leak-check.sh snapshot FILE | compare FILE" >&2
    exit 2
    ;;
esac
