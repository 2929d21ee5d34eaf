#!/usr/bin/env bash
# Starts every example and checks how it ends: exit code 0 within two minutes, and the last line that it promises.
# They are those that `cargo test` has built; `ci/examples.sh release` takes those of the README's command.
# Two lines in the header of an example (of its main.rs, if it has several files) say what to expect:
#
#     //! Last line: `sum = 45`              a pattern of the shell: `*` stands for anything. Without it: any output, or none.
#     //! CI: `--events 20000 --json`        the arguments that CI gives. Without it: none.
#
# Standard input is empty: an example that waits for a person must end by itself when there is none.
set -euo pipefail
limit_s=120

profile=${1:-dev}

# All of the workspace, as `cargo test` does: with other features it would be built again.
cargo build --quiet --profile "$profile" --workspace --examples
folder=${profile/#dev/debug}
target=$(cargo metadata --format-version 1 --no-deps | grep -o '"target_directory":"[^"]*"' | cut -d'"' -f4)
# One line for each example: its name and its source. The fields of a target come in this order since cargo 1.0.
examples=$(cargo metadata --format-version 1 --no-deps |
    grep -o '"kind":\["example"\],"crate_types":\["bin"\],"name":"[^"]*","src_path":"[^"]*"' | cut -d'"' -f12,16 | tr '"' ' ' || true)
if [[ -z $examples ]]; then
    echo "no examples"
    exit 0
fi

header() { sed -n "s/^\/\/! $1: \`\(.*\)\`.*/\1/p" "$2" | head -n 1; }

failed=0
while read -r name source; do
    read -ra arguments <<<"$(header CI "$source")"
    expected=$(header 'Last line' "$source")
    begun=$SECONDS
    code=0
    output=$(timeout --kill-after=5 "$limit_s" "$target/$folder/examples/$name" "${arguments[@]}" </dev/null) || code=$?
    last=${output##*$'\n'}
    # The pattern is meant as one, so it is not quoted.
    # shellcheck disable=SC2053
    if ((code != 0)); then
        echo "$name: exit code $code"
        failed=1
    elif [[ -n $expected && $last != $expected ]]; then
        echo "$name: the last line is \"$last\", not \"$expected\""
        failed=1
    else
        echo "$name: ok, $((SECONDS - begun)) s"
    fi
done <<<"$examples"
exit "$failed"
