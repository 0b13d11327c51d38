#!/usr/bin/env bash
# usage: scripts/build-release.sh
# Builds the three programs as they are shipped (optimised, the Swift runtime linked statically, unreferenced code
# dropped), puts stripped copies into .build-release/ and prints their sizes.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
programs=(alluxio-csi alluxio-mounter alluxio-fuse)
flags=(
  --configuration release
  -Xswiftc -static-stdlib
  -Xswiftc -use-ld=lld                       # comes with the toolchain; identical code folding needs it
  -Xswiftc -Osize                            # within the noise of -O in the benchmarks, 0.4 MB less
  -Xswiftc -Xfrontend -Xswiftc -function-sections
  -Xlinker --gc-sections -Xlinker --icf=all
  -Xlinker --no-export-dynamic               # else every symbol stays, for plug-ins that do not exist
  -Xlinker --no-eh-frame-hdr                 # see strip below
  -Xlinker -z -Xlinker pack-relative-relocs  # glibc 2.36 and later: a megabyte less to read at every start
)

for program in "${programs[@]}"; do
  swift build "${flags[@]}" --product "$program"
done
built=$(swift build "${flags[@]}" --show-bin-path)

# Crash points are for the tests (FAULT_INJECTION in Package.swift): no program that is shipped may have them.
for program in "${programs[@]}"; do
  if grep -q -e ALLUXIO_CRASH -e CrashInjection "$built/$program"; then
    echo "error: $program has the crash points of the tests in it" >&2
    exit 1
  fi
done

mkdir -p .build-release
for program in "${programs[@]}"; do
  # Unwind tables serve C++ exceptions, which no code of these programs throws, and debuggers, which have the unstripped
  # programs in .build: 2 MB. Without the header (above) an unwinder ends at our frames instead of reading what is gone.
  # A running copy cannot be written to, but its name can be given to a new file.
  strip --remove-section=.eh_frame -o ".build-release/$program.new" "$built/$program"
  mv -f ".build-release/$program.new" ".build-release/$program"
  stat --printf='%s %n\n' ".build-release/$program"
done | awk '{ printf "%-32s %5.1f MB stripped\n", $2, $1 / 1e6 }'

# What is in the programs besides Swift packages, for bills of materials: kind, name, version. Of expat and libfyaml it is
# the static library, of xxHash the header (CExpat, CYAML, CXXHash).
{
  swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9.]*\).*/swift runtime \1/p'
  ! command -v dpkg-query >/dev/null || dpkg-query --show --showformat='debian ${Package} ${Version}\n' libexpat1-dev libfyaml-dev libxxhash-dev
} >.build-release/linked
