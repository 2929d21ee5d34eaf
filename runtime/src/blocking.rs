//! Code that blocks its thread: [`blocking`] runs it on threads of its own, and plain threads may wait for operations.
//!
//! Jobs travel over a crossbeam channel. A thread is started when a job finds none that is free, up to [`MAX_THREADS`];
//! one that had nothing to do for `KEEP` ends.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender};

use crate::scheduler::worker;
use crate::supervise::Lineage;
use crate::sync::{AtomicUsize, Lock, Ordering};
use crate::system::life;
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker::TaskWaker;

/// The most threads for blocking jobs that a system starts. Further jobs wait in line.
pub const MAX_THREADS: usize = 512;

const KEEP: Duration = Duration::from_secs(10);

/// Which threads a job runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lane {
    /// As many as needed: the jobs wait most of the time.
    Blocking,
    /// As many as there are cores: the jobs compute.
    Cpu,
}

type Job = Box<dyn FnOnce() + Send>;

/// The threads for blocking jobs of one system.
#[derive(Debug)]
pub(crate) struct Threads {
    jobs: Lock<Option<Sender<Job>>>,
    queue: Receiver<Job>,
    counts: Arc<Counts>,
    name: String,
    limit: usize,
}

#[derive(Debug, Default)]
struct Counts {
    threads: AtomicUsize,
    free: AtomicUsize,
}

impl Threads {
    pub(crate) fn new(system: &str, lane: Lane) -> Self {
        let (jobs, queue) = crossbeam_channel::unbounded();
        let (kind, limit) = match lane {
            Lane::Blocking => ("blocking", MAX_THREADS),
            // More threads than cores would only take turns.
            Lane::Cpu => (
                "cpu",
                thread::available_parallelism().map_or(1, usize::from),
            ),
        };
        Self {
            jobs: Lock::new(Some(jobs)),
            queue,
            counts: Arc::default(),
            name: format!("{system}-{kind}"),
            limit,
        }
    }

    /// Queues a job; false if the system has shut down.
    pub(crate) fn submit(&self, job: Job) -> bool {
        let Some(jobs) = self.jobs.lock().clone() else {
            return false;
        };
        let queued = jobs.send(job).is_ok();
        // ORDERING: Relaxed: estimates; a thread too many ends again, and a job that finds all busy waits for one of them.
        let free = self.counts.free.load(Ordering::Relaxed);
        if free < self.queue.len() && self.counts.threads.load(Ordering::Relaxed) < self.limit {
            self.start_thread();
        }
        queued
    }

    fn start_thread(&self) {
        // ORDERING: Relaxed: a count.
        self.counts.threads.fetch_add(1, Ordering::Relaxed);
        let counts = Arc::clone(&self.counts);
        let queue = self.queue.clone();
        let started = thread::Builder::new()
            .name(self.name.clone())
            .spawn(move || {
                let _inside = life::enter();
                loop {
                    // ORDERING: Relaxed: an estimate.
                    counts.free.fetch_add(1, Ordering::Relaxed);
                    let job = queue.recv_timeout(KEEP);
                    counts.free.fetch_sub(1, Ordering::Relaxed);
                    match job {
                        Ok(job) => job(),
                        Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
                    }
                }
                // ORDERING: Relaxed: a count.
                counts.threads.fetch_sub(1, Ordering::Relaxed);
            });
        if started.is_err() {
            // ORDERING: Relaxed: a count.
            self.counts.threads.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Lets the threads end when they have done what is queued.
    pub(crate) fn shutdown(&self) {
        drop(self.jobs.lock().take());
    }
}

/// The result of a job on its way back.
struct Slot<T> {
    state: Lock<SlotState<T>>,
}

struct SlotState<T> {
    result: Option<thread::Result<T>>,
    waker: Option<TaskWaker>,
    /// The thread that runs the job, if it does.
    thread: Option<Thread>,
}

/// Runs code that blocks on a thread of its own, and waits for its result.
///
/// Cancellation: a job that has begun runs to its end even if the future is dropped; its result is then lost.
///
/// # Panics
/// With the job's own panic. When awaited outside of a Roundrock system, or after it has shut down.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # roundrock::System::builder().workers(1).run(async |_scope| {
/// let text = blocking(|| std::fs::read_to_string("/etc/hostname")).await;
/// # let _ = text; Ok(()) }).unwrap();
/// ```
pub async fn blocking<T: Send + 'static>(job: impl FnOnce() -> T + Send + 'static) -> T {
    let waiting = submit(Lane::Blocking, job);
    match waiting.await {
        Ok(value) => value,
        Err(payload) => resume_unwind(payload),
    }
}

/// Runs a future of the current process on a thread of its own, where it may block. `None`: the system has shut down.
///
/// While it runs there, operations of that thread count as the process's: a stop of its scope reaches them. If the process
/// is killed, the thread sees the end of its empty inputs and is left to itself.
pub(crate) async fn process_job<T: Send + 'static>(
    lane: Lane,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let process = current::task()?;
    // A job cannot be killed with its process: until it returns, the next incarnation of a supervised child waits.
    let held = process.lineage().map(Lineage::hold);
    let waiting = submit(lane, move || {
        let _held = held;
        let _attached = current::attach(process);
        block_on(future)
    });
    match waiting.await {
        Ok(value) => Some(value),
        Err(payload) => resume_unwind(payload),
    }
}

fn submit<T: Send + 'static>(lane: Lane, job: impl FnOnce() -> T + Send + 'static) -> Waiting<T> {
    let slot = Arc::new(Slot {
        state: Lock::new(SlotState {
            result: None,
            waker: None,
            thread: None,
        }),
    });
    let shared = Arc::clone(&slot);
    let run: Job = Box::new(move || {
        shared.state.lock().thread = Some(thread::current());
        let result = catch_unwind(AssertUnwindSafe(job));
        let mut state = shared.state.lock();
        state.thread = None;
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    });
    let submitted = current::with_task(|task| {
        match task.map(|task| task.system().threads(lane).submit(run)) {
            Some(submitted) => submitted,
            None => panic!(
                "`blocking` needs a Roundrock system: await it in a process, or just call the function"
            ),
        }
    });
    assert!(
        submitted,
        "`blocking` was awaited after the system has shut down"
    );
    Waiting { slot }
}

struct Waiting<T> {
    slot: Arc<Slot<T>>,
}

impl<T> Future for Waiting<T> {
    type Output = thread::Result<T>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.slot.state.lock();
        if let Some(result) = state.result.take() {
            return Poll::Ready(result);
        }
        let old = state.waker.replace(TaskWaker::of(cx));
        // The process was woken for another reason, perhaps a stop: what the thread waits for may have changed too.
        if let (Some(thread), true) = (&state.thread, current::flags() != 0) {
            thread.unpark();
        }
        drop(state);
        drop(old);
        current::waits_for(WaitKind::Blocking, 0);
        Poll::Pending
    }
}

impl<T> Drop for Waiting<T> {
    fn drop(&mut self) {
        if let Some(thread) = &self.slot.state.lock().thread {
            thread.unpark();
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on a plain thread.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    refuse_on_worker("a blocking operation");
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => thread::park(),
        }
    }
}

/// Panics on a worker, which must not be blocked.
pub(crate) fn refuse_on_worker(what: &str) {
    let on_worker = worker::with(|worker| worker.is_some());
    assert!(
        !on_worker,
        "{what} on a worker would block every process behind it; use the `.await` form, or `blocking(..)`"
    );
}
