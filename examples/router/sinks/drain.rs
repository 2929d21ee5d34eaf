//! How long the sinks may still deliver once the router is told to stop: one clock for all of them.
//!
//! A sink that has nothing to do when the router stops gets parcels from the stages before it later. It has the rest of the time then,
//! not a time of its own: the grace of the router is not longer. The clock starts when the first of them sees the stop. One that waits sees
//! it at once, one that has a request under way when that has ended.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use roundrock::prelude::*;

/// The time to drain.
#[derive(Debug)]
pub(crate) struct Drain {
    time: Duration,
    /// When it is over; set by the first that sees the stop.
    end: OnceLock<Instant>,
}

impl Drain {
    /// As long as `time`, from the stop on.
    pub(crate) fn new(time: Duration) -> Self {
        Self {
            time,
            end: OnceLock::new(),
        }
    }

    /// How much of it is left; `None` while the router runs.
    pub(super) fn left(&self, scope: &Scope) -> Option<Duration> {
        if !scope.is_stopping() {
            return None;
        }
        let end = self.end.get_or_init(|| Instant::now() + self.time);
        Some(end.saturating_duration_since(Instant::now()))
    }
}
