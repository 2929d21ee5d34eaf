//! Processes.

pub(crate) mod exit;
pub(crate) mod spawn;

pub use exit::{Exit, Fault, IntoOutcome, Panic};
pub use spawn::{Pool, Spawn, SpawnOptions};
