//! The clocks of a system: the real or virtual one, and a coarse one that costs a load.
//!
//! Reading the real clock takes 20 to 30 ns, as much as a whole message; so the hot path reads the coarse clock, which
//! the monitor writes about 200 times a second while some worker is awake. Everything that is measured with it is charged
//! when a tick passes over it, which is unbiased because the ticks are jittered.
//!
//! In a simulation time is a number that the simulation sets. Everything in the crate asks the clock of its system, or [`now`]
//! where it has no system at hand, so that both kinds obey the same contract.

use std::time::{Duration, Instant};

use crossbeam_utils::CachePadded;

use crate::scheduler::worker;
use crate::sync::{self, AtomicU32, AtomicU64, Ordering};

/// The clock of one system.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// Milliseconds since the start plus one, wrapping after 49 days: readers subtract. Never 0 in the first turn.
    coarse_ms: CachePadded<AtomicU32>,
    /// Nanoseconds since the start, if the time is virtual, otherwise [`REAL`].
    virtual_nanos: AtomicU64,
}

const REAL: u64 = u64::MAX;

/// Returns the time of the system that runs on this thread: in a process of a simulation its virtual time, anywhere else the
/// time of the machine.
///
/// Code that measures or compares times with this instead of `Instant::now()` can be tested in virtual time.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # roundrock::System::builder().workers(1).run(async |_scope| {
/// let begun = roundrock::time::now();
/// sleep(millis(2)).await;
/// assert!(roundrock::time::now() - begun >= millis(2));
/// # Ok(()) }).unwrap();
/// ```
pub fn now() -> Instant {
    worker::with(|worker| match worker {
        Some(worker) => worker.scheduler().clock.now(),
        None => sync::now(),
    })
}

impl Clock {
    pub(crate) fn start() -> Self {
        Self {
            start: sync::now(),
            coarse_ms: CachePadded::new(AtomicU32::new(1)),
            virtual_nanos: AtomicU64::new(REAL),
        }
    }

    /// A clock that stands at zero until it is [set](Self::set).
    pub(crate) fn standing() -> Self {
        let clock = Self::start();
        clock.set(0);
        clock
    }

    /// Sets the virtual time.
    pub(crate) fn set(&self, nanos: u64) {
        // ORDERING: Relaxed (both): numbers that order nothing, written by the one thread of the simulation.
        self.virtual_nanos
            .store(nanos.min(REAL - 1), Ordering::Relaxed);
        self.coarse_ms.store(
            ((nanos / 1_000_000) as u32).wrapping_add(1),
            Ordering::Relaxed,
        );
    }

    /// Whether the time is virtual.
    pub(crate) fn is_virtual(&self) -> bool {
        // ORDERING: Relaxed: it never changes from one kind to the other.
        self.virtual_nanos.load(Ordering::Relaxed) != REAL
    }

    /// The coarse time, at most a few milliseconds old while a worker is awake.
    #[inline]
    pub(crate) fn coarse_ms(&self) -> u32 {
        // ORDERING: Relaxed: a number that orders nothing.
        self.coarse_ms.load(Ordering::Relaxed)
    }

    /// The present time in the units of [`coarse_ms`](Self::coarse_ms), which stands while all workers sleep: for observers.
    pub(crate) fn present_ms(&self) -> u32 {
        ((self.now() - self.start).as_millis() as u32).wrapping_add(1)
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
        // ORDERING: Relaxed: as in `set`.
        match self.virtual_nanos.load(Ordering::Relaxed) {
            REAL => sync::now(),
            nanos => {
                let since = Duration::from_nanos(nanos);
                self.start.checked_add(since).unwrap_or(self.start)
            }
        }
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
