//! The behaviour that Roundrock promises, through its public API, one module per subject.
//!
//! A test named `p05_…` states that promise; the other names say the behaviour. Nothing here passes by the clock: the 10 s
//! of the watchdog only turn a hang into a failure.
//!
//! A body runs on both schedulers, on threads and simulated ([`on_workers`](roundrock_tests::on_workers) and its like), unless it
//! needs none, because its futures are polled by hand, or is about threads: peers that are plain threads, blocked or counted
//! workers, jobs beside processes, the clock, what a system returns and leaves behind. A module that has such tests says so in its
//! header, after "Threads only".
//!
//! Without the feature `rest` only those modules are there that a feature of the runtime could break: how workers park, timers, what
//! blocks, how a system stops, and each kind of operation once.

#[cfg(feature = "rest")]
mod adopted;
#[cfg(feature = "rest")]
mod alike;
#[cfg(feature = "rest")]
mod awaited;
mod bad_input;
mod blocking;
mod broadcast;
#[cfg(feature = "rest")]
mod callers;
mod calls;
mod cancel;
mod channel;
mod close;
#[cfg(feature = "rest")]
mod credit;
#[cfg(feature = "rest")]
mod cycles;
#[cfg(feature = "rest")]
mod cycles_of_mailboxes;
#[cfg(feature = "rest")]
mod cycles_of_scopes;
#[cfg(feature = "rest")]
mod dead_letters;
mod deadlock;
#[cfg(feature = "rest")]
mod draining;
#[cfg(feature = "rest")]
mod dump;
#[cfg(feature = "rest")]
mod envelope;
#[cfg(feature = "rest")]
mod flavors;
#[cfg(feature = "rest")]
mod flushing;
mod foreign;
#[cfg(feature = "rest")]
mod given_up;
mod incarnations;
mod latest;
#[cfg(feature = "rest")]
mod leaks;
#[cfg(feature = "rest")]
mod ledger;
#[cfg(feature = "rest")]
mod limits;
#[cfg(feature = "rest")]
mod linearizable;
#[cfg(feature = "rest")]
mod links;
mod locks;
#[cfg(feature = "rest")]
mod model;
#[cfg(feature = "rest")]
mod names;
mod oneshot;
#[cfg(feature = "rest")]
mod order;
mod outside;
#[cfg(feature = "rest")]
mod pair;
mod panic;
#[cfg(feature = "rest")]
mod pauses;
#[cfg(feature = "rest")]
mod places;
mod pools;
#[cfg(feature = "rest")]
mod random;
mod restart;
mod scheduling;
mod scope;
mod select;
#[cfg(feature = "serde")]
mod serialised;
mod served;
mod shutdown;
#[cfg(feature = "rest")]
mod siblings;
mod snapshot;
mod spawn;
#[cfg(feature = "rest")]
mod standstill;
mod started;
mod starting;
mod stop_waits;
mod stopping;
mod supervision;
#[cfg(feature = "rest")]
mod supervisors;
#[cfg(feature = "rest")]
mod suspects;
mod timers;
mod traffic;
mod unbegun;
mod wakers;
mod watching;
mod workers;
