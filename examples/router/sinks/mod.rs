//! The sinks: each a process, or a few, behind a small bounded channel of parcels.
//!
//! - `lines` writes to a file or to standard output, or drops: a blocking process, because writing may block.
//! - `hand` is what `lines` is writing, and who settles it if a write is stuck when the router stops. Dead letters have one too.
//! - `webhook` posts each event, several at a time, and tries again; `post` is its connection.
//! - `drain` is the time that the sinks have at a stop.
//! - `start` gives each its channel.
//!
//! All settle what they did at their `desk`, which keeps the books.

mod desk;
mod drain;
mod hand;
mod lines;
mod post;
mod start;
mod webhook;

pub(crate) use desk::Desk;
pub(crate) use drain::Drain;
pub(crate) use hand::{GIVEN_UP, Hand};
pub(crate) use lines::open;
pub(crate) use start::start;
