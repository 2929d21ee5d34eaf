#!/usr/bin/env bash
# Broken links and undocumented items in the rendered documentation are errors.
set -euo pipefail
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --all-features
