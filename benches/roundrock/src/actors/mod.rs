//! Roundrock as actors: every receiver is a `#[process]` struct with handlers, beside the actor crates.
//!
//! A mailbox has the default size, unless the capacity belongs to the workload.

pub mod messages;
pub mod processes;
pub mod router;
pub mod timing;

use bench_suite::entry::Workload;

use crate::ask;

/// All workloads that can be written with a mailbox per process.
pub const WORKLOADS: &[Workload] = &[
    ("spawn", processes::spawn),
    ("idle_mem", processes::idle_mem),
    ("wake", processes::wake),
    ("pingpong", messages::pingpong),
    ("ring", messages::ring),
    ("stream", messages::stream),
    ("stream0", messages::stream0),
    ("mpsc", messages::mpsc),
    ("forkjoin", processes::forkjoin),
    ("skynet", processes::skynet),
    ("router", router::router),
    ("ask", ask::ask),
    ("idle_cpu", timing::idle_cpu),
    ("timers", timing::timers),
];
