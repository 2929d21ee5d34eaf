//! The threads for blocking jobs: how many there are, which may run, and when one ends.
//!
//! Jobs travel over a crossbeam channel. A thread is started when a job finds none that is free, up to the most of its lane;
//! one that had nothing to do for [`KEEP`] ends.
//!
//! Jobs may wait for each other, so a job must not count on a thread that another one has taken already: see [`Roll`]. Nor must a
//! job of the lane that computes keep its core while it waits: a thread that does steps aside, so that another one runs in its
//! place, and goes on when it has a core again. So as many compute as there are cores, whatever waits beside them.
//!
//! **Invariants**
//! - There is a thread for each job that is queued, unless as many as there may be are busy, and do not wait; or the operating system
//!   gave none, which is asked again when the next job comes, and by the monitor ([`Threads::make_up`]).
//! - At most so many threads hold a core as there are cores, and a thread runs a job or its operations only while it holds one.
//!   In the lane of those that wait, everybody has one.
//!
//! Model: `tests/loom_blocking.rs`.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::observe::{JobInfo, LaneInfo};
use crate::sim::here;
use crate::sync::thread::{self, Thread};
use crate::sync::{AtomicU32, Body, Lock, Ordering};
use crate::system::life;
use crate::task::ProcessId;
use crate::task::origin::Origin;

/// The most threads for blocking jobs that a system starts. Further jobs wait in line, which is told as an event of `tracing` and in a dump:
/// if they are what the others wait for, they wait for ever.
pub const MAX_THREADS: usize = 512;

/// How long a thread waits for its next job. Time stands still in a model.
const KEEP: Duration = Duration::from_secs(if cfg!(loom) { 0 } else { 10 });

/// Which threads a job runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// As many as needed: the jobs wait most of the time.
    Blocking,
    /// As many at a time as there are cores: the jobs compute.
    Cpu,
}

pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The threads for blocking jobs of one system, for those who submit jobs.
#[derive(Debug)]
pub(crate) struct Threads {
    jobs: Lock<Option<Sender<Job>>>,
    crew: Arc<Crew>,
    /// There are no threads: jobs run where the simulation chooses.
    simulated: bool,
}

/// The threads among themselves.
#[derive(Debug)]
pub(crate) struct Crew {
    roll: Lock<Roll>,
    running: Running,
    queue: Receiver<Job>,
    name: String,
    /// The most threads that run jobs at a time.
    limit: usize,
    /// A thread holds one of so many cores while it runs: [`limit`](Self::limit). Otherwise nobody steps aside.
    has_cores: bool,
    /// Starts a thread.
    start: Start,
}

type Start = fn(String, Body) -> io::Result<()>;

fn start(name: String, body: Body) -> io::Result<()> {
    thread::Builder::new().name(name).spawn(body).map(drop)
}

/// Who could take a job. A job claims its thread when it is queued, not when the thread gets to it; whichever takes it then,
/// there is one for each job, unless all that may run are busy.
#[derive(Debug, Default)]
struct Roll {
    threads: usize,
    /// Threads without a job, less the jobs that are queued: below zero, so many jobs wait for threads.
    spare: isize,
    /// Threads whose jobs wait, and that do not count as busy.
    aside: usize,
    /// It was told that jobs wait for threads, and they still do.
    is_crowded: bool,
    /// It was told that no thread could be started, and none was since.
    is_refused: bool,
    /// Threads that hold a core.
    cores: usize,
    /// Those that wait for one, the first one first.
    waiting: VecDeque<Arc<Turn>>,
}

/// A thread that waits for a core.
#[derive(Debug)]
struct Turn {
    thread: Thread,
    /// 1: it may run.
    granted: AtomicU32,
}

impl Roll {
    /// A job is about to be queued. True if a thread has to be started for it, which is counted already.
    fn claim(&mut self, limit: usize) -> bool {
        self.spare -= 1;
        self.lacks_one(limit)
    }

    /// Whether a thread has to be started, which is counted already, as one that will take a job.
    fn lacks_one(&mut self, limit: usize) -> bool {
        let lacks = self.spare < 0 && self.threads - self.aside < limit;
        let start = lacks && self.threads < MAX_THREADS;
        if start {
            self.threads += 1;
            self.spare += 1;
        }
        start
    }

    /// A thread could not be started. Its job waits for the others, or for another attempt. True if that is to be told.
    fn has_failed(&mut self) -> bool {
        self.threads -= 1;
        self.spare -= 1;
        !std::mem::replace(&mut self.is_refused, true)
    }

    /// A thread has no job, and will take one.
    fn offer(&mut self) {
        self.spare += 1;
        self.is_crowded &= self.spare < 0;
    }

