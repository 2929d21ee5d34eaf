//! Time: clocks, timers, and deadlines.
//!
//! Read in this order: `clock` (real time and the coarse clock), `queue` (the scheduler's timers), `sleep`, `interval`.

pub(crate) mod clock;
pub(crate) mod interval;
pub(crate) mod queue;
pub(crate) mod sleep;

pub use clock::now;
pub use interval::{Interval, MissedTick, Tick, interval};
pub use sleep::{Elapsed, Sleep, Timeout, Within, sleep, sleep_until, timeout};
pub use std::time::{Duration, Instant};

/// A duration of `n` seconds.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
///
/// assert_eq!(secs(1), millis(1000));
/// assert_eq!(millis(1), micros(1000));
/// ```
pub const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A duration of `n` milliseconds.
pub const fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A duration of `n` microseconds.
pub const fn micros(n: u64) -> Duration {
    Duration::from_micros(n)
}
