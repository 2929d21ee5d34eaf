//! Two workers that get into each other's way: processes that talk to each other all the time belong on one worker.
//!
//! A message between two cores costs several cache misses, five to ten times what it costs on one. So a second worker that
//! takes half of a group of processes which do little but exchange messages makes the group slower, not faster. Nobody can
//! know that before; but it is easily seen afterwards: the two meet at the locks of the channels again and again.
//!
//! A worker counts how often it had to wait for a short lock. If that was more than once in [`BETWEEN_NANOS`] since its last
//! look at the clock, the one with the higher number *gives way*: it hands all its tasks to its *partner*, the worker that it
//! exchanged tasks with last, and steals nothing from there for a while. The group is tried on two workers again after that,
//! more and more rarely as long as it ends the same way. Groups that have nothing to do with each other never meet, and
//! neither do processes that work between their messages: the lock is taken for a small part of their time.
//!
//! Measured on two cores: collisions per microsecond are 1.0 to 1.6 where two workers are slower than one (`mpmc`, `mpsc`,
//! `router`, `ask` of the benchmark), and below 0.01 where they are not (`forkjoin`, `skynet`, `spawn`).
//!
//! A queue of very small tasks is another case where two are slower than one: what a task is made of (its cell, its slot, its
//! channel) moves to the thief, and what is left of it moves back to whoever joins it, eight to ten lines of about 100 ns. So a
//! thief looks how long a batch that it stole kept it busy, with all that came of it. If that was less than [`WORTH_NANOS`] for
//! each task, and so [`IN_VAIN`] times in a row, it leaves the victim alone in the same way. Only full queues are judged: a few
//! small tasks may have waited behind a long step, and then a thief is what they need. So may many: once the monitor has seen that a
//! step does not end, nobody leaves its worker alone until it does. A process that starts others for a while without an await has
//! them run by all workers.
//!
//! Measured: stolen tasks keep a thief busy for 125 ns in `forkjoin`, 360 in `wake` and 410 in `spawn`, which all need less CPU
//! time on one worker.
//!
//! **Invariants**
//! - Tasks go to the lower number only, so two workers never give way to each other.
//! - A task that was handed over is taken by its new worker, which is woken for it, or by whoever the monitor sends when that
//!   one does not come back.
//! - A worker that is left alone has its queue looked at again: by itself at its next look after the time is up, when it falls
//!   asleep, or by the monitor, if its step does not end.
//!
//! Model: `tests/loom_idle.rs`.
//!
//! Rejected: spinning longer before a lock is tried again (the other worker gets farther, but this one burns its core); moving
//! the one process that met the lock (its peers stay behind, and wake it back).

use crate::scheduler::queue::{Injector, Local, Runnable};
use crate::sync::{AtomicU32, AtomicU64, AtomicUsize, Ordering};

/// Workers that meet at a lock more often than once in this time are better off as one.
const BETWEEN_NANOS: u64 = 5_000;
/// Fewer collisions than this are chance.
const CHANCE: u32 = 24;
/// For how long a worker is left alone, the first time and at most.
const ALONE_NANOS: (u64, u64) = (5_000_000, 100_000_000);
/// Steps as long as this do more than exchange messages.
const LONG_STEP_NANOS: u64 = 5_000;
const NOBODY: usize = usize::MAX;

/// A task that keeps its thief busy for less is not worth the way.
const WORTH_NANOS: u64 = 800;
/// Fewer tasks in one steal say nothing: where the queue is short, they may have waited for one long step.
pub(crate) const FULL: u32 = 8;
/// Fewer tasks in a row that were not worth the way are chance.
pub(crate) const IN_VAIN: u32 = 64;

/// Whether so many stolen tasks kept their thief busy for so short a time that they had better stayed where they were.
pub(crate) fn is_in_vain(tasks: u32, busy_nanos: u64) -> bool {
    busy_nanos < u64::from(tasks) * WORTH_NANOS
}

/// Whether so many collisions in so much time are too many.
pub(crate) fn is_quarrel(collisions: u32, passed_nanos: u64) -> bool {
    collisions >= CHANCE && u64::from(collisions) * BETWEEN_NANOS > passed_nanos
}

/// What other workers know and say of one.
#[derive(Debug)]
pub(crate) struct Company {
    /// Tasks that another worker handed over.
    handed: Injector,
    /// 1 while thieves pass by.
    alone: AtomicU32,
    /// Until when, and for how long this was in all.
    until: AtomicU64,
    lasts: AtomicU64,
    /// Who stole here last, or was stolen from.
    partner: AtomicUsize,
    /// The number of a step of this worker that lasts long.
    long_step: AtomicU64,
}

