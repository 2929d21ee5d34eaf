//! Who searches, who sleeps, and whom to wake: the protocol of PARKING.md.
//!
//! **Invariants**
//! - A worker is in `sleepers` exactly while it counts in `sleeping`.
//! - If a task is queued, then a worker is searching, or no worker sleeps, or a wake is under way (no lost wakeup).
//! - Waking costs one fence and one load when somebody is already searching or nobody sleeps.
//!
//! Model: `tests/loom_idle.rs`.

use crate::sync::{AtomicU64, Lock, Ordering, fence};

const SEARCHING: u64 = 1;
const SLEEPING: u64 = 1 << 32;

/// Sleeping and searching workers of a system.
#[derive(Debug)]
pub(crate) struct Idle {
    /// `sleeping:32 | searching:32`.
    counts: AtomicU64,
    sleepers: Lock<Vec<usize>>,
}

impl Idle {
    pub(crate) fn new() -> Self {
        Self {
            counts: AtomicU64::new(0),
            sleepers: Lock::new(Vec::new()),
        }
    }

    /// Called after a task was queued: says which worker to unpark, if one is needed. That worker counts as searching.
    #[inline]
    pub(crate) fn worker_to_wake(&self) -> Option<usize> {
        // ORDERING: SeqCst: the queue was written before this fence; a worker that goes to sleep counts itself before its own
        // fence and looks at the queues after it. One of the two sees the other.
        fence(Ordering::SeqCst);
        // ORDERING: Relaxed: ordered by the fence.
        let counts = self.counts.load(Ordering::Relaxed);
        if searching(counts) > 0 || sleeping(counts) == 0 {
            return None;
        }
        self.take_sleeper()
    }

    #[cold]
    fn take_sleeper(&self) -> Option<usize> {
        let mut sleepers = self.sleepers.lock();
        // ORDERING: Relaxed: counts change from sleeping under this lock only; a searcher that appeared meanwhile is enough.
        if searching(self.counts.load(Ordering::Relaxed)) > 0 {
            return None;
        }
        let worker = sleepers.pop()?;
        // ORDERING: SeqCst: the new searcher must be visible to pushes that come after, in the order of the fences.
        self.counts
            .fetch_add(SEARCHING.wrapping_sub(SLEEPING), Ordering::SeqCst);
        Some(worker)
    }

    /// Becomes a searcher, unless half of the `awake` workers search already.
    pub(crate) fn start_searching(&self, awake: usize) -> bool {
        // ORDERING: Relaxed: a limit on effort, not a matter of correctness.
        if 2 * searching(self.counts.load(Ordering::Relaxed)) as usize >= awake.max(1) {
            return false;
        }
        // ORDERING: SeqCst: in one order with the fences of `worker_to_wake`.
        self.counts.fetch_add(SEARCHING, Ordering::SeqCst);
        true
    }

    /// Stops searching; true if this was the last searcher, who must then wake another worker if it found work.
    pub(crate) fn stop_searching(&self) -> bool {
        // ORDERING: SeqCst: in one order with the fences of `worker_to_wake`.
        searching(self.counts.fetch_sub(SEARCHING, Ordering::SeqCst)) == 1
    }

    /// Counts `worker` as asleep. The caller must look at all queues once more before it parks.
    pub(crate) fn fall_asleep(&self, worker: usize, was_searching: bool) {
        let mut sleepers = self.sleepers.lock();
        sleepers.push(worker);
        // ORDERING: SeqCst, then the fence: see `worker_to_wake`.
        self.counts.fetch_add(
            SLEEPING.wrapping_sub(if was_searching { SEARCHING } else { 0 }),
            Ordering::SeqCst,
        );
        drop(sleepers);
        fence(Ordering::SeqCst);
    }

    /// The worker is awake. True if somebody woke it through [`worker_to_wake`](Self::worker_to_wake), so that it counts as
    /// searching; otherwise it woke by itself (a timer, I/O, or what it found in the last look) and counts as working.
    pub(crate) fn wake_up(&self, worker: usize) -> bool {
        let mut sleepers = self.sleepers.lock();
        match sleepers.iter().position(|&sleeper| sleeper == worker) {
            Some(at) => {
                sleepers.swap_remove(at);
                // ORDERING: SeqCst: in one order with the fences of `worker_to_wake`.
                self.counts.fetch_sub(SLEEPING, Ordering::SeqCst);
                false
            }
            None => true,
        }
    }

    pub(crate) fn sleeping(&self) -> usize {
        // ORDERING: SeqCst: the monitor decides on it whether it may sleep too.
        sleeping(self.counts.load(Ordering::SeqCst)) as usize
    }

    pub(crate) fn searching(&self) -> usize {
        // ORDERING: Relaxed: for observers.
        searching(self.counts.load(Ordering::Relaxed)) as usize
    }
}

fn searching(counts: u64) -> u32 {
    counts as u32
}

fn sleeping(counts: u64) -> u32 {
    (counts >> 32) as u32
}
