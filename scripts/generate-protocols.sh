#!/usr/bin/env bash
# Generates the C of CSIProtocol and MounterProtocol from Protos/ with protoc-c.
#
#   scripts/generate-protocols.sh [FOLDER]
#
# FOLDER (default: Sources/ of this repository) receives CSIProtocol/ and MounterProtocol/, headers in their include/.
# The result is checked in, so that building needs no protoc-c; a test generates into a folder of its own and compares.
set -euo pipefail
cd "$(dirname "$0")/.."
target=${1:-Sources}

command -v protoc-c >/dev/null || { echo "protoc-c is missing: apt-get install protobuf-c-compiler" >&2; exit 1; }

# Where protobuf's own .proto files are: csi.proto imports three of them, and protoc-c's output includes their headers.
includes=${PROTOBUF_INCLUDE:-/usr/include}
[ -f "$includes/google/protobuf/descriptor.proto" ] || {
  echo "google/protobuf/descriptor.proto is missing in $includes: apt-get install libprotobuf-dev," \
    "or name its folder in PROTOBUF_INCLUDE" >&2
  exit 1
}

# generate MODULE PROTO...: the C of PROTO... into MODULE, sources and headers apart.
generate() {
  local module=$target/$1
  shift
  mkdir -p "$module/include"
  protoc-c -I Protos -I "$includes" --c_out="$module" "$@"
  (cd "$module" && find . -name '*.pb-c.h' -not -path './include/*' | while read -r header; do
    mkdir -p "include/$(dirname "$header")"
    mv "$header" "include/$header"
  done)
}

generate CSIProtocol csi.proto google/protobuf/descriptor.proto google/protobuf/timestamp.proto \
  google/protobuf/wrappers.proto
[ ! -f Protos/mounter.proto ] || generate MounterProtocol mounter.proto