    /// Whether jobs have begun to wait because there are as many threads as there may be.
    fn gets_crowded(&mut self) -> bool {
        let waits = self.spare < 0 && self.threads == MAX_THREADS;
        waits && !std::mem::replace(&mut self.is_crowded, true)
    }

    /// A thread wants to end. False if a job counts on it.
    fn retire(&mut self) -> bool {
        let idle = self.spare > 0;
        if idle {
            self.spare -= 1;
            self.threads -= 1;
        }
        idle
    }
}

/// The jobs that run, for observers: who wants the result, and since when.
#[derive(Debug, Default)]
struct Running(Lock<Vec<(ProcessId, &'static Origin, Instant)>>);

impl Crew {
    fn new(queue: Receiver<Job>, name: String, limit: usize, has_cores: bool) -> Self {
        Self {
            roll: Lock::default(),
            running: Running::default(),
            queue,
            name,
            limit,
            has_cores,
            start,
        }
    }

    /// The job of this process begins. Returns since when it runs.
    pub(super) fn begins(&self, process: ProcessId, origin: &'static Origin) -> Instant {
        let now = crate::sync::now();
        self.running.0.lock().push((process, origin, now));
        now
    }

    /// The job that began then has ended.
    pub(super) fn ended(&self, process: ProcessId, since: Instant) {
        let mut running = self.running.0.lock();
        // A process may have several; those that began at the same moment look the same.
        if let Some(at) = running
            .iter()
            .position(|job| (job.0, job.2) == (process, since))
        {
            running.swap_remove(at);
        }
    }

    /// Waits for something in the job that this thread runs. Others may run in its place meanwhile.
    pub(crate) fn aside(self: &Arc<Self>, wait: impl FnOnce()) {
        if !self.has_cores {
            return wait();
        }
        self.give_core_up();
        let start = {
            let mut roll = self.roll.lock();
            roll.aside += 1;
            roll.lacks_one(self.limit)
        };
        if start {
            let _ = self.start_thread();
        }
        wait();
        self.roll.lock().aside -= 1;
        self.take_core();
    }

    /// Waits until this thread may run.
    fn take_core(&self) {
        if !self.has_cores {
            return;
        }
        let mut roll = self.roll.lock();
        if roll.cores < self.limit {
            roll.cores += 1;
            return;
        }
        let turn = Arc::new(Turn {
            thread: thread::current(),
            granted: AtomicU32::new(0),
        });
        roll.waiting.push_back(Arc::clone(&turn));
        drop(roll);
        // ORDERING: Acquire pairs with the Release of who gives its core up: what its job did comes before what this one does.
        while turn.granted.load(Ordering::Acquire) == 0 {
            thread::park();
        }
    }

    fn give_core_up(&self) {
        if !self.has_cores {
            return;
        }
        let mut roll = self.roll.lock();
        match roll.waiting.pop_front() {
            Some(next) => {
                drop(roll);
                // ORDERING: Release: see `take_core`.
                next.granted.store(1, Ordering::Release);
                next.thread.unpark();
            }
            None => roll.cores -= 1,
        }
    }

    /// Starts a thread that was counted. False if there is none to be had now.
    fn start_thread(self: &Arc<Self>) -> bool {
        let crew = Arc::clone(self);
        let body: Body = Box::new(move || {
            let _inside = life::enter();
            crew.work();
        });
        let Err(error) = (self.start)(self.name.clone(), body) else {
            self.roll.lock().is_refused = false;
            return true;
        };
        let (is_news, threads) = {
            let mut roll = self.roll.lock();
            (roll.has_failed(), roll.threads)
        };
        if is_news {
            tracing::error!(
                target: "roundrock::blocking", name = self.name, threads, %error,
                "no thread could be started for a blocking job: it waits until one is free, or can be started"
            );
        }
        false
    }

    /// Starts the threads that are missing because they could not be started before. True if they are missing still.
    fn make_up(self: &Arc<Self>) -> bool {
        loop {
            let start = self.roll.lock().lacks_one(self.limit);
            if !start {
                return false;
            }
            if !self.start_thread() {
                return true;
            }
        }
    }

    /// What a thread does until it ends.
    fn work(&self) {
        loop {
            match self.queue.recv_timeout(KEEP) {
                Ok(job) => {
                    self.take_core();
                    job();
                    self.give_core_up();
                    self.roll.lock().offer();
                }
                Err(RecvTimeoutError::Timeout) => {
                    if self.roll.lock().retire() {
                        break;
                    }
                    // The job that counts on it is about to be queued.
                    thread::yield_now();
                }
                Err(RecvTimeoutError::Disconnected) => {
                    self.roll.lock().threads -= 1;
                    break;
                }
            }
        }
    }
}

impl Threads {
    pub(crate) fn new(system: &str, lane: Lane) -> Self {
        match lane {
            Lane::Blocking => Self::with_limit(format!("{system}-blocking"), MAX_THREADS, false),
            // More threads than cores would only take turns.
            Lane::Cpu => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                Self::with_limit(format!("{system}-cpu"), cores, true)
            }
        }
    }

    /// Threads of which so many run jobs at a time; `has_cores`: not counting those that wait.
    pub(crate) fn with_limit(name: String, limit: usize, has_cores: bool) -> Self {
        let (jobs, queue) = crossbeam_channel::unbounded();
        Self {
            jobs: Lock::new(Some(jobs)),
            crew: Arc::new(Crew::new(queue, name, limit, has_cores)),
            simulated: false,
        }
    }

    /// For a simulation: without threads, and without a queue.
    pub(crate) fn simulated() -> Self {
        Self {
            jobs: Lock::new(None),
            crew: Arc::new(Crew::new(
                crossbeam_channel::never(),
                String::new(),
                0,
                false,
            )),
            simulated: true,
        }
    }

    /// The threads themselves.
    pub(crate) fn crew(&self) -> &Arc<Crew> {
        &self.crew
    }

    /// What observers may know.
    pub(crate) fn info(&self, now: Instant) -> LaneInfo {
        let running = self.crew.running.0.lock().clone();
        let job = |(process, origin, since): (ProcessId, &'static Origin, Instant)| JobInfo {
            process,
            name: origin.name.into(),
            running_for: now.saturating_duration_since(since),
        };
        LaneInfo {
            threads: self.crew.roll.lock().threads,
            queued: self.crew.queue.len(),
            running: running.into_iter().map(job).collect(),
        }
    }

    /// Whether no job runs or waits: every thread is spare.
    pub(crate) fn is_idle(&self) -> bool {
        let roll = self.crew.roll.lock();
        usize::try_from(roll.spare) == Ok(roll.threads)
    }

    /// Queues a job; false if the system has shut down.
    pub(crate) fn submit(&self, job: Job) -> bool {
        if self.simulated {
            return here::submit(job);
        }
        let Some(jobs) = self.jobs.lock().clone() else {
            return false;
        };
        let mut roll = self.crew.roll.lock();
        let start = roll.claim(self.crew.limit);
        let crowded = roll.gets_crowded();
        drop(roll);
        let queued = jobs.send(job).is_ok();
        if crowded {
            tracing::warn!(
                target: "roundrock::blocking", threads = MAX_THREADS, name = self.crew.name,
                "every thread for blocking jobs is taken: what comes now waits until one returns"
            );
        }
        if start && self.crew.start_thread() {
            self.crew.make_up();
        }
        queued
    }

    /// Jobs may wait for a thread that could not be started: tries again. True if they still do.
    pub(crate) fn make_up(&self) -> bool {
        self.crew.make_up()
    }

    /// Lets the threads end when they have done what is queued.
    pub(crate) fn shutdown(&self) {
        drop(self.jobs.lock().take());
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::{Barrier, mpsc};

    use super::*;
    use crate::sync::now;

    fn refuse(_: String, _: Body) -> io::Result<()> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    /// Two cores, and an operating system that gives no threads.
    fn refused() -> Threads {
        let mut threads = Threads::with_limit("refused".to_owned(), 2, true);
        Arc::get_mut(&mut threads.crew).unwrap().start = refuse;
        threads
    }

    /// The operating system has threads again.
    fn relent(threads: &mut Threads) {
        Arc::get_mut(&mut threads.crew).unwrap().start = start;
    }

    #[test]
    fn a_job_without_a_thread_gets_one_when_somebody_looks_again() {
        let mut threads = refused();
        let (done, is_done) = mpsc::channel();
        assert!(threads.submit(Box::new(move || done.send(()).unwrap())));
        assert!(threads.make_up() && threads.make_up(), "there is none yet");
        assert_eq!(
            (threads.info(now()).threads, threads.info(now()).queued),
            (0, 1)
        );
        assert!(!threads.is_idle(), "a job waits");
        relent(&mut threads);
        assert!(!threads.make_up());
        is_done.recv().unwrap();
        assert!(!threads.make_up());
        assert_eq!(threads.info(now()).threads, 1, "one for one job");
    }

    #[test]
    fn the_next_job_brings_threads_for_those_that_had_none() {
        let mut threads = refused();
        let meet = Arc::new(Barrier::new(3));
        let job = || -> Job {
            let meet = Arc::clone(&meet);
            Box::new(move || {
                meet.wait();
            })
        };
        assert!(threads.submit(job()));
        relent(&mut threads);
        // It waits for the first one, which waits for it.
        assert!(threads.submit(job()));
        meet.wait();
    }
}
