//! Roundrock as functions and channels: every process is a `#[process]` function.
//!
//! `ask` is the exception: its server is a struct process, as any user would write one.

pub mod messages;
pub mod network;
pub mod processes;
pub mod router;
pub mod timing;
pub mod working;

use bench_suite::entry::Workload;

use crate::ask;
use crate::sim;

/// All workloads.
pub const WORKLOADS: &[Workload] = &[
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
    ("tcp", network::tcp),
    ("http", network::http),
    ("threads", router::router),
    ("compute", working::compute),
    ("burst", working::burst),
    ("sim_steps", sim::sim_steps),
    ("sim_runs", sim::sim_runs),
];
