#!/usr/bin/env bash
# Random input under libFuzzer, which looks for what reaches new code, with AddressSanitizer: two minutes for each target of fuzz/,
# or `ci/fuzz.sh SECONDS TARGET`. What makes a target fail is written to fuzz/artifacts; give that file to the binary to run it again.
# For a person to call; not a part of .ci/run, which runs the same harness with seeded input: the build takes minutes. It needs a
# nightly toolchain and a C++ compiler; it says so and succeeds where there is no nightly toolchain.
# The flags are those that cargo-fuzz sets, so that nobody has to install it; `cargo fuzz run TARGET` does the same.
# -Cpasses, -Cllvm-args: the counters and comparisons that guide libFuzzer.
# --cfg fuzzing: libfuzzer-sys asks for it. -Cdebug-assertions: those of ours are what input should break.
# --target: build scripts and macros are built without the sanitizer.
set -euo pipefail
cd "$(dirname "$0")/../fuzz"
if ! cargo +nightly --version >/dev/null 2>&1; then
    echo "no nightly toolchain: fuzzing is skipped"
    exit 0
fi
seconds=${1:-120}
targets=(channel flavors macros)
(($# < 2)) || targets=("$2")
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
export RUSTFLAGS="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares --cfg fuzzing -Zsanitizer=address -Ccodegen-units=1 -Cdebug-assertions"
cargo +nightly build --release --target "$host"
for target in "${targets[@]}"; do
    mkdir -p "corpus/$target" "artifacts/$target"
    "target/$host/release/$target" "corpus/$target" -artifact_prefix="artifacts/$target/" -max_total_time="$seconds" \
        -max_len=2048 -timeout=20 -print_final_stats=1
done
