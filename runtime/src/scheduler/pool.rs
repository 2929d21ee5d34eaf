//! The threads of a system, the entry of a task, spare workers, and shutdown.

use std::ptr::{self, NonNull};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::JoinHandle;

use crate::channel::dead::Desk;
use crate::leaks::cycle::Cycles;
use crate::leaks::lost::Lost;
use crate::leaks::proofs::Proofs;
use crate::locks::Gates;
use crate::observe::BOOKS;
use crate::observe::events::Board;
use crate::observe::growth::Growth;
use crate::scheduler::driver::{Driver, Reactor};
use crate::scheduler::idle::Idle;
use crate::scheduler::monitor::Monitor;
use crate::scheduler::queue::{Injector, Local, Runnable};
use crate::scheduler::worker::{self, Remote, Worker};
use crate::sync::{AtomicU32, AtomicUsize, Lock, Ordering, has_heavy_fence, start_thread};
use crate::system::SystemInner;
use crate::task::ProcessId;
use crate::task::cell::{self, Header};
use crate::task::registry::Registry;
use crate::time::clock::Clock;
use crate::time::queue::Timers;

/// Spare workers that may stand in for workers that do not come back.
#[cfg(not(loom))]
const SPARES: usize = 64;
#[cfg(loom)]
const SPARES: usize = 0;

/// Everything that the workers of a system share.
#[derive(Debug)]
pub(crate) struct Scheduler {
    pub(crate) registry: Registry,
    pub(crate) clock: Clock,
    pub(crate) timers: Timers,
    pub(crate) cycles: Cycles,
    pub(crate) proofs: Proofs,
    pub(crate) lost: Lost,
    pub(crate) injector: Injector,
    pub(crate) idle: Idle,
    pub(crate) driver: Driver,
    pub(crate) monitor: Monitor,
    /// One entry per worker and possible spare; those below `active` may have work.
    pub(crate) remotes: Box<[Arc<Remote>]>,
    active: AtomicUsize,
    /// Threads that run: workers and spares.
    threads: AtomicUsize,
    workers: usize,
    /// Queues of workers that do not run, by index.
    unused: Lock<Vec<(usize, Local)>>,
    /// The threads, less those spares that were joined because they had ended.
    joins: Lock<Vec<JoinHandle<()>>>,
    shut_down: AtomicU32,
    seed: u64,
    /// The name of the system, for the names of threads.
    name: String,
    /// Where its dead letters go.
    pub(crate) desk: Arc<Desk>,
    /// Where it is told what happens to processes.
    pub(crate) board: Arc<Board>,
    /// When the number of processes is worth an alarm.
    pub(crate) growth: Lock<Growth>,
    /// The locks that its processes were lent.
    pub(crate) gates: Gates,
    /// The system that it belongs to, which the monitor searches for leaks.
    system: OnceLock<Weak<SystemInner>>,
}

impl Scheduler {
    /// Makes a scheduler for `workers` threads, none of which runs yet.
    pub(crate) fn new(workers: usize, reactor: Reactor, name: &str) -> std::io::Result<Arc<Self>> {
        let driver = Driver::new(reactor)?;
        Ok(Self::assemble(
            workers,
            SPARES,
            driver,
            Clock::start(),
            name,
        ))
    }

    /// Makes a scheduler without threads, I/O and real time, and the one worker of a simulation.
    pub(crate) fn simulated(name: &str) -> (Arc<Self>, Worker) {
        let scheduler = Self::assemble(1, 0, Driver::none(), Clock::standing(), name);
        let unused = scheduler.unused.lock().pop();
        let Some((index, local)) = unused else {
            unreachable!("a scheduler is made with a queue for each of its workers");
        };
        let worker = Worker::simulated(Arc::clone(&scheduler), index, local);
        (scheduler, worker)
    }

    fn assemble(
        workers: usize,
        spares: usize,
        driver: Driver,
        clock: Clock,
        name: &str,
    ) -> Arc<Self> {
        let (locals, thieves): (Vec<_>, Vec<_>) =
            (0..workers + spares).map(|_| Local::new()).unzip();
        let desk = Desk::new();
        let fenced = has_heavy_fence();
        let scheduler = Arc::new(Self {
            registry: Registry::new(),
            clock,
            timers: Timers::new(workers + spares),
            cycles: Cycles::new(),
            proofs: Proofs::new(),
            lost: Lost::new(),
            system: OnceLock::new(),
            injector: Injector::new(),
            idle: Idle::new(),
            driver,
            monitor: Monitor::new(workers + spares),
            remotes: thieves
                .into_iter()
                .map(|thief| Arc::new(Remote::new(thief, &desk, fenced)))
                .collect(),
            active: AtomicUsize::new(workers),
            threads: AtomicUsize::new(0),
            workers,
            unused: Lock::new(locals.into_iter().enumerate().rev().collect()),
            joins: Lock::new(Vec::new()),
            shut_down: AtomicU32::new(0),
            seed: std::process::id().into(),
            name: name.to_owned(),
            desk,
            board: Board::new(),
            growth: Lock::new(Growth::default()),
            gates: Gates::new(),
        });
        scheduler.desk.belongs_to(&scheduler);
        scheduler
    }

