//! The router as a user runs it: the example's binary on files, over HTTP and TCP, with webhooks, under limits and signals.
//!
//! Each test starts its own router on loopback and waits for what it can observe, never for time to pass.

#![cfg(unix)]

mod clash;
mod demo;
mod files;
mod hostile;
mod limits;
mod mistakes;
mod rounds;
mod sample;
mod serve;
mod shapes;
mod sinks;
mod stop;
mod support;
mod webhook;
