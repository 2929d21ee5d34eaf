//! Roundrock as functions and channels: every process is a `#[process]` function.
//!
//! `ask` is the exception: its server is a struct process, as any user would write one.

mod ask;
mod messages;
mod processes;
mod router;
mod timing;

use std::process::ExitCode;

use bench_suite::entry::{self, Workload};
use bench_suite::measure::Figures;
use roundrock::prelude::*;

/// All workloads.
const WORKLOADS: &[Workload] = &[
    ("spawn", processes::spawn),
    ("idle_mem", processes::idle_mem),
    ("wake", processes::wake),
    ("pingpong", messages::pingpong),
    ("ring", messages::ring),
    ("stream", messages::stream),
    ("stream0", messages::stream0),
    ("mpmc", messages::mpmc),
    ("mpsc", messages::mpsc),
    ("forkjoin", processes::forkjoin),
    ("skynet", processes::skynet),
    ("router", router::router),
    ("ask", ask::ask),
    ("idle_cpu", timing::idle_cpu),
    ("timers", timing::timers),
    ("fairness", timing::fairness),
];

/// Runs a workload in a system with two workers.
fn system<F>(body: impl FnOnce(Scope) -> F) -> Figures
where
    F: Future<Output = Result<Figures>> + Send + 'static,
{
    let ran = System::builder().workers(2).run(body);
    ran.expect("the workload gives what it should")
}

fn main() -> ExitCode {
    entry::main("roundrock", WORKLOADS)
}
