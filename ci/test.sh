#!/usr/bin/env bash
# The README's own test command.
set -euo pipefail
cargo test