    /// Says which system it belongs to; once.
    pub(crate) fn belongs_to(&self, system: &Arc<SystemInner>) {
        let _ = self.system.set(Arc::downgrade(system));
    }

    /// The system that it belongs to, while that lives.
    pub(crate) fn system(&self) -> Option<Arc<SystemInner>> {
        self.system.get()?.upgrade()
    }

    /// Starts `workers` threads.
    pub(crate) fn start(
        workers: usize,
        reactor: Reactor,
        name: &str,
        growth: Growth,
    ) -> std::io::Result<Arc<Self>> {
        let scheduler = Self::new(workers, reactor, name)?;
        *scheduler.growth.lock() = growth;
        let mut started = Ok(true);
        for _ in 0..workers {
            started = started.and_then(|_| scheduler.start_worker(false));
        }
        match started.and_then(|_| scheduler.monitor.start(&scheduler, name)) {
            Ok(()) => Ok(scheduler),
            Err(error) => {
                scheduler.shutdown(false);
                Err(error)
            }
        }
    }

    /// A worker on an unused queue, for a model that runs it itself.
    #[cfg(all(test, loom))]
    pub(crate) fn worker(self: &Arc<Self>) -> Worker {
        let (index, local) = self.unused.lock().pop().expect("an unused queue");
        Worker::new(Arc::clone(self), index, local)
    }

    /// Starts a thread on an unused queue; false if there is none left.
    fn start_worker(self: &Arc<Self>, spare: bool) -> std::io::Result<bool> {
        let Some((index, local)) = self.unused.lock().pop() else {
            return Ok(false);
        };
        // ORDERING: Relaxed: a count; the thread that is started sees everything before its start.
        self.threads.fetch_add(1, Ordering::Relaxed);
        self.active.fetch_max(index + 1, Ordering::Relaxed);
        let scheduler = Arc::clone(self);
        let kind = if spare { "spare" } else { "worker" };
        let body = move || {
            let worker = Worker::new(Arc::clone(&scheduler), index, local);
            worker.run(spare);
            scheduler.unused.lock().push((index, worker.into_local()));
        };
        let thread = match start_thread(format!("{}-{kind}-{index}", self.name), Box::new(body)) {
            Ok(thread) => thread,
            Err(error) => {
                // ORDERING: Relaxed: a count. The queue is gone with the body.
                self.threads.fetch_sub(1, Ordering::Relaxed);
                return Err(error);
            }
        };
        let mut joins = self.joins.lock();
        // One that has ended keeps its stack until it is joined.
        let ended: Vec<_> = joins.extract_if(.., |join| join.is_finished()).collect();
        joins.push(thread);
        drop(joins);
        for join in ended {
            let _ = join.join();
        }
        Ok(true)
    }

    /// Puts a task that was just notified into a queue.
    #[inline]
    pub(crate) fn schedule(&self, task: NonNull<Header>) {
        self.note_ready(task);
        worker::with(|worker| match worker {
            Some(worker) if ptr::eq(worker.scheduler(), self) => worker.push_woken(Runnable(task)),
            _ => self.schedule_from_outside(Runnable(task)),
        });
    }

    /// As [`schedule`](Self::schedule), behind all that is queued on this worker. The caller tells of the surplus afterwards.
    pub(crate) fn schedule_behind(&self, task: NonNull<Header>) {
        self.note_ready(task);
        worker::with(|worker| match worker {
            Some(worker) if ptr::eq(worker.scheduler(), self) => worker.push_behind(Runnable(task)),
            _ => self.schedule_from_outside(Runnable(task)),
        });
    }

    /// Puts a task that was just made into a queue.
    pub(crate) fn schedule_new(&self, task: NonNull<Header>) {
        self.note_ready(task);
        worker::with(|worker| match worker {
            Some(worker) if ptr::eq(worker.scheduler(), self) => worker.push_new(Runnable(task)),
            _ => self.schedule_from_outside(Runnable(task)),
        });
    }

    #[cold]
    fn schedule_from_outside(&self, task: Runnable) {
        self.injector.push(task);
        self.wake_for_surplus();
    }

    #[inline]
    pub(super) fn note_ready(&self, task: NonNull<Header>) {
        if !BOOKS {
            return;
        }
        cell::note_ready(task, self.clock.coarse_ms());
    }

    /// Wakes a worker, if nobody searches and somebody sleeps.
    #[inline]
    pub(crate) fn wake_for_surplus(&self) {
        if let Some(worker) = self.idle.worker_to_wake() {
            self.remotes[worker].parker.unpark();
        }
    }

    /// Wakes one sleeping worker in any case: the timers changed, or a slot must be given away.
    pub(crate) fn unpark(&self, worker: usize) {
        self.remotes[worker].parker.unpark();
    }

