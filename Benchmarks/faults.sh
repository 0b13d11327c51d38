#!/usr/bin/env bash
# usage: Benchmarks/faults.sh [alluxio-faults options]
# Runs the fault matrix against the release binaries in .build-release/, each cell in namespaces of its own, and keeps
# the results in .build-release/faults.json and faults.md.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
swift build --configuration release --product alluxio-faults
program=$(swift build --configuration release --show-bin-path)/alluxio-faults
exec "$program" --binaries "$root/.build-release" --json "$root/.build-release/faults.json" \
  --table "$root/.build-release/faults.md" "$@"
