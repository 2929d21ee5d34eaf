#!/usr/bin/env bash
# Formatting is rustfmt's, checked and never argued about.
set -euo pipefail
cargo fmt --all -- --check
