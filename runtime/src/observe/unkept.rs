//! The twin of `kept.rs` for the benchmark's row without books: what they cost is the difference. Snapshots, accounts and the
//! leak detector see nothing true in such a build, and a stop drops late what it takes for deaf.

/// Whether books are kept.
pub(crate) const BOOKS: bool = false;
