#!/usr/bin/env bash
# usage: scripts/demo.sh
# The driver's main job on real input: builds the programs, then lets an independent CSI client provision, publish,
# read, write, unpublish and delete a volume, step by step. Exits 0 only if every step held.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
echo "Building (release)"
scripts/build-release.sh
ALLUXIO_PROGRAMS=$PWD/.build-release
export ALLUXIO_PROGRAMS
cd csi-sanity
exec ../scripts/python.sh -B -m csi_client.demo
