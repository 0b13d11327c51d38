#!/usr/bin/env bash
# usage: scripts/python-environment.sh FOLDER REQUIREMENTS
# Makes FOLDER a virtual environment of Python with what the file REQUIREMENTS names; both are paths below the checkout.
# The environment is stamped with the requirements that it was made from, so that a change remakes it; otherwise nothing
# is touched. Runs that want it at the same time wait for the one that makes it.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
environment=$1 requirements=$2

exec 9>"$environment.lock"
flock 9
cmp --silent "$requirements" "$environment/requirements.stamp" && exit 0

echo "Making the Python environment $environment: $(grep -v '^#' "$requirements" | tr '\n' ' ')" >&2
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
