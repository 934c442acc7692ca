#!/usr/bin/env bash
# From a fresh checkout to a distilled student: sets up, builds, and runs the embedded example,
# which needs no download (configs/quickstart.yaml). Arguments go to `decant run`.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/setup.sh
cmake --preset release
cmake --build --preset release --target decant
exec build/release/decant run configs/quickstart.yaml "$@"
