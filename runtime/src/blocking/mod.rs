//! Code that blocks its thread: [`blocking`] runs it on threads of its own, and plain threads may wait for operations.
//!
//! The threads have a file of their own (`threads.rs`): here is what a job and its process know of each other.
//!
//! While the scope of a process stops, its job says what the thread waits for (`Post`), and the process says the same of
//! itself; so a stop sees a blocking process as it sees any other.
//!
//! **Invariants**
//! - What a post says the thread waits for is taken back by the wake, before the thread runs: who looks at the process while
//!   it is parked can rely on it.
//! - A job that has not begun when its process goes never begins, and what it captured goes with the process, in that one's own step:
//!   it is in the hands of the thread from the first moment of the job, and of the process before. One that has begun keeps the scope
//!   of its process from ending until it returns.
//!
//! Model: `tests/loom_blocking.rs`.

mod threads;

use std::any::Any;
use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

pub use crate::blocking::threads::MAX_THREADS;

pub(crate) use crate::blocking::threads::{Job, Lane, Threads};

use crate::blocking::threads::Crew;
use crate::channel::registry;
use crate::process::exit::Fault;
use crate::scheduler::worker;
use crate::scope::{Late, ScopeInner};
use crate::sim::here;
use crate::supervise::{Held, Lineage};
use crate::sync::thread::{self, Thread};
use crate::sync::{Guard, Lock, thread_local};
use crate::task::ProcessId;
use crate::task::cell::Header;
use crate::task::current::{self, PanicSite, Waits};
use crate::task::origin::Origin;
use crate::task::registry::WaitKind;
use crate::task::waker::{self, TaskWaker};

/// A job on its way to a thread, and its result on its way back.
struct Slot<T, J> {
    /// Whoever takes it, under the lock of the post, has it: the thread, to run it, or the process that goes, to drop it.
    job: Lock<Option<J>>,
    result: Lock<Option<Result<T, Thrown>>>,
    post: Arc<Post>,
}

/// The panic of a job, with its place, which only the thread that panicked knows.
struct Thrown {
    payload: Box<dyn Any + Send>,
    site: Option<PanicSite>,
}

impl Thrown {
    /// Goes on with the panic in the process that waits.
    fn resume(self) -> ! {
        current::pass_panic_on(self.site);
        resume_unwind(self.payload)
    }
}

/// What a process and the thread that runs its job know of each other.
#[derive(Debug)]
struct Post {
    state: Lock<PostState>,
    /// Whose thread it is.
    crew: Arc<Crew>,
    /// Whose job it is; `None` in a system without a root.
    of: Option<Submitter>,
}

/// The process that submitted a job, as far as it is needed when somebody gives the job up, who may be another process, or none. It owns
/// nothing of the process, which owns this.
#[derive(Debug)]
struct Submitter {
    scope: Arc<ScopeInner>,
    /// With the number of its incarnation, if it is supervised.
    lineage: Option<(Arc<Lineage>, u32)>,
    late: Late,
}

impl Submitter {
    fn of(process: &Header) -> Option<Self> {
        // The body of `main` is in no scope, and the root scope ends after it.
        let scope = match process.scope() {
            Some(scope) => Arc::clone(scope),
            None => process.system().root()?,
        };
        let lineage = process.lineage().map(Arc::clone);
        Some(Self {
            scope,
            lineage: lineage.map(|lineage| {
                let incarnation = lineage.incarnation();
                (lineage, incarnation)
            }),
            late: Late::on_thread(process, Duration::ZERO),
        })
    }
}

#[derive(Debug, Default)]
struct PostState {
    /// The process, which waits for the result.
    waker: Option<TaskWaker>,
    /// The thread that runs the job, from its first moment to its last.
    thread: Option<Thread>,
    /// When that began.
    begun: Option<Instant>,
    /// What that thread waits for.
    parked: Option<Parked>,
    /// It was woken since it looked last.
    woken: bool,
    /// The process does not wait any more.
    left: bool,
    /// Keeps the scope of the process that has left.
    abandoned: Option<Abandoned>,
}

/// A thread that waits for operations of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Parked {
    waits: Waits,
    /// What a stop had told its process when it began to wait.
    flags: u32,
}

