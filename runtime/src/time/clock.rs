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
use crate::sync::{self, AtomicU32, AtomicU64, Ordering, fence};

/// The clock of one system.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// Milliseconds since the start plus one, wrapping after 49 days: readers subtract. Never 0 in the first turn.
    coarse_ms: CachePadded<AtomicU32>,
    /// The last time that all slept and the coarse clock stood: `since:32 | until:32`.
    stood: AtomicU64,
    /// Which turn of standing this is; 0 while the coarse clock goes.
    standing: AtomicU32,
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
            stood: AtomicU64::new(0),
            standing: AtomicU32::new(0),
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
        self.ms(self.now())
    }

    /// Reads the real clock and publishes it as the coarse time.
    pub(crate) fn write_coarse(&self) -> Instant {
        let now = self.now();
        self.publish(self.ms(now));
        now
    }

    /// The monitor is about to sleep, and nobody writes the coarse time until [`go_on`](Self::go_on).
    pub(crate) fn stand(&self, turn: u32) {
        // ORDERING: Relaxed: the fence in `Rest::sleep_while` follows, see there.
        self.standing.store(turn, Ordering::Relaxed);
    }

    /// Writes the coarse time if it stands: by the worker that woke first, by who starts a process from outside, and by the monitor.
    #[inline]
    pub(crate) fn go_on(&self) {
        // ORDERING: Acquire: pairs with the Release of who has ended it. That it is seen to stand: see `stand`.
        let turn = self.standing.load(Ordering::Acquire);
        if turn != 0 {
            self.end_stand(turn);
        }
    }

    #[cold]
    fn end_stand(&self, turn: u32) {
        let now = self.now();
        let (since, until) = (self.coarse_ms(), self.ms(now));
        if until.wrapping_sub(since).cast_signed() > 0 {
            let stood = u64::from(since) << 32 | u64::from(until);
            // ORDERING: Relaxed: published with the time. Of several who wake at once each writes nearly the same.
            self.stood.store(stood, Ordering::Relaxed);
        }
        self.publish(until);
        // ORDERING: Release: who reads that it goes on finds the time. One that comes late does not end the next stand.
        let _ = self
            .standing
            .compare_exchange(turn, 0, Ordering::Release, Ordering::Relaxed);
    }

    /// Publishes a time unless somebody has published a later one.
    fn publish(&self, ms: u32) {
        let later = |before: u32| (ms.wrapping_sub(before).cast_signed() > 0).then_some(ms);
        // ORDERING: Release: who reads this time, and asks with a fence, knows since when the clock has stood before.
        let _ = self
            .coarse_ms
            .fetch_update(Ordering::Release, Ordering::Relaxed, later);
    }

    /// In the units of [`coarse_ms`](Self::coarse_ms).
    fn ms(&self, instant: Instant) -> u32 {
        ((instant - self.start).as_millis() as u32).wrapping_add(1)
    }

    /// When something happened that was stamped with this coarse time, and that has to do with a wake: what was stamped while the clock
    /// stood happened when it went on, or a moment before.
    pub(crate) fn settled(&self, stamp_ms: u32) -> u32 {
        // ORDERING: Acquire fence: pairs with the Release in `publish`, whose time the caller has read.
        fence(Ordering::Acquire);
        let stood = self.stood.load(Ordering::Relaxed);
        match (stood >> 32) as u32 == stamp_ms && stood != 0 {
            true => stood as u32,
            false => stamp_ms,
        }
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

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Clock;
    use std::time::Duration;

    /// What is stamped while the clock stands happened when it went on, and nothing else did.
    #[test]
    fn a_stamp_of_a_clock_that_stood_is_settled() {
        let clock = Clock::start();
        let slept = clock.coarse_ms();
        clock.stand(1);
        std::thread::sleep(Duration::from_millis(3));
        assert_eq!(clock.coarse_ms(), slept, "it stands");
        clock.go_on();
        let woke = clock.coarse_ms();
        assert!(woke.wrapping_sub(slept) >= 3, "{slept} {woke}");
        assert_eq!((clock.settled(slept), clock.settled(woke)), (woke, woke));
        assert_eq!(clock.settled(slept - 1), slept - 1);
        std::thread::sleep(Duration::from_millis(3));
        clock.go_on();
        assert_eq!(
            clock.coarse_ms(),
            woke,
            "it goes already, and the monitor writes it"
        );
        clock.write_coarse();
        assert_eq!(clock.settled(slept), woke, "late is not standing");
    }
}
