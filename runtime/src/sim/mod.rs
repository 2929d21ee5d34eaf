//! Deterministic tests: a program's own processes on a seeded scheduler with virtual time.
//!
//! `#[roundrock::test]` runs an `async fn` many times, each time with another *seed*. In each run one thread runs all processes,
//! one at a time, and whatever could happen in several ways is a choice: which process runs next, whether the running one is
//! interrupted before an operation, which arm of a `select!` is looked at first, which of two timers that are due at once fires
//! first. The types are those of production: channels, timers, supervisors, pools and `select!` are the same code.
//!
//! A run fails when the body or a process panics or fails, when nothing can run any more although the body waits (a deadlock),
//! when processes are left that wait for ever after the body has returned, and when they do not end within the grace of the stop
//! that follows; and when the runtime made a mistake, of which the message says so. The failure is made simpler and printed with what
//! is needed to see it again; see [`Failure`].
//!
//! # Where processes are interrupted
//!
//! Before the effect of every send, receive, call, join, lock and wait for a stop, and before a whole `select!`; a pause, a tick and
//! a job that blocks wait in any case. What lies between two of them is one step: plain code, `try_send`, `try_recv`, `spawn`, and
//! the drop of an endpoint do not switch. So a race on atomics or
//! on locks of the standard library is found only if an operation lies between the two accesses.
//!
//! # Time
//!
//! It begins at zero, stands still while anything can run, and then jumps to the next timer: a test that sleeps for a year takes
//! no time. So a time-out never passes while the work that it waits for could go on, unless the test asks for slow processes
//! ([`Faults::slow`]). What measures time must ask [`time::now`](crate::time::now), not `Instant::now`.
//!
//! # What cannot be simulated
//!
//! Sockets, files and timers of tokio (there is no reactor: tokio's own panic names the call), threads that wake processes (the
//! run fails and names the process), and code that blocks its thread (`std::thread::sleep`, a socket or a lock of the standard
//! library: if it takes a millisecond or more the run fails and names the process and the call, on Linux; if it never comes back, that is said
//! on standard error after five seconds). Jobs of [`blocking`](crate::blocking::blocking) run inline, at a moment that is chosen;
//! one that waits for a process, with `blocking_recv` say, is refused.
//!
//! # Reading order
//!
//! `tape` (choices), `strategy` (how they are made), `machine` (one step), `ready` (who can run), `aside` (who could run and does not), `here` (what the runtime asks), `record` (what is noted
//! of it; `told` for what does not wait; `labels` and `rounds` make it shorter), `values` (messages in words), `run` (one run), `quiet` (what is known when nothing can run; `threads`: who may still come from outside), `search` (many runs; `alike` compares two, `again` makes one once more),
//! `blocked` and `calls` (code that blocks; `beside` is their thread), `shrink`, `report`; and for users `handle`, `probe`, `model`, `monitor`, `faults`.

mod again;
mod alike;
mod aside;
mod beside;
mod blocked;
mod calls;
mod entry;
pub(crate) mod events;
mod faults;
mod handle;
pub(crate) mod here;
mod labels;
pub(crate) mod machine;
mod model;
mod monitor;
mod pos;
mod probe;
mod quiet;
mod ready;
mod reason;
mod record;
mod report;
mod rounds;
mod run;
mod search;
mod shrink;
pub(crate) mod strategy;
mod tape;
mod threads;
pub(crate) mod told;
pub(crate) mod values;

use std::panic::Location;

#[doc(hidden)]
pub use entry::{run_real_test, run_test};
pub use faults::Faults;
pub use handle::Sim;
pub use model::Model;
pub use probe::Probe;
pub use reason::Reason;
pub use report::{Failure, Summary};
pub use search::Simulation;
pub use strategy::Strategy;
pub use tape::{NotATape, Tape};

/// Ends the run, because something else came than was expected.
fn expectation(what: &str, site: &'static Location<'static>, text: String) -> ! {
    let site = format!("{}:{}", events::short(site.file()), site.line());
    let reason = Reason::Expected {
        what: what.to_owned(),
        text: text.clone(),
        site,
    };
    here::with(|machine| {
        if let Some(machine) = machine {
            machine.break_off(|| reason);
        }
    });
    // The report says it; the panic hook need not.
    std::panic::resume_unwind(Box::new(text))
}
