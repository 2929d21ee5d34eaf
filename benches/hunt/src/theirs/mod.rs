//! The search by shuttle, on the same programs with its threads, locks and channels.
//!
//! The programs, by what goes wrong: `updates` (a value that is old when it is written or used), `locks` (who waits for whom),
//! `signals` (what comes before somebody listens), `streams` (messages between several), `services` (answers that come late or
//! not at all).

mod locks;
mod services;
mod signals;
mod streams;
mod updates;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::sync::{Mutex, MutexGuard};
use shuttle::{Config, FailurePersistence, Runner};

use crate::{Found, MOST};

/// A program with a mistake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    run: fn(),
}

macro_rules! bugs {
    ($($family:ident: $($name:ident),*;)*) => {
        /// All programs.
        pub(crate) const BUGS: &[Bug] = &[$($(Bug { name: stringify!($name), run: $family::$name },)*)*];
    };
}

bugs! {
    updates: lost_update, check_then_act, torn_read, numbers_out_of_order, stale_guard, stale_fill, cache_stampede, closed_account, double_release;
    locks: two_locks, hold_and_wait, philosophers, lock_over_send, unsubscribe, barrier_reuse, flag_and_turn;
    signals: announce_before_store, list_then_watch, register_after_send, use_before_init, wait_before_add, missed_signal, parked_worker, skipped_state;
    streams: pool_reorders, port_order, wrong_key, overflow_newest, gone_subscriber, termination;
    services: half_open, saga_order, stale_failover, token_on_error, unbalanced_fan_out;
}

/// Searches by a random walk.
pub(crate) fn random(bug: &Bug, trial: u64) -> Found {
    search(
        RandomScheduler::new_from_seed(trial, MOST as usize),
        bug.run,
    )
}

/// Searches by priorities with up to two changes in a run.
pub(crate) fn pct(bug: &Bug, trial: u64) -> Found {
    search(
        PctScheduler::new_from_seed(trial, 3, MOST as usize),
        bug.run,
    )
}

/// Counts of the run under way.
#[derive(Debug, Default)]
struct Counts {
    runs: AtomicU64,
    decisions: AtomicU64,
    switches: AtomicU64,
}

/// Counts what another scheduler decides.
#[derive(Debug)]
struct Counting<S> {
    inner: S,
    counts: std::sync::Arc<Counts>,
}

impl<S: Scheduler> Scheduler for Counting<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.counts.decisions.store(0, Ordering::Relaxed);
        self.counts.switches.store(0, Ordering::Relaxed);
        let next = self.inner.new_execution()?;
        self.counts.runs.fetch_add(1, Ordering::Relaxed);
        Some(next)
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let next = self.inner.next_task(runnable, current, is_yielding)?;
        self.counts.decisions.fetch_add(1, Ordering::Relaxed);
        let switches = current.is_some_and(|current| current != next);
        self.counts
            .switches
            .fetch_add(switches.into(), Ordering::Relaxed);
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }
}

fn search(scheduler: impl Scheduler + 'static, run: fn()) -> Found {
    let counts = std::sync::Arc::new(Counts::default());
    let counting = Counting {
        inner: scheduler,
        counts: std::sync::Arc::clone(&counts),
    };
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    let begun = Instant::now();
    let searched = catch_unwind(AssertUnwindSafe(|| Runner::new(counting, config).run(run)));
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    Found {
        runs: searched.is_err().then(|| get(&counts.runs)),
        took: begun.elapsed(),
        decisions: get(&counts.decisions),
        switches: get(&counts.switches),
    }
}

/// Locks what nobody panics with.
fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().expect("nobody panics with the lock")
}
