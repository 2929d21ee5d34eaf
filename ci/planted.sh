#!/usr/bin/env bash
# The corrected twins of the planted bugs, with 10,000 seeds each: nothing must be found. `cargo test` does 1,000.
# --release: five times as many runs per second.
set -euo pipefail
cd "$(dirname "$0")/.."
PLANTED_SEEDS="${1:-10000}" cargo test --release -p roundrock-tests --test planted twin
