//! The state word of a task: its phase, its references, and how many wakers live inside and outside of the runtime.
//!
//! ```text
//!  63        32 31    24 23       8 7      0
//! +------------+--------+----------+--------+
//! | references | waits  | outside  | flags  |
//! +------------+--------+----------+--------+
//! ```
//!
//! | flags | meaning |
//! |---|---|
//! | none | parked: nobody polls it and it is in no queue |
//! | `SCHEDULED` | in exactly one queue, or about to be put there by the one who set the flag, or polled by the worker that took it out |
//! | `SCHEDULED + AGAIN` | as above, and will be queued again after that poll |
//! | `DONE` | the future is gone; the output (if any) belongs to whoever holds the `Task` |
//! | `KILLED` | the next step of a worker drops the future instead of polling it |
//! | `MANY` | the task had more waits at once than are counted, and is never again taken for one whose waits are all known |
//!
//! **References.** The task itself holds one from spawn to the end of its last step (the *life* reference), so a queue and
//! a worker need none. Every waker, every `TaskRef` and every parked wait holds one. A wait that is registered during a
//! poll is counted by the worker in a plain counter and published by [`State::park`]; a waker consumes its reference
//! in the same compare-exchange that notifies. The field may therefore be "negative" for a moment (a wait consumed before
//! it was published): the sum is taken modulo 2^32, the life reference keeps the cell alive meanwhile, and nobody frees
//! before [`State::finish`] has published everything.
//!
//! **Waits** are those of the references that parked waits of ours hold. A process that has more of them than its last poll has spoken
//! of keeps a future that it polled earlier, and that may still wake it: so the search for leaks compares the two. The count is taken
//! modulo 256, and `MANY` is set when it comes near to going round; with the references above it, it is one number to which each wait adds 2^8 + 1 (in units of [`WAIT`]), so whatever
//! is borrowed in between comes back, and a count that has overflowed tells the references nothing wrong once all waits are gone.
//!
//! **Outside** are wakers that other code has cloned. The count stops at its largest number, and stays there.
//!
//! **No mark for running.** A worker changes nothing when it takes a task out of a queue, which saves one atomic operation in
//! every step. So a wake cannot know whether the poll has begun, and asks for another one in any case. Our own waits are
//! woken once, so this costs a poll only when two futures of other crates wake a task that is still queued.
//!
//! **Invariants**
//! - Whoever sets `SCHEDULED` must queue the task. Only the worker that polled it clears the flag.
//! - After `DONE` no flag changes again.
//!
//! Model: `tests/loom_task.rs` (a wake is never lost; one poller; the cell is freed once).

use crate::sync::{AtomicU64, Ordering};

const SCHEDULED: u64 = 1;
const AGAIN: u64 = 1 << 1;
const DONE: u64 = 1 << 2;
const KILLED: u64 = 1 << 3;
const MANY: u64 = 1 << 4;
const FLAGS: u64 = 0xff;
const OUTSIDE: u64 = 1 << 8;
const OUTSIDES: u64 = 0xffff << 8;
const WAITS: u32 = 24;
/// What a reference adds to the word.
pub(crate) const REFERENCE: i64 = 1 << 32;
/// What a wait adds to the word: it is a reference too.
pub(crate) const WAIT: i64 = REFERENCE + (1 << WAITS);
const REFERENCES: u64 = 0xffff_ffff << 32;

/// What the caller of [`State::notify`] has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notify {
    /// Put the task into a queue.
    Queue,
    /// Nothing: it is queued, will be queued by its worker, or is done.
    Nothing,
    /// Nothing to queue, but the consumed reference was the last one: free the cell.
    Free,
}

/// What a worker does after a poll that returned `Pending`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Parked {
    /// The task sleeps; the worker must not touch it any more.
    Asleep,
    /// It was notified meanwhile: queue it again.
    Again,
    /// A kill was asked for: the worker still owns the task, and drops its future.
    Killed,
}

