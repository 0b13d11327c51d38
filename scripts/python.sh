#!/usr/bin/env bash
# usage: scripts/python.sh ARGUMENTS...
# Runs Python with grpcio, grpcio-tools and pytest in a virtual environment of this checkout (.build-venv), which it
# makes on first use. The environment is stamped with the requirements it was made from, so that a change remakes it.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
environment=$root/.build-venv
requirements=$root/csi-sanity/requirements.txt

if ! cmp --silent "$requirements" "$environment/requirements.stamp"; then
  echo "Making the Python environment of the conformance suite: $(grep -v '^#' "$requirements" | tr '\n' ' ')" >&2
  rm -rf "$environment"
  python3 -m venv "$environment" || {
    echo "error: python3 cannot make a virtual environment; install the package python3-venv." >&2
    exit 1
  }
  "$environment/bin/python" -m pip --quiet --disable-pip-version-check install --requirement "$requirements" >&2 || {
    echo "error: pip could not install $requirements (its output is above)." >&2
    exit 1
  }
  cp "$requirements" "$environment/requirements.stamp"
fi
exec "$environment/bin/python" "$@"
