//! The behaviour that Roundrock promises, through its public API, one module per subject.
//!
//! A test named `p05_…` states that promise; the other names say the behaviour. Nothing here passes by the clock: the 10 s
//! of the watchdog only turn a hang into a failure.
//!
//! A body runs on both schedulers, on threads and simulated ([`on_workers`](roundrock_tests::on_workers) and its like), unless it
//! needs none, because its futures are polled by hand, or is about threads: peers that are plain threads, blocked or counted
//! workers, jobs beside processes, the clock, what a system returns and leaves behind. A module that has such tests says so in its
//! header, after "Threads only".

mod adopted;
mod alike;
mod awaited;
mod bad_input;
mod blocking;
mod broadcast;
mod callers;
mod calls;
mod cancel;
mod channel;
mod close;
mod credit;
mod cycles;
mod cycles_of_mailboxes;
mod cycles_of_scopes;
mod dead_letters;
mod deadlock;
mod draining;
mod dump;
mod envelope;
mod foreign;
mod latest;
mod leaks;
mod ledger;
mod limits;
mod linearizable;
mod links;
mod locks;
mod model;
mod names;
mod oneshot;
mod order;
mod outside;
mod pair;
mod panic;
mod places;
mod pools;
mod random;
mod restart;
mod scheduling;
mod scope;
mod select;
#[cfg(feature = "serde")]
mod serialised;
mod shutdown;
mod siblings;
mod snapshot;
mod spawn;
mod standstill;
mod started;
mod stop_waits;
mod stopping;
mod supervision;
mod supervisors;
mod suspects;
mod timers;
mod traffic;
mod wakers;
mod watching;
mod workers;
