#!/usr/bin/env bash
# usage: scripts/image.sh
# Makes the image's root file system of release binaries in .build-image/root, without an engine, prints its size, and runs
# the tests of the image and of the DaemonSets in it. What an engine builds from deploy/container/Containerfile is the same.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/build-release.sh
rm -rf .build-image/root
deploy/container/root-filesystem.sh .build-image/root .build-release
scripts/python-environment.sh .build-chart deploy/tests/requirements.txt
ALLUXIO_PROGRAMS=.build-release .build-chart/bin/python -B -m pytest -q \
  deploy/tests/test_image.py deploy/tests/test_node.py deploy/tests/test_buckets.py
echo "bill of materials: .build-image/root/usr/share/sbom/alluxio-csi.spdx.json"
