#!/usr/bin/env bash
# usage: Benchmarks/run.sh [alluxio-bench options]
# Runs the benchmarks against the release binaries in .build-release/ and keeps the figures in .build-release/bench.json.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
scripts/python-environment.sh .build-python Tests/ObjectStoreServers/servers/requirements.txt  # rclone
swift build --configuration release --product alluxio-bench
exec "$(swift build --configuration release --show-bin-path)/alluxio-bench" \
  --binaries "$root/.build-release" --json "$root/.build-release/bench.json" "$@"