    pub(crate) fn has_queued_work(&self) -> bool {
        !self.injector.is_empty()
            || self
                .active_remotes()
                .iter()
                .any(|remote| remote.has_surplus())
    }

    pub(crate) fn active_remotes(&self) -> &[Arc<Remote>] {
        // ORDERING: Relaxed: the entries exist from the start; the number only limits the search.
        &self.remotes[..self.active.load(Ordering::Relaxed)]
    }

    /// The worker whose step a process runs in now, if it is one.
    pub(crate) fn runs_on(&self, id: ProcessId) -> Option<usize> {
        self.active_remotes().iter().position(|remote| {
            // ORDERING: Relaxed (both): see `worker::Counters`; it is an answer about a moment ago.
            remote.counters.current.load(Ordering::Relaxed) == id.raw()
                && remote.counters.steps.load(Ordering::Relaxed) % 2 == 1
        })
    }

    /// The steps that all workers have begun and ended.
    pub(crate) fn steps(&self) -> u64 {
        self.remotes.iter().map(|remote| remote.steps()).sum()
    }

    /// Workers that are not asleep.
    pub(crate) fn awake(&self) -> usize {
        // ORDERING: Relaxed: an estimate.
        self.threads
            .load(Ordering::Relaxed)
            .saturating_sub(self.idle.sleeping())
    }

    /// Threads that run, spares included.
    pub(crate) fn threads(&self) -> usize {
        // ORDERING: Relaxed: for observers.
        self.threads.load(Ordering::Relaxed)
    }

    pub(crate) fn workers(&self) -> usize {
        self.workers
    }

    pub(crate) fn seed(&self) -> u64 {
        self.seed
    }

    /// A worker does not come back: starts a spare for it.
    pub(crate) fn start_spare(self: &Arc<Self>) -> bool {
        self.start_worker(true).unwrap_or(false)
    }

    /// Wakes the spares, so that they ask [`retire`](Self::retire) again.
    pub(crate) fn unpark_spares(&self) {
        for spare in self.active_remotes().iter().skip(self.workers) {
            spare.parker.unpark();
        }
    }

    /// Whether a spare that found nothing to do may end: when as many others run as were asked for.
    pub(crate) fn retire(&self, _index: usize) -> bool {
        let stuck = self.monitor.stuck();
        let mut threads = self.threads();
        while threads > self.workers + stuck {
            // ORDERING: Relaxed: a count.
            match self.threads.compare_exchange(
                threads,
                threads - 1,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return true,
                Err(now) => threads = now,
            }
        }
        false
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `shutdown`.
        self.shut_down.load(Ordering::Acquire) != 0
    }

    /// Ends all threads and waits for them; for those that are `stuck` only if they have ended. Every other task must have
    /// ended before. Returns how many tasks of tokio's were dropped.
    pub(crate) fn shutdown(&self, stuck: bool) -> usize {
        // ORDERING: Release: see `is_shut_down`; the unparks below make every worker look.
        self.shut_down.store(1, Ordering::Release);
        for remote in &self.remotes {
            remote.parker.unpark();
        }
        self.monitor.shutdown();
        let joins = std::mem::take(&mut *self.joins.lock());
        let me = std::thread::current().id();
        for join in joins {
            // A thread cannot wait for itself, and a stuck worker is left behind (it was reported).
            if join.thread().id() != me && (!stuck || join.is_finished()) {
                let _ = join.join();
            }
        }
        let tasks = self.driver.shutdown();
        self.board.close();
        tasks
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Arc, AtomicU32, Ordering};
    use crate::prelude::*;

    /// The memory of a thread that has ended is kept until it is joined, and what it kept of processes that are gone is for others.
    #[test]
    fn spares_that_have_ended_leave_nothing() -> Result<()> {
        System::builder().workers(1).run(async |scope| {
            let scheduler = &scope.inner.system.scheduler;
            const MANY: u32 = 100;
            let ended = Arc::new(AtomicU32::new(0));
            for round in 1..=10 {
                for _ in 0..MANY {
                    // They wait behind this step until a spare is there, which frees them.
                    let ended = Arc::clone(&ended);
                    drop(scope.task("behind", async move {
                        // ORDERING: Relaxed: a count.
                        ended.fetch_add(1, Ordering::Relaxed);
                    }));
                }
                // ORDERING: Relaxed: a count.
                while ended.load(Ordering::Relaxed) < round * MANY {
                    std::thread::yield_now();
                }
                while scheduler.threads() > 1 {
                    sleep(millis(1)).await;
                }
            }
            // The worker, the last spares, and some that were about to end when these were started; but not one for each round.
            assert!(scheduler.joins.lock().len() < 8);
            assert!(
                scheduler.registry.used() < 4 * MANY,
                "{}",
                scheduler.registry.used()
            );
            // ORDERING: Relaxed: one thread.
            assert!(
                scheduler.active.load(Ordering::Relaxed) >= 2,
                "there were spares"
            );
            Ok(())
        })
    }
}
