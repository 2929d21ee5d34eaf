#!/usr/bin/env bash
# What a build costs: the same crate of one process with 20 handlers, on Roundrock, kameo and ractor.
#
#     benches/compile/measure.sh [RUNS [SYSTEM...]]
#
# Prints a table: seconds of a clean build with all dependencies, and of a build after one line of a handler was changed (the median
# of RUNS, 5 if not given), both without optimisation and with it, each as elapsed/CPU time; and the size of the optimised binary,
# stripped. On a machine with other work only the CPU time says something. The versions of the rivals are those of
# benches/Cargo.lock. `roundrock-lean` is Roundrock without its HTTP server and its signals, which the others do not have: the feature
# `tokio` alone. Needs the network once, or the registry's cache.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$(cd .. && pwd)
folder=$PWD/target/compile
runs=${1:-5}
systems=(roundrock roundrock-lean kameo ractor)
if (($# > 1)); then systems=("${@:2}"); fi
# As a user builds.
unset CARGO_INCREMENTAL RUSTFLAGS

# Handlers alternate between ones that change the state and ones that answer.
roundrock() {
    echo 'use roundrock::prelude::*;'
    echo '#[process] struct Desk { value: u64 }'
    echo '#[handlers] impl Desk {'
    for n in $(seq 1 10); do
        echo "    fn add_$n(&mut self, by: u64) { self.value = self.value.wrapping_add(by + $n); }"
        echo "    fn get_$n(&self, times: u64) -> u64 { self.value.wrapping_mul(times + $n) }"
    done
    echo '}'
    echo '#[roundrock::main] async fn main(scope: &Scope) -> Result<()> {'
    echo '    let desk = scope.spawn(Desk { value: 0 });'
    for n in $(seq 1 10); do
        echo "    desk.add_$n(1).await?; println!(\"{}\", desk.get_$n(2).await?);"
    done
    echo '    Ok(()) }'
}

roundrock-lean() {
    roundrock
}

kameo() {
    echo 'use kameo::{Actor, actor::Spawn, messages};'
    echo '#[derive(Actor)] struct Desk { value: u64 }'
    echo '#[messages] impl Desk {'
    for n in $(seq 1 10); do
        echo "    #[message] fn add_$n(&mut self, by: u64) { self.value = self.value.wrapping_add(by + $n); }"
        echo "    #[message] fn get_$n(&self, times: u64) -> u64 { self.value.wrapping_mul(times + $n) }"
    done
    echo '}'
    echo '#[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {'
    echo '    let desk = Desk::spawn(Desk { value: 0 });'
    for n in $(seq 1 10); do
        echo "    desk.ask(Add$n { by: 1 }).await?; println!(\"{}\", desk.ask(Get$n { times: 2 }).await?);"
    done
    echo '    Ok(()) }'
}

ractor() {
    echo 'use ractor::{Actor, ActorProcessingErr, ActorRef, RpcReplyPort, call};'
    echo 'struct Desk;'
    echo 'enum Message {'
    for n in $(seq 1 10); do
        echo "    Add$n(u64, RpcReplyPort<()>), Get$n(u64, RpcReplyPort<u64>),"
    done
    echo '}'
    echo 'impl Actor for Desk { type Msg = Message; type State = u64; type Arguments = u64;'
    echo '    async fn pre_start(&self, _me: ActorRef<Message>, value: u64) -> Result<u64, ActorProcessingErr> { Ok(value) }'
    echo '    async fn handle(&self, _me: ActorRef<Message>, message: Message, value: &mut u64) -> Result<(), ActorProcessingErr> {'
    echo '        match message {'
    for n in $(seq 1 10); do
        echo "            Message::Add$n(by, reply) => { *value = value.wrapping_add(by + $n); reply.send(())?; }"
        echo "            Message::Get$n(times, reply) => { reply.send(value.wrapping_mul(times + $n))?; }"
    done
    echo '        } Ok(()) } }'
    echo '#[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {'
    echo '    let (desk, _) = Actor::spawn(None, Desk, 0).await?;'
    for n in $(seq 1 10); do
        echo "    call!(desk, Message::Add$n, 1)?; println!(\"{}\", call!(desk, Message::Get$n, 2)?);"
    done
    echo '    Ok(()) }'
}

dependencies() {
    case $1 in
        roundrock) echo "roundrock = { path = \"$root/runtime\" }" ;;
        roundrock-lean) echo "roundrock = { path = \"$root/runtime\", default-features = false, features = [\"tokio\"] }" ;;
        *)
            version=$(grep -A1 "^name = \"$1\"" Cargo.lock | sed -n 's/^version = "\(.*\)"/\1/p')
            echo "$1 = \"=$version\""
            echo 'tokio = { version = "1", features = ["macros", "rt-multi-thread"] }'
            ;;
    esac
}

make() {
    mkdir -p "$folder/$1/src"
    {
        printf '[package]\nname = "desk-%s"\nversion = "0.0.0"\nedition = "2024"\n[workspace]\n[dependencies]\n' "$1"
        dependencies "$1"
    } > "$folder/$1/Cargo.toml"
    "$1" > "$folder/$1/src/main.rs"
}

build() {
    cargo build --quiet --manifest-path "$folder/$1/Cargo.toml" --target-dir "$folder/$1/target" "${@:2}"
}

# Seconds that passed, and seconds of CPU time.
seconds() {
    local TIMEFORMAT='%R %U %S' measured
    exec 3>&2
    measured=$({ time "$@" >&3 2>&3; } 2>&1)
    awk '{ printf "%.1f/%.1f\n", $1, $2 + $3 }' <<<"$measured"
}

touched() {
    for run in $(seq 1 "$runs"); do
        sed -i "s/(by + 1\( + [0-9]*\)*)/(by + 1 + $run)/" "$folder/$1/src/main.rs"
        seconds build "$@"
    done | sort -n | sed -n "$(((runs + 1) / 2))p"
}

for system in "${systems[@]}"; do
    rm -rf "${folder:?}/$system"
    make "$system"
    cargo fetch --quiet --manifest-path "$folder/$system/Cargo.toml"
done
printf '%-14s %23s %23s\n' '' 'unoptimised' 'optimised'
printf '%-14s %11s %11s %11s %11s %10s %8s\n' system clean touched clean touched 'binary KB' crates
for system in "${systems[@]}"; do
    clean=$(seconds build "$system")
    touch=$(touched "$system")
    clean_optimised=$(seconds build "$system" --release)
    touch_optimised=$(touched "$system" --release)
    binary=$folder/$system/target/release/desk-$system
    [[ $("$binary" | tail -1) -gt 0 ]]
    strip "$binary" -o "$binary.stripped"
    crates=$(grep -c '^name = ' "$folder/$system/Cargo.lock")
    printf '%-14s %11s %11s %11s %11s %10s %8s\n' "$system" "$clean" "$touch" "$clean_optimised" "$touch_optimised" \
        "$(($(stat -c %s "$binary.stripped") / 1024))" "$crates"
done
