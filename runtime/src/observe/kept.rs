//! Books are kept: counters, times and wait records of processes and channels.

/// Whether they are.
pub(crate) const BOOKS: bool = true;
