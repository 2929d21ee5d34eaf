//! What a running system looks like from outside.

pub(crate) mod snapshot;

pub use snapshot::{Channel, Process, Site, Snapshot, State, Times, Wait, Worker};
