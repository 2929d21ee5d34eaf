#!/usr/bin/env bash
# The behaviour tests under ThreadSanitizer, which sees data races on real threads, in code that no loom model covers.
# For a person to call; not a part of .ci/run, since it needs a nightly toolchain and since what it reports has to be judged:
# the standard library is not instrumented. It says so and succeeds where there is no nightly toolchain.
# -Zsanitizer=thread: instruments our crates and all dependencies.
# -Cunsafe-allow-abi-mismatch=sanitizer: links the standard library as it is, uninstrumented, instead of rebuilding it. So
#   what std synchronises with its own locks is not seen: ci/tsan.supp names what is reported for that reason alone.
# --cfg crossbeam_sanitize_thread: crossbeam uses stores instead of fences, which the sanitizer does not understand.
# --target: build scripts and macros are built without the sanitizer. A target directory of its own, as for every flag.
# Doc tests and ui tests are left out: they start the compiler, not our threads.
set -euo pipefail
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "no nightly toolchain: ThreadSanitizer is skipped"
    exit 0
fi
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Zsanitizer=thread -Cunsafe-allow-abi-mismatch=sanitizer --cfg crossbeam_sanitize_thread"
export TSAN_OPTIONS="suppressions=$PWD/ci/tsan.supp history_size=4 halt_on_error=0 exitcode=66"
# Some twenty times as slow: a test that takes this long is not hung yet.
export ROUNDROCK_HANG_S=400
tests=(--test behaviour)
[[ -d tests/behaviour ]] || tests=()
cargo +nightly test --target "$host" --target-dir target/tsan -p roundrock --lib
if ((${#tests[@]})); then
    cargo +nightly test --target "$host" --target-dir target/tsan -p roundrock-tests "${tests[@]}"
fi
