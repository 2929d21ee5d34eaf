//! The sources: whatever brings lines in. All of them feed one rendezvous channel.
//!
//! - `intake` turns the bytes of one stream into counted batches, and what is over a limit into dead letters.
//! - `files` reads files, a few at a time, and standard input; `readable` tells whether a read would wait.
//! - `http` answers `POST /events` and `GET /stats`.
//! - `tcp` takes lines over TCP.
//! - `places` counts the clients that are served at the same time.
//! - `patience` measures how long a client lets the router wait.
//!
//! A source waits with its stream while no worker is free, so it holds one batch of each stream at most and its client waits too.

pub(crate) mod files;
pub(crate) mod http;
mod intake;
mod patience;
mod places;
#[cfg_attr(not(unix), path = "readable_elsewhere.rs")]
mod readable;
pub(crate) mod tcp;

pub(crate) use intake::Port;
