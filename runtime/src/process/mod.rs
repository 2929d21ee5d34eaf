//! Processes: functions and structs that run in a scope.
//!
//! Read in this order: `spawn` (what can be started), `function`, `handle` and `structure` (structs and their
//! loop), `inbox` (handles of functions), `call`, `reply` and `later` (messages and replies), `refusal` and `cause` (why a call gave no value), `caller` (who waits for one), `context`, `then` (work beside the handlers), `port` (lent endpoints), `exit`, `meta` (what the macros
//! say), and `stubs` (what stands beside their errors).

pub(crate) mod call;
pub(crate) mod call_send;
pub(crate) mod caller;
pub(crate) mod cause;
pub(crate) mod context;
pub(crate) mod exit;
pub(crate) mod extra;
pub(crate) mod function;
pub(crate) mod handle;
pub(crate) mod inbox;
pub(crate) mod later;
pub(crate) mod meta;
pub(crate) mod parcel;
pub(crate) mod pool;
pub(crate) mod port;
pub(crate) mod refusal;
pub(crate) mod reply;
pub(crate) mod spawn;
pub(crate) mod structure;
pub(crate) mod stubs;
pub(crate) mod then;

pub use call::{Call, CallFuture};
pub use call_send::{CallSend, CallSendWithin};
pub use caller::CallerGone;
pub use context::Cx;
pub use exit::{Exit, Fault, IntoOutcome, Panic, Reason};
pub use extra::{NoTrace, TraceContext};
pub use function::Process;
pub use handle::{Handle, Handlers, StructProcess, WeakHandle};
pub use inbox::{FnHandle, WeakFnHandle};
pub use later::Reply;
pub use pool::{Keyed, Policy, PoolPolicy, Routed};
pub use refusal::CallError;
pub use spawn::{Pool, Spawn, SpawnOptions};
