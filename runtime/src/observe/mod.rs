//! What a running system looks like from outside.

#[cfg(not(feature = "bench-without-books"))]
mod kept;
#[cfg(feature = "bench-without-books")]
#[path = "unkept.rs"]
mod kept;

pub(crate) mod hooks;
pub mod ledger;
pub(crate) mod snapshot;

pub use hooks::{Hooks, ProcessEvent, Watching, watch};
pub use ledger::{DeadCounts, Ledger};
pub use snapshot::{
    ChannelInfo, Direction, Name, OriginInfo, PortInfo, ProcessInfo, Site, Snapshot, State, Times,
    Wait, WorkerInfo,
};

pub(crate) use kept::BOOKS;