impl Post {
    /// Lets the process look at this post again.
    fn wake_process(mut state: Guard<'_, PostState>) {
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Says what the thread waits for, if anybody asks: while the scope of the process stops.
    fn park(&self, waits: Waits) {
        let flags = current::flags();
        if flags == 0 {
            return;
        }
        let parked = Some(Parked { waits, flags });
        let mut state = self.state.lock();
        // Who was woken in the meantime does not wait: nobody would take back that it does.
        if state.parked != parked && !state.woken {
            state.parked = parked;
            Self::wake_process(state);
        }
    }

    /// The thread is about to look whether it must wait.
    fn looks(&self) {
        self.state.lock().woken = false;
    }

    /// The thread is woken.
    fn unpark(&self) {
        let mut state = self.state.lock();
        state.woken = true;
        let thread = state.thread.clone();
        if state.parked.take().is_some() {
            Self::wake_process(state);
        } else {
            drop(state);
        }
        if let Some(thread) = thread {
            thread.unpark();
        }
    }
}

impl Wake for Post {
    fn wake(self: Arc<Self>) {
        self.unpark();
    }
}

thread_local! {
    /// The post of the job that this thread runs for a process.
    static JOB: RefCell<Option<Arc<Post>>> = const { RefCell::new(None) };
}

/// Runs code that blocks on a thread of its own, and waits for its result.
///
/// Cancellation: a job that has begun runs to its end even if the future is dropped, as by a limit of time. Its result is then lost, and
/// the scope of the process does not end before it: a stop names one that does not return as stuck. A job that has not begun never does,
/// and is dropped with the future.
///
/// A job is nobody's: what it waits for with `blocking_recv()` and the like, it waits for as a plain thread does, and does not see the end
/// of its inputs when the scope stops. A process whose work is to receive and block is a `#[process(blocking)]`, which does.
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
    poll_fn(|cx| {
        here::before_pause(cx, "a job that blocks");
        Poll::Ready(())
    })
    .await;
    let waiting = submit(Lane::Blocking, |_| job());
    match waiting.await {
        Ok(value) => value,
        Err(thrown) => thrown.resume(),
    }
}

/// Runs a future of the current process on a thread of its own, where it may block. `None`: the system has shut down.
///
/// While it runs there, operations of that thread count as the process's: a stop of its scope reaches them. If the process
/// is killed, the thread sees the end of its empty inputs, and the scope waits for it as long as a stop is patient.
pub(crate) async fn process_job<T: Send + 'static>(
    lane: Lane,
    future: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let process = current::task()?;
    // A job cannot be killed with its process: until it returns, the next incarnation of a supervised child waits.
    let held = process.lineage().map(Lineage::hold);
    let waiting = submit(lane, move |post| {
        let _held = held;
        let _attached = current::attach(process);
        drop(JOB.with(|job| job.replace(Some(Arc::clone(post)))));
        let result = catch_unwind(AssertUnwindSafe(|| block_on(future)));
        drop(JOB.with(|job| job.replace(None)));
        result.unwrap_or_else(|payload| resume_unwind(payload))
    });
    match waiting.await {
        Ok(value) => Some(value),
        Err(thrown) => thrown.resume(),
    }
}

fn submit<T, J>(lane: Lane, job: J) -> Waiting<T, J>
where
    T: Send + 'static,
    J: FnOnce(&Arc<Post>) -> T + Send + 'static,
{
    let of = current::with_task(|task| {
        let task = task?;
        let crew = Arc::clone(task.system().threads(lane).crew());
        let first = task.scheduler().remotes.first();
        let channels = first.map(|remote| Arc::clone(&remote.channels));
        let slot = task.slot();
        let submitter = Submitter::of(task);
        Some((crew, channels, slot.id(), slot.origin(), submitter))
    });
    let Some((crew, channels, process, origin, of)) = of else {
        panic!(
            "`blocking` needs a Roundrock system: await it in a process, or just call the function"
        )
    };
    let slot = Arc::new(Slot {
        job: Lock::new(Some(job)),
        result: Lock::new(None),
        post: Arc::new(Post {
            state: Lock::default(),
            crew,
            of,
        }),
    });
    let shared = Arc::clone(&slot);
    let waiting = Waiting { slot };
    let run: Job = Box::new(move || shared.run(channels, process, origin));
    let submitted =
        current::with_task(|task| task.is_some_and(|task| task.system().threads(lane).submit(run)));
    assert!(
        submitted,
        "`blocking` was awaited after the system has shut down"
    );
    waiting
}

