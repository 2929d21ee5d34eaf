#!/usr/bin/env bash
# The deterministic tests once more as `cargo nextest` runs them, where it is installed: each in a process of its own.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! cargo nextest --version >/dev/null 2>&1; then
    echo "cargo-nextest is not installed: skipped"
    exit 0
fi
cargo nextest run -E 'binary(=sim)' --status-level fail --final-status-level fail
