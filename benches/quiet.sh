#!/usr/bin/env bash
# What can only be measured while nothing else runs, in pieces that each end in bounded time:
#
#     benches/quiet.sh FOLDER [build|books|allocators|growth|timers]...
#
# `build` makes all programs that the others need, and is to be called before the machine is quiet: it takes minutes of CPU time.
# `books` is what counters, times and wait records cost (five minutes at most), `allocators` the rows that allocate, on the allocator
# of the C library and on mimalloc (eight), `growth` both tables of growth.sh (eight), `timers` the two rows that take seconds each
# (five). All of them, if none is named. Each leaves its tables in FOLDER as a text, and where there are runs, as lines of JSON.
set -euo pipefail
folder=$(realpath -m "${1:?a folder for the results}")
shift
cd "$(dirname "$0")"
mkdir -p "$folder"
allocating=(--alloc both --systems roundrock,tokio,smol,kanal --workloads spawn,idle_mem,wake,forkjoin,skynet,router,ask)

bench() { cargo run --quiet --release --package bench-runner -- "$@"; }

# Runs a piece of the work within so many seconds, and keeps what it prints.
within() {
    local limit=$1 name=$2
    shift 2
    echo "== $name, at most $limit s" >&2
    timeout "$limit" "$@" >"$folder/$name.txt" || echo "$name failed, or took too long" >&2
}

build() {
    bench "${allocating[@]}" --workloads spawn --scale 0.01 --reps 1 >/dev/null
    bench --systems roundrock,roundrock-bookless,tokio,smol,kameo --workloads spawn --scale 0.01 --reps 1 >/dev/null
}

books() {
    bench --systems roundrock,roundrock-bookless --reps 9 --json "$folder/books.json" --svg "$folder/books.svg" \
        --workloads spawn,wake,pingpong,ring,stream,stream0,mpmc,mpsc,forkjoin,skynet,router,ask
}

allocators() {
    bench "${allocating[@]}" --reps 3 --json "$folder/allocators.json" --svg "$folder/allocators.svg"
}

timers() {
    bench --systems roundrock,tokio,smol,kameo --workloads idle_cpu,timers --reps 3 --json "$folder/timers.json" --svg "$folder/timers.svg"
}

(($# > 0)) || set -- build books allocators growth timers
export folder
for piece in "$@"; do
    case $piece in
        build) build ;;
        growth)
            within 300 growth-processes ./growth.sh processes 3
            within 180 growth-workers ./growth.sh workers 3
            ;;
        books | timers) within 300 "$piece" bash -c "$(declare -f bench "$piece"); $piece" ;;
        allocators) within 480 "$piece" bash -c "$(declare -p allocating); $(declare -f bench "$piece"); $piece" ;;
        *) echo "no piece $piece; see the head of this file" >&2 && exit 1 ;;
    esac
done
