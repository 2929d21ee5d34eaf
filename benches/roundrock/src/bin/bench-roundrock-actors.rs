//! Roundrock as structs with handlers, beside the actor crates.

use std::process::ExitCode;

use bench_roundrock::actors::WORKLOADS;

fn main() -> ExitCode {
    bench_suite::entry::main("roundrock-actors", WORKLOADS)
}
