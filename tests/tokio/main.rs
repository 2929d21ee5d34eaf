//! tokio's world inside processes: its I/O, timers and locks, HTTP of hyper and axum, and runtimes that exist already.
//!
//! Nothing here passes by the clock: the watchdog only turns a hang into a failure.

mod driver;
mod given;
mod http;
mod io;
mod tasks;
