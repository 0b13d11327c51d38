#!/usr/bin/env bash
# usage: scripts/render-manifests.sh
# Writes deploy/manifests, for people without Helm, and the table of values in the chart's README. A test fails when
# one of them is not up to date.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
scripts/python-environment.sh .build-chart deploy/tests/requirements.txt
exec .build-chart/bin/python -B deploy/tests/manifests.py
