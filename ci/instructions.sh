#!/usr/bin/env bash
# Counts the instructions of five kernels (spawn, rendezvous message, buffered message, ask, timer) and compares them with
# ci/instructions.txt: a change beyond 5 % fails, so that a slow-down is seen on any machine, however noisy. One that is wanted:
#
#     ci/instructions.sh write
#
# and the file goes into the same commit. benches/instructions says what is counted, and why it is the same on every machine
# of one architecture. It says so and succeeds on another one, and where there is no valgrind.
set -euo pipefail
cd "$(dirname "$0")/.."
if ! command -v valgrind >/dev/null; then
    echo "no valgrind: the instructions are not counted"
    exit 0
fi
if [[ $(uname -sm) != "Linux x86_64" ]]; then
    echo "the kept numbers are for Linux on x86_64: the instructions are not counted"
    exit 0
fi
cargo run --quiet --release --manifest-path benches/Cargo.toml --package bench-instructions -- "${1:-check}" ci/instructions.txt
