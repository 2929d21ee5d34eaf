//! Roundrock as functions and channels.

use std::process::ExitCode;

use bench_roundrock::functions::WORKLOADS;

fn main() -> ExitCode {
    bench_suite::entry::main("roundrock", WORKLOADS)
}
