//! Processes: functions and structs that run in a scope.
//!
//! Read in this order: `spawn` (what can be started), `function`, `handle` and `structure` (structs and their
//! loop), `call` and `reply` (messages and replies), `caller` (who waits for one), `context`, `then` (work beside the handlers), `port` (lent endpoints), `exit`, and `meta` (what the macros
//! say).

pub(crate) mod call;
pub(crate) mod caller;
pub(crate) mod context;
pub(crate) mod exit;
pub(crate) mod function;
pub(crate) mod handle;
pub(crate) mod meta;
pub(crate) mod pool;
pub(crate) mod port;
pub(crate) mod reply;
pub(crate) mod spawn;
pub(crate) mod structure;
pub(crate) mod then;

pub use call::{Call, CallError, CallFuture, CallSend};
pub use caller::CallerGone;
pub use context::Cx;
pub use exit::{Exit, Fault, IntoOutcome, Panic, Reason};
pub use function::{FnHandle, Process};
pub use handle::{Handle, Handlers, StructProcess, WeakHandle};
pub use pool::{Policy, PoolPolicy, Routed};
pub use reply::Reply;
pub use spawn::{Pool, Spawn, SpawnOptions};
