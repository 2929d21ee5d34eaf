//! The clocks of a system: the real one, and a coarse one that costs a load.
//!
//! Reading the real clock takes 20 to 30 ns, as much as a whole message; so the hot path reads the coarse clock, which
//! the monitor writes about 200 times a second while some worker is awake. Everything that is measured with it is charged
//! when a tick passes over it, which is unbiased because the ticks are jittered.

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::sync::{AtomicU32, Ordering, now};

/// The clock of one system.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// Milliseconds since the start plus one, wrapping after 49 days: readers subtract. Never 0 in the first turn.
    coarse_ms: CachePadded<AtomicU32>,
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: now(),
            coarse_ms: CachePadded::new(AtomicU32::new(1)),
        }
    }

    /// The coarse time, at most a few milliseconds old while a worker is awake.
    #[inline]
    pub(crate) fn coarse_ms(&self) -> u32 {
        // ORDERING: Relaxed: a number that orders nothing.
        self.coarse_ms.load(Ordering::Relaxed)
    }

    /// Reads the real clock and publishes it as the coarse time.
    pub(crate) fn write_coarse(&self) -> Instant {
        let now = self.now();
        let ms = (now - self.start).as_millis() as u32;
        // ORDERING: Relaxed: as above.
        self.coarse_ms.store(ms.wrapping_add(1), Ordering::Relaxed);
        now
    }

    pub(crate) fn now(&self) -> Instant {
        now()
    }

    /// Nanoseconds from the system's start to `instant`; zero for what lies before.
    pub(crate) fn nanos(&self, instant: Instant) -> u64 {
        u64::try_from(instant.saturating_duration_since(self.start).as_nanos())
            .unwrap_or(u64::MAX - 1)
    }

    pub(crate) fn now_nanos(&self) -> u64 {
        self.nanos(self.now())
    }

    pub(crate) fn uptime(&self) -> Duration {
        self.now() - self.start
    }
}
