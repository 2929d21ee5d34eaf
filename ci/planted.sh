#!/usr/bin/env bash
# In a release build: the corrected twins of the planted bugs, with 10,000 seeds each, in which nothing must be found; and the bugs
# themselves and the ten programs of tests/sim/hashes.txt, whose traces and hashes must be those that `cargo test` compares in a
# debug build. `cargo test` does 1,000 seeds.
# Not part of .ci/run: the release build takes minutes, the search seconds (62 twins: 13 s on two cores).
# --release: five times as many runs per second.
set -euo pipefail
cd "$(dirname "$0")/.."
PLANTED_SEEDS="${1:-10000}" cargo test --release -p roundrock-tests --test planted --test sim
