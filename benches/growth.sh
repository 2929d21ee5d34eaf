#!/usr/bin/env bash
# How Roundrock grows: with the number of processes, and with the number of workers.
#
#     benches/growth.sh [processes|workers] [RUNS [PROGRAM]]
#
# `processes`: from 1,000 to 1,000,000 processes with an input each, ns for each message of one sender to all of them in turn
# (`forkjoin`; the difference of a long and a short run, so without start and end), ns to wake and join each (`wake`), and bytes of
# each while it waits (`idle_mem`). `workers`: every workload that passes messages on 1, 2, 4 and 8 workers, whatever the machine
# has, in ns per operation, and the worst as a multiple of two workers. Medians of RUNS, 3 if not given; times are elapsed/CPU, and
# on a machine with other work only the CPU time says something. PROGRAM is a bench-roundrock that is built already, which takes
# longer than the runs: those take one to three minutes. A run that needs more than a minute ends the script.
set -euo pipefail
cd "$(dirname "$0")"
runs=${2:-3}
program=${3:-target/release/bench-roundrock}
if (($# < 3)); then cargo build --quiet --release --package bench-roundrock --bin bench-roundrock; fi
lines=$(mktemp)
trap 'rm -f "$lines"' EXIT

# Runs a workload, for `median`.
run() {
    for _ in $(seq 1 "$runs"); do
        timeout 60 "$program" "$@" || {
            echo "failed, or took more than a minute: $program $*" >&2
            return 1
        }
    done >"$lines"
}

# The median of a figure.
median() {
    grep -o "\"$1\":[0-9.]*" "$lines" | cut -d: -f2 | sort -g | sed -n "$(((runs + 1) / 2))p"
}

# Elapsed and CPU time of an operation, in ns.
times() {
    awk -v wall="$(median wall_s)" -v cpu="$(median cpu_s)" -v n="$(median n)" \
        'BEGIN { printf "%.1f/%.1f\n", wall * 1e9 / n, cpu * 1e9 / n }'
}

processes() {
    printf '%10s %15s %15s %8s\n' processes 'a message' 'a wake' bytes
    for count in 1000 10000 100000 1000000; do
        # Scale 1 is 1,000 rounds: three million messages more in the long run.
        run forkjoin processes="$count" scale="$(awk -v n="$count" 'BEGIN { print 1000 / n }')"
        least="$(median wall_s) $(median cpu_s) $(median n)"
        run forkjoin processes="$count" scale="$(awk -v n="$count" 'BEGIN { print 4000 / n }')"
        most="$(median wall_s) $(median cpu_s) $(median n)"
        message=$(awk -v least="$least" -v most="$most" 'BEGIN {
            split(least, a); split(most, b); n = (b[3] - a[3]) / 1e9
            printf "%.1f/%.1f\n", (b[1] - a[1]) / n, (b[2] - a[2]) / n
        }')
        run wake scale="$(awk -v n="$count" 'BEGIN { print n / 1000000 }')"
        wake=$(times)
        run idle_mem scale="$(awk -v n="$count" 'BEGIN { print n / 1000000 }')"
        printf '%10s %15s %15s %8.0f\n' "$count" "$message" "$wake" "$(median bytes_per_process)"
    done
}

workers() {
    printf '%-10s %13s %13s %13s %13s %8s\n' workload 1 2 4 8 worst
    for workload in spawn pingpong ring stream stream0 mpmc mpsc forkjoin skynet router ask; do
        figures=()
        for count in 1 2 4 8; do
            run "$workload" scale=0.05 workers="$count"
            figures+=("$(times)")
        done
        printf '%s ' "$workload" "${figures[@]}" | awk '{
            split($3, two, "/"); split($4, four, "/"); split($5, eight, "/")
            worst = four[2] > eight[2] ? four[2] : eight[2]
            printf "%-10s %13s %13s %13s %13s %7.2fx\n", $1, $2, $3, $4, $5, worst / two[2]
        }'
    done
}

"${1:-processes}"
