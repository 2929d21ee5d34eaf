//! The workloads, written once for systems of tasks and channels.
//!
//! A system implements the traits of [`traits`] and calls [`workloads`] for its table. One whose processes block their own
//! stack runs each body with [`traits::run_at_once`], and blocks inside the functions that it implements.

pub mod ask;
pub mod messages;
pub mod processes;
pub mod router;
pub mod timing;
pub mod traits;
pub mod working;

use crate::entry::{Arguments, Workload};
use crate::load::Client;
use crate::measure::Figures;
use traits::{Runtime, System};

/// The table of a system.
pub fn workloads<S: System>() -> Vec<Workload> {
    let mut all = channel_workloads::<S>();
    let rest: [Workload; 6] = [
        ("spawn", processes::spawn::<S>),
        ("idle_cpu", timing::idle_cpu::<S>),
        ("timers", timing::timers::<S>),
        ("fairness", timing::fairness::<S>),
        ("tcp", tcp::<S>),
        ("burst", working::burst::<S>),
    ];
    all.extend(rest);
    all
}

/// The part of the table that depends on the channels, for systems that are the runtime of another one with other channels.
pub fn channel_workloads<S: System>() -> Vec<Workload> {
    vec![
        ("idle_mem", processes::idle_mem::<S>),
        ("wake", processes::wake::<S>),
        ("pingpong", messages::pingpong::<S>),
        ("ring", messages::ring::<S>),
        ("stream", messages::stream::<S>),
        ("stream0", messages::stream0::<S>),
        ("mpmc", messages::mpmc::<S>),
        ("mpsc", messages::mpsc::<S>),
        ("forkjoin", processes::forkjoin::<S>),
        ("skynet", processes::skynet::<S>),
        ("router", router::router::<S>),
        ("ask", ask::ask::<S>),
    ]
}

/// Connections of a client that are echoed. The client ends the program.
fn tcp<S: System>(arguments: &Arguments) -> Figures {
    let client = Client::new(S::NAME, arguments);
    S::Runtime::run(S::Runtime::echo(client));
    unreachable!("a server does not end")
}
