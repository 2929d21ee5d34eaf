#!/usr/bin/env bash
# The oracle of the search for leaks with 100,000 random systems, in a release build, in which that takes half a minute (`cargo test`
# does 2,000 without optimisation). A number as argument sets how many.
# And the ten programs of tests/hashes.rs, whose traces must be those that `cargo test` compares in a debug build.
set -euo pipefail
cd "$(dirname "$0")/.."
ROUNDROCK_SEEDS="${1:-100000}" cargo test --release --quiet -p roundrock-oracle
