//! The task cell and what the runtime knows of each process.
//!
//! Read in this order: [`state`] (the word that decides who may do what), [`cell`] (the allocation and one step of it),
//! [`memory`] (where cells come from), [`waker`] (who wakes whom), [`watch`] (who waits for an end), [`ending`] (the word that says so), [`current`] (the running step), [`asked`] (where it waits), [`charge`] (what its time goes to), [`registry`] (all processes of a system),
//! [`origin`] (what those have in common that were spawned at one place).

mod again;
pub(crate) mod asked;
pub(crate) mod cell;
mod charge;
pub(crate) mod current;
pub(crate) mod ending;
pub(crate) mod flags;
pub(crate) mod id;
mod interlude;
mod join;
pub(crate) mod memory;
mod noting;
pub(crate) mod origin;
pub(crate) mod ports;
pub(crate) mod registry;
mod set;
pub(crate) mod state;
pub(crate) mod waits;
pub(crate) mod waker;
pub(crate) mod watch;

pub use id::{ProcessId, WaitKind};
pub(crate) use join::TaskRef;
pub use join::{Done, Join, Task};
pub use set::{JoinNext, JoinSet};
pub(crate) use watch::Watchers;
