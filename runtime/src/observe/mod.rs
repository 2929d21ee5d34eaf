//! What a running system looks like from outside.

pub(crate) mod hooks;
pub(crate) mod snapshot;

pub use hooks::{Event, Hooks, Watching, watch};
pub use snapshot::{ChannelInfo, ProcessInfo, Site, Snapshot, State, Times, Wait, WorkerInfo};
