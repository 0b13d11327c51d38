#!/usr/bin/env bash
# usage: scripts/test.sh
# Everything that `make test` runs, in order; the first step that fails ends the run. Each step is announced with its
# name and closed with its duration. Temporary files go to a folder of this run's own, which must be empty at the end.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
scripts=$root/scripts

# Short, since paths of unix sockets end at 107 bytes.
TMPDIR=$(mktemp -d /tmp/acsi.XXXXXX)
export TMPDIR
# Tests act as users other than root, who must reach what they are given in it.
chmod 755 "$TMPDIR"
# Outside $TMPDIR, so that the record does not find itself.
before=$(mktemp /tmp/acsi-before.XXXXXX)
# What the running step printed.
printed=$(mktemp /tmp/acsi-printed.XXXXXX)

close() {
  local status=$?
  # Tests run side by side and print much: what failed is said once more, last, where it is looked for.
  [ $status -eq 0 ] || grep -aE '^✘|^(FAILED|ERROR) |recorded an issue|error:' "$printed" >&2 || true
  rm -f "$before" "$printed"
  # What the tests left has been reported by the leak check. A mount here would be the driver's: it is kept for the eye.
  rm -rf --one-file-system "$TMPDIR" 2>/dev/null || true
  [ $status -eq 0 ] || echo "FAILED: ${step:-preparation}" >&2
  exit $status
}
trap close EXIT

run() {
  step=$1
  shift
  local start=$SECONDS
  printf '\n==> %s\n' "$step"
  "$@" 2>&1 | tee "$printed"
  printf '<== %s: %d s\n' "$step" $((SECONDS - start))
}

third_party() {
  [ "$(id -u)" -eq 0 ] || { echo "SKIPPED: third-party checks on a mounted volume need root"; return 0; }
  "$scripts/third-party-checks.sh"
}

faults() {
  [ "$(id -u)" -eq 0 ] || { echo "SKIPPED: the fault matrix needs root"; return 0; }
  local programs
  programs=$(swift build --show-bin-path)
  "$scripts/bounded.sh" 600 "$programs/alluxio-faults" --binaries "$programs" --short
}

conformance() {
  "$scripts/python.sh" -m pytest csi-sanity/conformance -q --strict-markers -p no:cacheprovider
}

chart() {
  "$scripts/python-environment.sh" .build-chart deploy/tests/requirements.txt
  .build-chart/bin/python -B -m pytest deploy/tests -q
}

upstream_sanity() {
  if [ -n "${CSI_SANITY:-}" ] || command -v csi-sanity >/dev/null 2>&1; then
    csi-sanity/run.sh
  else
    echo "not run: csi-sanity is neither on PATH nor in \$CSI_SANITY ('make sanity' says where to get it)"
  fi
}

"$scripts/require.sh" linux swift
"$scripts/install-dependencies.sh" build test lint
if [ "$(id -u)" -ne 0 ]; then
  echo "note: not root: tests that mount are reported as skipped by name" >&2
else
  "$scripts/require.sh" fuse root
fi
"$scripts/leak-check.sh" snapshot "$before"

run "format and shell lint" "$scripts/lint.sh"
run "build" swift build --build-tests
run "servers of tests" "$scripts/python-environment.sh" .build-python Tests/ObjectStoreServers/servers/requirements.txt
# A test that waits for what never comes must not hold the machine: each of these takes a minute where nothing else runs.
# They are apart, since all tests of a run share one queue, which as many threads serve as there are processors: what a
# test goes on with after an `await` stands behind all that others do without one. A thousand at once, some of which
# compute or wait for a disk all the time, keep the others from what has a deadline.
mounts='^FuseTests\.'
mounter='^MounterTests\.'
driver='^CSIDriverTests\.'
files='^(PageStore|VolumeFileSystem)Tests\.'
servers='^(HTTP|Kubernetes|ObjectStore|UnderFileSystem)Tests\.|^VolumeFileSystemTests\.Served|ObjectProvisioningTests'
tests() { "$scripts/bounded.sh" 600 swift test --skip-build "$@"; }
run "unit tests" tests --skip "$mounts|$mounter|$driver|$files|$servers"
run "tests of mounts" tests --filter "$mounts"
run "tests of the mounter" tests --filter "$mounter"
run "tests of the driver" tests --filter "$driver" --skip "$servers"
run "tests of files" tests --filter "$files" --skip "$servers"
run "tests with servers" tests --filter "$servers"
run "conformance" conformance
run "csi-sanity" upstream_sanity
run "chart tests" chart
run "faults under load" faults
[ ! -x "$scripts/third-party-checks.sh" ] || run "third-party checks" third_party
[ ! -x "$scripts/sanitizers.sh" ] || run "sanitizers" "$scripts/sanitizers.sh"
run "leak check" "$scripts/leak-check.sh" compare "$before"