impl<T, J: FnOnce(&Arc<Post>) -> T> Slot<T, J> {
    /// What the thread does, unless the process has gone.
    fn run(
        self: Arc<Self>,
        channels: Option<Arc<registry::Shard>>,
        process: ProcessId,
        origin: &'static Origin,
    ) {
        let job = {
            let mut state = self.post.state.lock();
            let Some(job) = self.job.lock().take() else {
                return;
            };
            state.thread = Some(thread::current());
            state.begun = Some(crate::sync::now());
            job
        };
        let since = self.post.crew.begins(process, origin);
        let _channels = registry::OfJob::enter(channels);
        // Of an earlier job, which caught its panic itself.
        let _ = current::take_panic_site();
        let result = catch_unwind(AssertUnwindSafe(|| job(&self.post)));
        let result = result.map_err(|payload| Thrown {
            payload,
            site: current::take_panic_site(),
        });
        self.post.crew.ended(process, since);
        *self.result.lock() = Some(result);
        let mut state = self.post.state.lock();
        state.thread = None;
        let abandoned = state.abandoned.take();
        // A result that nobody waits for is dropped here, before the scope that waits for the job may end.
        let unwanted = state.left.then(|| self.result.lock().take());
        Post::wake_process(state);
        quietly(|| drop(unwanted));
        quietly(|| drop(self));
        drop(abandoned);
    }
}

/// Runs destructors of what nobody waits for; their thread serves others too.
fn quietly(drops: impl FnOnce()) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(drops)) {
        drop(Fault::panic(payload));
    }
}

struct Waiting<T, J> {
    slot: Arc<Slot<T, J>>,
}

impl<T, J> Future for Waiting<T, J> {
    type Output = Result<T, Thrown>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let _spare = waker::prepare(cx);
        let mut state = self.slot.post.state.lock();
        if let Some(result) = self.slot.result.lock().take() {
            return Poll::Ready(result);
        }
        let old = state.waker.replace(TaskWaker::of(cx));
        let parked = state.parked;
        let flags = current::flags();
        // A stop has told the process something that the thread does not know yet.
        let news = flags != 0 && parked.is_none_or(|parked| parked.flags != flags);
        let thread = state.thread.clone().filter(|_| news);
        drop(state);
        drop(old);
        match parked {
            Some(parked) => current::waits_as(parked.waits),
            None => current::waits_for(WaitKind::Blocking, 0),
        }
        if let Some(thread) = thread {
            thread.unpark();
        }
        Poll::Pending
    }
}

impl<T, J> Drop for Waiting<T, J> {
    fn drop(&mut self) {
        let mut state = self.slot.post.state.lock();
        state.left = true;
        let job = self.slot.job.lock().take();
        let result = self.slot.result.lock().take();
        let thread = state.thread.clone();
        if thread.is_some() {
            let of = self.slot.post.of.as_ref().zip(state.begun);
            state.abandoned = of.and_then(|(of, begun)| Abandoned::of(of, begun));
        }
        drop(state);
        if let Some(thread) = thread {
            thread.unpark();
        }
        // Here, and not on the thread that comes to it later: what they hold is the process's, and ends with it.
        quietly(|| drop(job));
        quietly(|| drop(result));
    }
}

/// A job whose process has gone, or that somebody has given up. It cannot be ended, so the scope of the process waits for it, and the
/// next incarnation of a supervised child. If that scope was over before, the nearest one around it waits that is not.
#[derive(Debug)]
struct Abandoned {
    scope: Arc<ScopeInner>,
    id: u64,
    _held: Option<Held>,
}

