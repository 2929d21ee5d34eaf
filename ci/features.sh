#!/usr/bin/env bash
# Each cargo feature of `roundrock` alone, and none: users choose any of them, and the workspace only ever builds all together.
# The list is read from the manifest, so that a new feature is checked without a change here.
set -euo pipefail
features=$(sed -n '/^\[features\]/,/^\[/s/^\([a-z][a-z0-9_-]*\) *=.*/\1/p' runtime/Cargo.toml | grep -v '^default$')

for feature in "" $features; do
    echo "-- features: ${feature:-none}"
    # clippy instead of check: code that only one feature uses is dead code without it.
    cargo clippy --quiet -p roundrock --lib --no-default-features --features "$feature" -- -D warnings
done

# Without the feature, tokio must not even be built. -e normal,build: what users build, without our tests' own needs.
if cargo tree -p roundrock --no-default-features -e normal,build --prefix none | grep '^tokio'; then
    echo "tokio is in the tree without the feature \`tokio\`" >&2
    exit 1
fi

# Everything but I/O works without default features. What is long because it is random, or must happen often, was run with all of them.
# In one call, for the second takes long to compile, and on one processor.
cargo test --quiet -p roundrock -p roundrock-tests --no-default-features --lib --test behaviour -- \
    --skip random:: --skip linearizable:: --skip never_hang --skip no_call_is_refused --skip ten_thousand
