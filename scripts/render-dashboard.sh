#!/usr/bin/env bash
# usage: scripts/render-dashboard.sh
# Writes deploy/monitoring/dashboard.json and the table of metrics beside it from what the program lists. A test fails
# when one of them is not up to date. Needs the program: $ALLUXIO_PROGRAMS, or what `swift build` made.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/python-environment.sh .build-chart deploy/tests/requirements.txt
exec .build-chart/bin/python -B deploy/tests/dashboard.py
