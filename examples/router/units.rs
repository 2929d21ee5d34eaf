//! The tests inside the router's files, as a target of their own: `cargo test` builds the example as the program that it is, because the
//! tests in `tests/` start it.

#![expect(
    dead_code,
    unused_imports,
    reason = "`main.rs` puts the parts together; here, only their tests use them"
)]

mod append;
mod clash;
mod cli;
mod client;
mod condition;
mod config;
mod cutter;
mod dead;
mod demo;
mod event;
mod fields;
#[cfg_attr(not(unix), path = "identity_elsewhere.rs")]
mod identity;
mod parcel;
#[cfg_attr(not(unix), path = "pipe_elsewhere.rs")]
mod pipe;
mod report;
mod room;
mod rules;
mod sinks;
mod sources;
mod stats;
mod transform;
mod usage;
mod worker;
