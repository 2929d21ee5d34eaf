#!/usr/bin/env bash
# --all-targets: tests and examples are held to the same lints as the library.
set -euo pipefail
cargo clippy --workspace --all-targets --all-features -- -D warnings
