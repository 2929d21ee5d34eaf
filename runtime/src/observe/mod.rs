//! What a running system looks like from outside.

pub(crate) mod hooks;
pub mod ledger;
pub(crate) mod snapshot;

pub use hooks::{Hooks, ProcessEvent, Watching, watch};
pub use ledger::{DeadCounts, Ledger};
pub use snapshot::{
    ChannelInfo, Direction, Name, OriginInfo, PortInfo, ProcessInfo, Site, Snapshot, State, Times,
    Wait, WorkerInfo,
};
