#!/usr/bin/env bash
# usage: scripts/sanitizers.sh [address|thread]...
# Runs the tests of the targets that handle memory and threads of C by hand (GRPC, HTTP, ProtobufC), with
# AddressSanitizer and with ThreadSanitizer (default: both), each in a build folder of its own with nothing in it but what these tests need.
# Before its run each sanitizer has to catch mistakes made on purpose, so that a run without a report means something.
#
# gRPC core, libcurl and protobuf-c come from the system and are not instrumented. AddressSanitizer sees their allocations all the
# same; ThreadSanitizer sees the Swift side of every hand-over to and from them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Package.swift leaves everything else out of the package.
export INSTRUMENTED_TESTS=GRPCTests,HTTPTests,ProtobufCTests
log=$(mktemp "${TMPDIR:-/tmp}/sanitizers.XXXXXX")
trap 'rm -f "$log" "$log.part"' EXIT

# expect_caught FOLDER MISTAKE REPORT: the canary must die of MISTAKE with REPORT in its last words.
expect_caught() {
  if "$1/debug/sanitizer-canary" "$2" >"$log" 2>&1; then
    echo "error: $2 went unnoticed: this sanitizer proves nothing" >&2
    exit 1
  fi
  grep -q "$3" "$log" || {
    cat "$log" >&2
    echo "error: $2 ended without the report '$3'" >&2
    exit 1
  }
  echo "canary $2: caught"
}

# expect_quiet FOLDER USE: the canary must do this without a report.
expect_quiet() {
  if ! "$1/debug/sanitizer-canary" "$2" >"$log" 2>&1; then
    cat "$log" >&2
    echo "error: $2 was reported, and it is no mistake" >&2
    exit 1
  fi
  echo "canary $2: passed"
}

run() {
  local sanitizer=$1 folder=.build-$1
  echo "building with --sanitize=$sanitizer in $folder"
  swift build --build-tests --sanitize="$sanitizer" --scratch-path "$folder" >"$log" 2>&1 || {
    cat "$log" >&2
    exit 1
  }
  case $sanitizer in
    address)
      expect_caught "$folder" use-after-free 'AddressSanitizer: heap-use-after-free'
      expect_caught "$folder" overflow 'AddressSanitizer: heap-buffer-overflow'
      ;;
    thread)
      clang -shared -fPIC -O1 -Wall -Wextra -Werror -o "$folder/tsan-mutex.so" scripts/tsan-mutex.c
      export LD_PRELOAD=$PWD/$folder/tsan-mutex.so
      expect_caught "$folder" race 'WARNING: ThreadSanitizer: .* race'
      expect_quiet "$folder" mutex
      ;;
  esac
  # One after the other: beside each other, and slowed down, calls pass their deadlines.
  local tests
  : >"$log"
  for tests in '^(GRPC|ProtobufC)Tests\.' '^HTTPTests\.'; do
    if ! swift test --skip-build --sanitize="$sanitizer" --scratch-path "$folder" --filter "$tests" >"$log.part" 2>&1; then
      cat "$log.part" >&2
      exit 1
    fi
    cat "$log.part" >>"$log"
  done
  unset LD_PRELOAD
  # A report in a child process of a test, too.
  if grep -E 'ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer' "$log"; then
    cat "$log" >&2
    exit 1
  fi
  grep -E 'Test run with' "$log"
}

[ $# -gt 0 ] || set -- address thread
for sanitizer in "$@"; do
  case $sanitizer in
    address) ASAN_OPTIONS=detect_leaks=0 run address ;;
    thread) TSAN_OPTIONS=halt_on_error=0 run thread ;;
    *)
      echo "usage: scripts/sanitizers.sh [address|thread]..." >&2
      exit 64
      ;;
  esac
done
