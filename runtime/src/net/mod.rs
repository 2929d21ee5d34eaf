//! HTTP servers whose connections are processes: for axum, tower and hyper services.
//!
//! [`serve`] starts one process that accepts, and one for each connection, on the workers and in the scope that it is given.
//! So a request runs where the rest of the program runs: it may use every operation of Roundrock, it is stolen by an idle
//! worker, it shows in snapshots, and its scope stops it. (Code that calls `tokio::spawn` itself, as `axum::serve` does, works
//! too, but its tasks share the one thread that drives the I/O, outside of all scopes; see [`system`](crate::system).)
//!
//! The protocol is hyper's HTTP/1; its timers are Roundrock's, and nothing is spawned behind the scope's back. HTTP/2 needs a
//! crate tree of its own, so it stays with a proxy in front.
//!
//! **Invariants**
//! - A connection holds one of `max_connections` places from before it is served until its process has ended, however it
//!   ended.
//! - No client holds its place by what it does not do: it must go on with the head of a request, and with reading its answers. How
//!   long a body may take is the matter of the service.
//! - What happens to one connection never ends the accepting process, nor fails the scope.
//!
//! Read in this order: `options` (what users write), `server` (who accepts), `connection` (one connection), `stream` (its bytes),
//! `deadlines` (until when its client must have gone on), `refusal` (clients that are refused), `timer` (timers for other code that
//! drives hyper).

mod connection;
mod deadlines;
mod options;
mod refusal;
mod server;
mod stream;
mod timer;

pub use connection::Peer;
pub use options::{ServeOptions, serve};
pub use refusal::{Refusal, Refused};
pub use server::Server;
pub use timer::Timer;
