#!/usr/bin/env bash
# usage: scripts/require.sh [swift|linux|fuse|root]...
# Checks that this machine can do what is asked for. On the first thing that is missing it prints one sentence that says
# what to do, and exits 1, so that nobody has to read a stack of compiler or mount errors to find out.
set -euo pipefail

refuse() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

require_linux() {
  [ "$(uname -s)" = Linux ] || refuse "this driver needs Linux (FUSE, mount namespaces, memfd); this is $(uname -s)."
}

require_swift() {
  command -v swift >/dev/null 2>&1 ||
    refuse "the Swift toolchain is missing: install Swift 6.2 or newer from https://www.swift.org/install/linux/ and put it on PATH."
  local version
  version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
  [ -n "$version" ] || refuse "'swift --version' does not answer: the Swift toolchain on PATH ($(command -v swift)) is broken."
  local major=${version%%.*} minor=${version#*.}
  if [ "$major" -lt 6 ] || { [ "$major" -eq 6 ] && [ "$minor" -lt 2 ]; }; then
    refuse "Swift $version is too old: the package needs Swift 6.2 or newer (https://www.swift.org/install/linux/)."
  fi
}

require_fuse() {
  [ -e /dev/fuse ] ||
    refuse "/dev/fuse is missing: load the module with 'modprobe fuse', or start the container with '--device /dev/fuse'."
  [ -c /dev/fuse ] || refuse "/dev/fuse is not a character device: remove it and load the module with 'modprobe fuse'."
}

require_root() {
  [ "$(id -u)" -eq 0 ] ||
    refuse "mounting needs root: run this as root, for example 'sudo --preserve-env=PATH make ${MAKE_TARGET:-demo}'."
  # A container's root may still be refused by mount(2): ask the kernel in a mount namespace that goes away again.
  unshare --mount --propagation private true 2>/dev/null ||
    refuse "root may not mount here (no CAP_SYS_ADMIN): start the container with '--privileged --device /dev/fuse'."
}

for need in "$@"; do
  case $need in
    linux) require_linux ;;
    swift) require_swift ;;
    fuse) require_fuse ;;
    root) require_root ;;
    *) refuse "scripts/require.sh does not know '$need' (known: linux, swift, fuse, root)." ;;
  esac
done