/// `MANY`, if the number of waits would leave the range in which it is known when so much is added to a word. A wait may end before it
/// was counted, so that range is that of a signed byte.
#[inline]
fn many(seen: u64, added: i64) -> u64 {
    const FIELD: u32 = 0xff << WAITS;
    /// So many waits and references in one poll.
    const FEW: i64 = 100;
    let waits = |word: u64| (word as u32 & FIELD).cast_signed();
    let (_, overflows) = waits(seen).overflowing_add(waits(added.cast_unsigned()));
    let is_few = (-FEW..FEW).contains(&(added >> 32));
    if overflows || !is_few { MANY } else { 0 }
}

/// The word described in the header of this file.
#[derive(Debug)]
pub(crate) struct State(AtomicU64);

impl State {
    /// A new task: scheduled (its spawner queues it), with the life reference and `extra` more.
    pub(crate) fn new(extra: u64) -> Self {
        Self(AtomicU64::new(SCHEDULED | ((1 + extra) << 32)))
    }

    /// Notifies without giving up a reference.
    #[inline]
    pub(crate) fn notify(&self) -> Notify {
        self.notify_with(0, 0)
    }

    /// Notifies and gives up one reference in the same step.
    #[inline]
    pub(crate) fn notify_and_release(&self) -> Notify {
        self.notify_with(REFERENCE, 0)
    }

    /// Notifies, and gives up the reference of a wait in the same step.
    #[inline]
    pub(crate) fn notify_and_end_wait(&self) -> Notify {
        self.notify_with(WAIT, 0)
    }

    /// Asks that the future be dropped at the next step.
    pub(crate) fn kill(&self) -> Notify {
        self.notify_with(0, KILLED)
    }

