#!/usr/bin/env bash
# What needs many runs, in a release build, in which one takes a fifth of the time:
# - the corrected twins of the planted bugs with 10,000 seeds each, in which nothing must be found (`cargo test` does 1,000);
# - the bugs themselves, whose traces must be those that `cargo test` compares in a debug build;
# - the oracle of the search for leaks with 100,000 random systems and the ten programs of tests/hashes.rs, as ci/oracle.sh, and the
#   negative controls with 10,000 schedules each;
# - the examples, as the README's command builds them.
# A number as argument sets the seeds of the twins, for a longer search by hand.
set -euo pipefail
cd "$(dirname "$0")/.."
run() { cargo test --release --quiet -p roundrock-tests "$@"; }

PLANTED_SEEDS="${1:-10000}" run --test planted
ci/oracle.sh
ROUNDROCK_SEEDS=10000 run --test kernels -- negative:: kept:: shared::
ci/examples.sh release