impl Abandoned {
    fn of(of: &Submitter, begun: Instant) -> Option<Self> {
        let scope = of.scope.enter_what_lives()?;
        let job = GivenUp {
            scope: Arc::clone(&scope),
            late: of.late.clone(),
            begun,
        };
        let id = scope.system.jobs.enter(job);
        // Another incarnation has begun if this one was gone before.
        let lineage = of.lineage.as_ref();
        let lineage = lineage.filter(|(lineage, number)| lineage.incarnation() == *number);
        Some(Self {
            scope,
            id,
            _held: lineage.map(|(lineage, _)| Lineage::hold(lineage)),
        })
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        self.scope.system.jobs.leave(self.id);
        self.scope.leave();
    }
}

/// The jobs of a system that nobody waits for.
#[derive(Debug)]
pub(crate) struct Jobs(Lock<Vec<(u64, GivenUp)>>);

/// One of them.
#[derive(Debug)]
struct GivenUp {
    scope: Arc<ScopeInner>,
    late: Late,
    begun: Instant,
}

impl Jobs {
    pub(crate) fn new() -> Self {
        Self(Lock::new(Vec::new()))
    }

    fn enter(&self, job: GivenUp) -> u64 {
        let mut jobs = self.0.lock();
        let id = jobs.last().map_or(0, |(id, _)| id + 1);
        jobs.push((id, job));
        id
    }

    fn leave(&self, id: u64) {
        let mut jobs = self.0.lock();
        let at = jobs.iter().position(|(other, _)| *other == id);
        let job = at.map(|at| jobs.remove(at));
        drop(jobs);
        drop(job);
    }

    /// Those of processes of this scope, or of one inside it, and how long each has run.
    pub(crate) fn of(&self, scope: u64) -> Vec<Late> {
        let now = crate::sync::now();
        let jobs = self.0.lock();
        jobs.iter()
            .filter(|(_, job)| job.scope.is_within(scope))
            .map(|(_, job)| Late {
                since: now.saturating_duration_since(job.begun),
                ..job.late.clone()
            })
            .collect()
    }

    /// How many these are.
    pub(crate) fn count(&self, scope: u64) -> usize {
        let jobs = self.0.lock();
        jobs.iter()
            .filter(|(_, job)| job.scope.is_within(scope))
            .count()
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on a plain thread.
#[track_caller]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    if here::is_in_job() {
        return poll_in_job(future);
    }
    refuse_on_worker("a blocking operation", AWAIT);
    wait_as(JOB.with(|job| job.borrow().clone()), future)
}

/// As [`block_on`], for something that is not the business of the process whose job this thread may run.
#[track_caller]
pub(crate) fn block_on_apart<F: Future>(future: F) -> F::Output {
    refuse_on_worker("a blocking operation", AWAIT);
    wait_as(None, future)
}

fn wait_as<F: Future>(job: Option<Arc<Post>>, future: F) -> F::Output {
    let waker = match &job {
        Some(post) => Waker::from(Arc::clone(post)),
        None => Waker::from(Arc::new(Unpark(thread::current()))),
    };
    let mut cx = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        if let Some(post) = &job {
            post.looks();
        }
        let (polled, waits) = current::watched(|| future.as_mut().poll(&mut cx));
        if let Poll::Ready(output) = polled {
            return output;
        }
        match &job {
            Some(post) => {
                post.park(waits);
                post.crew.aside(thread::park);
            }
            None => thread::park(),
        }
    }
}

/// In a simulation a job has no thread that could wait: what it does must be done at once.
fn poll_in_job<F: Future>(future: F) -> F::Output {
    let mut future = pin!(future);
    match future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
    {
        Poll::Ready(output) => output,
        Poll::Pending => panic!(
            "a job that blocks cannot wait in a simulation ({}): give it what it needs before, or make the process an `async fn`",
            current::wait_in_words()
        ),
    }
}

/// What to write instead of an operation that blocks.
pub(crate) const AWAIT: &str = "use the `.await` form, or `blocking(..)`";

/// Panics on a worker, which must not be blocked, and says what to write `instead`.
#[track_caller]
pub(crate) fn refuse_on_worker(what: &str, instead: &str) {
    let on_worker = worker::with(|worker| worker.is_some());
    assert!(
        !on_worker || !here::is_in_job(),
        "{what} in a job that blocks cannot run in a simulation, which has no threads: test this on threads, with `#[roundrock::test(real)]`"
    );
    assert!(
        !on_worker,
        "{what} on a worker would block every process behind it; {instead}"
    );
}
