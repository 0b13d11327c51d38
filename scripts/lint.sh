#!/usr/bin/env bash
# usage: scripts/lint.sh
# Fails on Swift code that swift-format would write otherwise, on shell scripts that shellcheck objects to, and on
# Python that does not compile.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
swift_folders=(Package.swift)
for folder in Sources Tests Benchmarks; do
  [ ! -d "$folder" ] || swift_folders+=("$folder")
done
swift format lint --strict --parallel --recursive "${swift_folders[@]}"

mapfile -t shell < <(git ls-files --cached --others --exclude-standard -- '*.sh' '.ci/run')
shellcheck "${shell[@]}"

mapfile -t python < <(git ls-files --cached --others --exclude-standard -- '*.py')
[ ${#python[@]} -eq 0 ] || python3 - "${python[@]}" <<'PYTHON'
import ast, sys
for name in sys.argv[1:]:
    with open(name, encoding="utf-8") as file:
        ast.parse(file.read(), name)
PYTHON
