//! What a running system looks like from outside.

pub(crate) mod snapshot;

pub use snapshot::{ChannelInfo, ProcessInfo, Site, Snapshot, State, Times, Wait, WorkerInfo};