impl Company {
    pub(crate) fn new() -> Self {
        Self {
            handed: Injector::new(),
            alone: AtomicU32::new(0),
            until: AtomicU64::new(0),
            lasts: AtomicU64::new(0),
            partner: AtomicUsize::new(NOBODY),
            long_step: AtomicU64::new(0),
        }
    }

    /// Notes that the worker is in the step of this number, and has been for long: what waits behind it is for everybody, however
    /// small. By the monitor.
    pub(crate) fn note_long_step(&self, steps: u64) {
        // ORDERING: Relaxed: a hint.
        self.long_step.store(steps, Ordering::Relaxed);
    }

    /// Whether the worker, which is in the step of this number, has been in it for long.
    pub(crate) fn is_in_long_step(&self, steps: u64) -> bool {
        // ORDERING: Relaxed: a hint.
        self.long_step.load(Ordering::Relaxed) == steps
    }

    /// Whether thieves pass by.
    #[inline]
    pub(crate) fn is_alone(&self) -> bool {
        // ORDERING: Relaxed: ordered by the fences of `fall_asleep` and `worker_to_wake` where it matters, see `end_alone`.
        self.alone.load(Ordering::Relaxed) != 0
    }

    /// Notes that tasks went to or from the worker `other`.
    pub(crate) fn met(&self, other: usize) {
        // Written only where it changes: the worker reads this line whenever it has surplus.
        // ORDERING: Relaxed: a hint.
        if self.partner.load(Ordering::Relaxed) != other {
            self.partner.store(other, Ordering::Relaxed);
        }
    }

    /// The worker that the one with this number gives way to, if it is one of the `workers` that always run.
    pub(crate) fn gives_way_to(&self, index: usize, workers: usize) -> Option<usize> {
        // ORDERING: Relaxed: a hint.
        let partner = match self.partner.load(Ordering::Relaxed) {
            NOBODY => 0,
            partner => partner,
        };
        (partner < index.min(workers)).then_some(partner)
    }

    /// Hands a task over to this worker, which the caller unparks afterwards.
    pub(crate) fn hand(&self, task: Runnable) {
        self.handed.push(task);
    }

    /// Whether there are tasks that were handed over.
    pub(crate) fn is_handed(&self) -> bool {
        !self.handed.is_empty()
    }

    /// Moves what was handed over to a queue, and returns one task of it. By the worker itself.
    pub(crate) fn take_handed(&self, into: &Local) -> Option<Runnable> {
        let first = self.handed.steal(into)?;
        while let Some(task) = self.handed.steal(into) {
            into.push(task);
        }
        Some(first)
    }

    /// Gives what was handed over to everybody.
    pub(crate) fn give_handed(&self, to: &Injector) {
        while let Some(task) = self.handed.pop() {
            to.push(task);
        }
    }

    /// Leaves the worker alone for a while: for longer than the last time, if that is not long ago.
    pub(crate) fn leave_alone(&self, now_nanos: u64) {
        let (first, most) = ALONE_NANOS;
        // ORDERING: Relaxed: hints; of two that say so at once one is heard.
        let lasts = match self.until.load(Ordering::Relaxed) {
            last if now_nanos > last + most => first,
            _ => (2 * self.lasts.load(Ordering::Relaxed)).clamp(first, most),
        };
        self.lasts.store(lasts, Ordering::Relaxed);
        self.until.store(now_nanos + lasts, Ordering::Relaxed);
        // ORDERING: as above.
        self.alone.store(1, Ordering::Relaxed);
    }

    /// Whether the time is up, or steps have become so long that company pays.
    pub(crate) fn wants_company(&self, now_nanos: u64, step_nanos: u64) -> bool {
        // ORDERING: Relaxed: as in `leave_alone`.
        self.is_alone()
            && (step_nanos > LONG_STEP_NANOS || now_nanos >= self.until.load(Ordering::Relaxed))
    }

    /// Lets thieves come again. The caller goes on to wake one, or has nothing to take.
    pub(crate) fn end_alone(&self) {
        // ORDERING: Relaxed: a worker that falls asleep counts itself, then a fence, then reads the flag; the wake that follows
        // here has a fence, and then reads that count. One of the two sees the other.
        self.alone.store(0, Ordering::Relaxed);
    }
}