    #[inline]
    fn notify_with(&self, released: i64, flag: u64) -> Notify {
        // ORDERING: Relaxed: only the first guess for the compare-exchange.
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let notified = match seen & (SCHEDULED | DONE) {
                0 => SCHEDULED | flag,
                SCHEDULED => AGAIN | flag,
                _ => 0,
            };
            let next = seen.wrapping_sub(released as u64) | notified;
            // ORDERING: Release publishes what the waker wrote to the poll that follows (Acquire in `may_poll` or `park`); Acquire
            // orders this read-modify-write after a previous `park`, so that the task's own last writes are visible to the thread
            // that will run it. It also covers `Free`, where the caller goes on to destroy the cell.
            match self
                .0
                .compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) if seen & (SCHEDULED | DONE) == 0 => return Notify::Queue,
                Ok(_) if released != 0 && seen & DONE != 0 && next & REFERENCES == 0 => {
                    return Notify::Free;
                }
                Ok(_) => return Notify::Nothing,
                Err(now) => seen = now,
            }
        }
    }

    /// Whether the worker that took the task from a queue may poll it; otherwise it drops the future.
    #[inline]
    pub(crate) fn may_poll(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of every `notify` before this step; one that comes later sets `AGAIN`.
        let seen = self.0.load(Ordering::Acquire);
        debug_assert_eq!(
            seen & (SCHEDULED | DONE),
            SCHEDULED,
            "a queued task is scheduled and not done"
        );
        seen & KILLED == 0
    }

    /// Ends a poll that returned `Pending`, publishing the `registered` waits and references: so many times [`WAIT`] and
    /// [`REFERENCE`] (may be negative).
    #[inline]
    pub(crate) fn park(&self, registered: i64) -> Parked {
        // ORDERING: Relaxed: only the first guess.
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let counted = seen.wrapping_add_signed(registered) | many(seen, registered);
            let (next, parked) = match seen & (AGAIN | KILLED) {
                0 => (counted & !SCHEDULED, Parked::Asleep),
                AGAIN => (counted & !AGAIN, Parked::Again),
                _ => (counted, Parked::Killed),
            };
            // ORDERING: Release publishes this poll to the next poller; Acquire makes the writes of a waker that notified during
            // the poll visible when the task goes on at once.
            match self
                .0
                .compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return parked,
                Err(now) => seen = now,
            }
        }
    }

    /// Whether the task, which is being polled, was woken or killed meanwhile.
    pub(crate) fn is_asked_again(&self) -> bool {
        // ORDERING: Relaxed: whoever parks the task looks again.
        self.0.load(Ordering::Relaxed) & (AGAIN | KILLED) != 0
    }

    /// Whether a kill was asked for.
    pub(crate) fn is_killed(&self) -> bool {
        // ORDERING: Relaxed: the flag carries no data.
        self.0.load(Ordering::Relaxed) & KILLED != 0
    }

    /// To `DONE`: the future is gone and the output is stored. Publishes what was `registered`, as [`park`](Self::park).
    pub(crate) fn finish(&self, registered: i64) {
        // ORDERING: Relaxed: only the first guess.
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let next = seen.wrapping_add_signed(registered) & !(SCHEDULED | AGAIN) | DONE;
            // ORDERING: Release publishes the output and the exit to whoever sees `DONE`.
            match self
                .0
                .compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// Whether the future is gone.
    #[inline]
    pub(crate) fn is_done(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `finish`: output and exit are visible.
        self.0.load(Ordering::Acquire) & DONE != 0
    }

    /// Whether the task is done, and the caller has the only reference that is left.
    pub(crate) fn is_last(&self) -> bool {
        // ORDERING: Acquire pairs with the Release of those who gave up theirs: what they did comes before what the caller does.
        let seen = self.0.load(Ordering::Acquire);
        seen & DONE != 0 && seen & REFERENCES == REFERENCE as u64
    }

    /// Whether the task is neither running nor in a queue nor done.
    pub(crate) fn is_parked(&self) -> bool {
        // ORDERING: Acquire: what the task wrote before it parked is visible to the observer.
        self.0.load(Ordering::Acquire) & (SCHEDULED | DONE) == 0
    }

    /// Whether the task is parked, was not killed, nobody outside has its waker, and its waits are counted.
    pub(crate) fn is_at_rest(&self) -> bool {
        // ORDERING: Acquire: as in `is_parked`.
        self.0.load(Ordering::Acquire) & (SCHEDULED | DONE | KILLED | MANY | OUTSIDES) == 0
    }

    /// How many parked waits of ours would wake the task, modulo 256. Meant for one that is parked.
    pub(crate) fn waits(&self) -> u8 {
        // ORDERING: Acquire: as in `is_parked`.
        (self.0.load(Ordering::Acquire) >> WAITS) as u8
    }

    /// The task has more waits than are counted.
    #[cold]
    pub(crate) fn has_many_waits(&self) {
        // ORDERING: Relaxed: whoever parks the task publishes it.
        self.0.fetch_or(MANY, Ordering::Relaxed);
    }

    /// Live clones of the task's waker that no wait of ours accounts for.
    pub(crate) fn outside(&self) -> u64 {
        // ORDERING: Acquire: the observer's later reads come after this one.
        (self.0.load(Ordering::Acquire) & OUTSIDES) >> 8
    }

    /// One more reference.
    #[inline]
    pub(crate) fn retain(&self) {
        // ORDERING: Relaxed: a new reference is made from a living one, nothing is published.
        self.0.fetch_add(REFERENCE as u64, Ordering::Relaxed);
    }

    /// One more wait, whose process is not polled by this thread.
    pub(crate) fn retain_wait(&self) {
        // ORDERING: Relaxed: as in `retain`.
        let seen = self.0.fetch_add(WAIT as u64, Ordering::Relaxed);
        if many(seen, WAIT) != 0 {
            self.has_many_waits();
        }
    }

    /// One reference less; true if the caller must free the cell.
    #[inline]
    pub(crate) fn release(&self) -> bool {
        self.release_with(|seen| seen.wrapping_sub(REFERENCE as u64))
    }

    /// One wait less, which wakes nobody; true if the caller must free the cell.
    #[inline]
    pub(crate) fn release_wait(&self) -> bool {
        self.release_with(|seen| seen.wrapping_sub(WAIT as u64))
    }

    /// One more waker outside the runtime.
    pub(crate) fn retain_outside(&self) {
        // ORDERING: Relaxed: only the first guess.
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let counted = u64::from(seen & OUTSIDES != OUTSIDES) * OUTSIDE;
            let next = seen.wrapping_add(REFERENCE as u64 + counted);
            // ORDERING: Relaxed: as in `retain`.
            match self
                .0
                .compare_exchange_weak(seen, next, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return,
                Err(now) => seen = now,
            }
        }
    }

    /// One waker outside less; true if the caller must free the cell. So many that they were not counted are there for ever.
    pub(crate) fn release_outside(&self) -> bool {
        self.release_with(|seen| {
            let counted = u64::from(seen & OUTSIDES != OUTSIDES) * OUTSIDE;
            seen.wrapping_sub(REFERENCE as u64 + counted)
        })
    }

    #[inline]
    fn release_with(&self, less: impl Fn(u64) -> u64) -> bool {
        // ORDERING: Relaxed: only the first guess.
        let mut seen = self.0.load(Ordering::Relaxed);
        loop {
            let next = less(seen);
            // ORDERING: Release: everything this holder did comes before the destruction; Acquire: the destroyer sees it.
            match self
                .0
                .compare_exchange_weak(seen, next, Ordering::AcqRel, Ordering::Relaxed)
            {
                // Before `DONE` the life reference is counted, so zero can only mean a wait that is not published yet.
                Ok(_) => return next & DONE != 0 && next & REFERENCES == 0,
                Err(now) => seen = now,
            }
        }
    }
}

