#!/usr/bin/env bash
# usage: scripts/install-dependencies.sh build|test|bench|lint...
# Installs by apt what the named steps need and this machine lacks, and says what that is. When nothing is missing it
# touches nothing and says nothing: no package list is refreshed, no privilege is asked for.
set -euo pipefail

build_packages=(
  libgrpc-dev                                # gRPC core
  libprotobuf-c-dev protobuf-c-compiler      # messages in C, and protoc-c for the check of the generated code
  protobuf-compiler libprotobuf-dev          # protoc and google/protobuf/*.proto
  libfuse3-dev libmd-dev pkg-config          # FUSE, SHA-256
  libcurl4-openssl-dev                       # HTTP: headers to build with, and the library that is loaded
  libmicrohttpd-dev                          # the server of metrics: headers, and the library that is loaded
  libexpat1-dev                              # XML of object stores
  libfyaml-dev                               # YAML of kubeconfig files
  libxxhash-dev                              # XXH3, for the page store
  binutils git make                          # strip, the Swift package manager's checkouts, this Makefile
)
test_packages=(
  python3 python3-venv                       # the conformance suite and the demo are an independent client in Python
  util-linux attr acl tar git                # unshare, and what is run on a mounted volume
  stress-ng fio sqlite3 btrfs-progs
  prometheus                                 # promtool: rules of alerts and their tests
  openssl nginx-light tinyproxy-bin          # certificates, HTTP/2 and a proxy for the client of HTTP
)
bench_packages=(curl s3fs nginx-light)         # beside volumes on object stores, and before them
lint_packages=(shellcheck)

wanted=()
for step in "$@"; do
  case $step in
    build) wanted+=("${build_packages[@]}") ;;
    test) wanted+=("${test_packages[@]}") ;;
    bench) wanted+=("${bench_packages[@]}") ;;
    lint) wanted+=("${lint_packages[@]}") ;;
    *)
      echo "error: scripts/install-dependencies.sh does not know '$step' (known: build, test, bench, lint)." >&2
      exit 1
      ;;
  esac
done

if ! command -v dpkg-query >/dev/null 2>&1; then
  echo "note: this is not Debian or Ubuntu; install the equivalents of: ${wanted[*]}" >&2
  exit 0
fi

installed() {
  [ "$(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
for package in "${wanted[@]}"; do
  installed "$package" || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

root=()
if [ "$(id -u)" -ne 0 ]; then
  command -v sudo >/dev/null 2>&1 || {
    echo "error: as root, install these packages first: ${missing[*]}" >&2
    exit 1
  }
  root=(sudo)
fi
echo "Installing with apt: ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! "${root[@]}" apt-get update >"$log" 2>&1; then
  cat "$log" >&2
  echo "error: 'apt-get update' failed (its output is above)." >&2
  exit 1
fi
if ! "${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "${missing[@]}" \
  >"$log" 2>&1; then
  cat "$log" >&2
  echo "error: apt-get could not install: ${missing[*]} (its output is above)." >&2
  exit 1
fi
