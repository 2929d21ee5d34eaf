//! What a running system looks like from outside.

#[cfg(not(feature = "bench-without-books"))]
mod kept;
#[cfg(feature = "bench-without-books")]
#[path = "unkept.rs"]
mod kept;

pub(crate) mod dump;
pub(crate) mod events;
pub(crate) mod growth;
pub(crate) mod hooks;
pub mod ledger;
mod locks;
pub(crate) mod model;
mod overview;
pub(crate) mod snapshot;
mod take;
pub(crate) mod words;

pub use events::{Event, EventKind, Events};
pub use hooks::{Hooks, ProcessEvent, Watching, watch};
pub use ledger::{DeadCounts, Ledger};
pub use locks::{LockHolder, LockInfo};
pub use model::{
    ChannelInfo, ChannelKind, ChildInfo, ChildStage, Direction, EdgeInfo, Evidence, ExitInfo,
    GroupInfo, GroupWait, JobInfo, LaneInfo, Name, OriginInfo, OtherChannel, PortInfo, ProcessInfo,
    ScopeInfo, Site, Snapshot, State, Times, Truncated, Wait, WorkerInfo,
};

pub(crate) use kept::BOOKS;
pub(crate) use take::Limits;
