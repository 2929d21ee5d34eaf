//! Roundrock.

#[doc(hidden)]
pub mod __private;
pub mod blocking;
pub mod channel;
pub mod error;
pub mod observe;
pub mod process;
mod scheduler;
pub mod scope;
mod signals;
pub mod supervise;
mod sync;
pub mod system;
mod task;
#[cfg(all(test, loom))]
mod tests;
pub mod time;

/// The program in the README is tested.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
mod readme {}

pub use roundrock_macros::{
    every, handler, handlers, inbox, key, main, on_start, on_stop, process, recv, select,
};

pub use channel::unbounded;
pub use error::{Context, Error, Ok, Result};
pub use process::{Call, CallError, Cx, Exit, Fault, Handle, Process, Reply, WeakHandle};
pub use scope::{ExitReport, Scope};
pub use system::System;
pub use task::{Done, Join, ProcessId, Task, WaitKind};

/// Everything that a program of processes needs.
pub mod prelude {
    pub use crate::{
        every, handler, handlers, inbox, key, on_start, on_stop, process, recv, select,
    };

    pub use crate::{bail, ensure};

    pub use crate::blocking::blocking;
    pub use crate::channel::{
        ChannelOptions, Overflow, Receiver, Sender, bounded, cancel_safe, rendezvous,
    };
    pub use crate::error::{Context, Error, Result};
    pub use crate::process::{Call, CallError, Cx, Exit, Handle, PoolPolicy, Process, Reply};
    pub use crate::scope::Scope;
    pub use crate::system::System;
    pub use crate::task::Task;
    pub use crate::time::{Within, interval, micros, millis, secs, sleep, timeout};
}
