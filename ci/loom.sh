#!/usr/bin/env bash
# Every protocol between threads, in every order up to a bound of preemptions; runtime/src/tests/mod.rs says how to read it.
# --cfg loom: crate::sync is loom's, in a target directory of its own because the flag changes every crate.
# --no-default-features: tokio and signals have no place in a model (tokio changes its interface under the flag).
# --release: ten times as many executions per second. --nocapture: each model says how many executions it took.
# Deeper, for a night: LOOM_MAX_PREEMPTIONS=4 ci/loom.sh. One model: ci/loom.sh loom_idle.
set -euo pipefail
RUSTFLAGS="--cfg loom" cargo test --release -p roundrock --lib --no-default-features --target-dir target/loom \
    "${1:-loom_}" -- --nocapture