const _: () = assert!(FLAGS < OUTSIDE, "flags and counts do not overlap");

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Notify, OUTSIDE, OUTSIDES, Parked, REFERENCE, State, WAIT};
    use crate::sync::Ordering;

    #[test]
    fn waits_are_counted_beside_the_references() {
        let state = State::new(1);
        assert_eq!(state.park(2 * WAIT + REFERENCE), Parked::Asleep);
        assert_eq!((state.waits(), state.is_at_rest()), (2, true));
        // One is dropped without a wake, and one wakes.
        assert!(!state.release_wait());
        assert_eq!(state.notify_and_end_wait(), Notify::Queue);
        assert_eq!((state.waits(), state.is_at_rest()), (0, false));
        // A wait that ends before it is published, beside one that stays.
        assert_eq!(state.notify_and_end_wait(), Notify::Nothing);
        assert_eq!(state.park(2 * WAIT), Parked::Again);
        assert_eq!(state.park(0), Parked::Asleep);
        assert_eq!(state.waits(), 1);
        assert_eq!(state.notify(), Notify::Queue);
        state.finish(-WAIT);
        assert_eq!(state.waits(), 0);
        // The life reference, the first one, and that of the first poll.
        assert!(!state.release() && !state.release());
        assert!(state.is_last() && state.release());
    }

    #[test]
    fn more_waits_than_are_counted_harm_nobody() {
        let state = State::new(0);
        assert_eq!(state.park(300 * WAIT), Parked::Asleep);
        state.has_many_waits();
        assert!(state.is_parked() && !state.is_at_rest());
        assert_eq!(state.notify(), Notify::Queue);
        state.finish(0);
        (0..300).for_each(|_| assert!(!state.release_wait()));
        assert!(state.is_last() && state.release());
    }

    #[test]
    fn the_wakers_outside_are_counted_as_far_as_it_goes() {
        let state = State::new(0);
        let most = OUTSIDES / OUTSIDE;
        (0..most - 1).for_each(|_| state.retain_outside());
        assert_eq!(state.outside(), most - 1);
        assert!(!state.release_outside());
        assert_eq!(state.outside(), most - 2);
        (0..5).for_each(|_| state.retain_outside());
        (0..most).for_each(|_| assert!(!state.release_outside()));
        assert_eq!(state.outside(), most, "it is not known any more");
        // ORDERING: Relaxed: one thread.
        let word = state.0.load(Ordering::Relaxed);
        assert_eq!(word >> 32, 1 + 3, "but every reference is");
    }
}
