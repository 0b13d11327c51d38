#!/usr/bin/env bash
# usage: scripts/python.sh ARGUMENTS...
# Runs Python with grpcio, grpcio-tools and pytest in a virtual environment of this checkout (.build-venv), which it
# makes on first use.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
"$root/scripts/python-environment.sh" .build-venv csi-sanity/requirements.txt
exec "$root/.build-venv/bin/python" "$@"
