#!/usr/bin/env bash
# usage: csi-sanity/run.sh [ARGUMENTS OF csi-sanity]...
# Runs the upstream csi-sanity against the plugin with real mounts in temporary folders. The program is taken from
# $CSI_SANITY or from PATH; where it is in neither, this says where to get it and exits 3.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -z "${CSI_SANITY:-}" ] && ! CSI_SANITY=$(command -v csi-sanity); then
  cat >&2 <<'SENTENCE'
csi-sanity is not on PATH: build cmd/csi-sanity of https://github.com/kubernetes-csi/csi-test (version 5 or newer) and
put it on PATH, or name it in $CSI_SANITY.
SENTENCE
  exit 3
fi
[ -x "$CSI_SANITY" ] || {
  echo "error: \$CSI_SANITY is '$CSI_SANITY', which is not a program." >&2
  exit 3
}
export CSI_SANITY
"$root/scripts/require.sh" linux fuse root
if [ -z "${ALLUXIO_PROGRAMS:-}" ] && [ ! -x "$root/.build/debug/alluxio-csi" ]; then
  "$root/scripts/require.sh" swift
  swift build --package-path "$root"
fi
cd "$root/csi-sanity"
exec "$root/scripts/python.sh" -B -m csi_client.upstream "$@"
