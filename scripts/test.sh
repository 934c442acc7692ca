#!/usr/bin/env bash
# Sets up, builds release and runs every test that is not labelled `long`. The exit code is ctest's.
# Arguments go to ctest, for example: scripts/test.sh -L unit
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --preset release
cmake --build --preset release
exec ctest --preset all "$@"
