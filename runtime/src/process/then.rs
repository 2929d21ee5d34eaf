//! Work that runs beside the handlers of a process, whose result comes back to its state: see
//! [`Cx::spawn_then`](super::Cx::spawn_then).
//!
//! Each piece of work is a process of its own; its result is a closure that the loop of the process calls between two messages.
//! So the state is touched by one thread at a time, as always, and the message enum knows nothing of it.
//!
//! A piece of work that only waits to be told of the end of one process (`child.done()`) is a monitor, and nothing to be drained: a
//! process that was told to stop alone does not wait for it. Otherwise one that keeps the handles of those it monitors would wait for
//! them, and they for it. Which of the two a piece of work is, it says after each of its polls ([`Work`]).
//!
//! **Invariants**
//! - The futures do not outlive the process for longer than to their next await: they are killed when the set is dropped.
//! - A piece of work whose result is there counts as work until that was given to the process.
//! - A process that has none pays nothing: its loop looks at one byte, which it looks at anyway.
//!
//! Model: `tests/loom_then.rs`.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::process::call::Envelope;
use crate::process::context::Cx;
use crate::process::exit::{Exit, Fault, Known, Outcome};
use crate::process::handle::{Handlers, StructProcess};
use crate::process::spawn::SpawnOptions;
use crate::process::structure::{Mailbox, rest_between};
use crate::scope::ScopeInner;
use crate::sync::Lock;
use crate::task::current;
use crate::task::waker::{self, TaskWaker};
use crate::task::{JoinNext, JoinSet, TaskRef};

/// What is done with a result.
pub(crate) type Then<P> = Box<dyn FnOnce(&mut P) + Send>;

/// The work of one process.
pub(crate) struct Jobs<P: 'static> {
    set: JoinSet<Then<P>>,
    work: Arc<Work>,
    /// The scope of the process.
    scope: Arc<ScopeInner>,
}

impl<P: 'static> Jobs<P> {
    pub(crate) fn new(scope: &Arc<ScopeInner>) -> Self {
        Self {
            set: JoinSet::new(),
            work: Arc::default(),
            scope: Arc::clone(scope),
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    pub(crate) fn add<F>(
        &mut self,
        scope: &Arc<ScopeInner>,
        site: &'static Location<'static>,
        future: F,
        then: impl FnOnce(&mut P, F::Output) + Send + 'static,
    ) where
        F: Future<Output: Send> + Send + 'static,
    {
        let mut share = Share::new(&self.work);
        let job = async move {
            let mut future = pin!(future);
            let result = poll_fn(|cx| {
                let (polled, monitors) = current::monitoring(|| future.as_mut().poll(cx));
                share.set(!monitors);
                polled
            })
            .await;
            let then: Then<P> = Box::new(move |process| {
                then(process, result);
                drop(share);
            });
            Outcome(Ok(then))
        };
        // Its failure is that of its process, and counts once.
        let options = SpawnOptions::at(site).named("spawn_then").isolated();
        self.set.add(scope.spawn(job, &options));
    }

    /// Waits for the next one that ends. There is one.
    pub(crate) fn next(&mut self) -> Beside<'_, P> {
        Beside {
            job: self.set.join_next(),
            work: &self.work,
            scope: &self.scope,
        }
    }
}

/// What a process waits for beside its messages.
pub(crate) struct Beside<'a, P: 'static> {
    job: JoinNext<'a, Then<P>>,
    work: &'a Work,
    scope: &'a ScopeInner,
}

impl<P: 'static> Beside<'_, P> {
    /// Waits for the next piece of work that ends.
    pub(crate) fn poll_job(&mut self, cx: &mut Context<'_>) -> Poll<Result<Then<P>, Exit>> {
        match Pin::new(&mut self.job).poll(cx) {
            Poll::Ready(Some(ended)) => Poll::Ready(ended),
            _ => Poll::Pending,
        }
    }

    /// For a process whose inputs are over: waits until it was told to stop, while its scope was not, and only monitors are left. In
    /// a scope that stops, those whom they monitor end too.
    pub(crate) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        let stops = current::flags() & current::STOPPING != 0;
        if stops && !self.scope.is_stopping() {
            self.work.poll_over(cx)
        } else {
            Poll::Pending
        }
    }
}

/// Counts the pieces of work that are more than monitors.
#[derive(Debug, Default)]
pub(crate) struct Work(Lock<Left>);

#[derive(Debug, Default)]
struct Left {
    pieces: usize,
    /// The process, if it waits for the last of them.
    waker: Option<Whom>,
}

/// Whom to wake. A process is no parked wait here, which the search for leaks would count beside those that its poll spoke of: this
/// one ends only by a step of those whose ends the process waits for.
#[derive(Debug)]
enum Whom {
    Process(TaskRef),
    Other(TaskWaker),
}

impl Whom {
    /// Whoever polls now.
    fn polls(cx: &Context<'_>) -> Self {
        current::task().map_or_else(|| Self::Other(TaskWaker::of(cx)), Self::Process)
    }

    fn wake(self) {
        match self {
            Self::Process(task) => task.wake(),
            Self::Other(waker) => waker.wake(),
        }
    }
}

impl Work {
    fn more(&self) {
        self.0.lock().pieces += 1;
    }

    fn less(&self) {
        let waker = {
            let mut left = self.0.lock();
            left.pieces -= 1;
            if left.pieces > 0 {
                return;
            }
            left.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Waits until there is none.
    pub(crate) fn poll_over(&self, cx: &Context<'_>) -> Poll<()> {
        let _spare = waker::prepare(cx);
        let mut left = self.0.lock();
        if left.pieces == 0 {
            return Poll::Ready(());
        }
        let old = left.waker.replace(Whom::polls(cx));
        drop(left);
        drop(old);
        Poll::Pending
    }
}

/// The share of one piece in the [`Work`] of its process.
pub(crate) struct Share {
    work: Arc<Work>,
    counts: bool,
}

impl Share {
    pub(crate) fn new(work: &Arc<Work>) -> Self {
        work.more();
        Self {
            work: Arc::clone(work),
            counts: true,
        }
    }

    /// Says whether there is more to do than to wait for the end of a process.
    pub(crate) fn set(&mut self, counts: bool) {
        match (self.counts, counts) {
            (false, true) => self.work.more(),
            (true, false) => self.work.less(),
            _ => {}
        }
        self.counts = counts;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        // A panic is the failure of the process, which does not end before it has seen that.
        if !std::thread::panicking() {
            self.set(false);
        }
    }
}

impl<P: 'static> Drop for Jobs<P> {
    fn drop(&mut self) {
        self.set.kill_all();
    }
}

/// Gives the result of a piece of work to its process.
///
/// # Errors
/// The panic of the work.
pub(crate) fn settle<P>(process: &mut P, ended: Result<Then<P>, Exit>) -> Result<(), Fault> {
    match ended {
        Ok(then) => then(process),
        Err(exit) if exit.is_failure() => return Err(Fault::Known(Known(exit))),
        // The grace of a stop was over, and the report of that names it.
        Err(_) => {}
    }
    Ok(())
}

/// Waits for the next message of a process that has work beside it, and settles meanwhile what ends. `None` when the mailbox is
/// closed and nothing is left to settle.
///
/// # Errors
/// The panic of the work.
pub(crate) async fn next_message<P: Handlers + StructProcess + Send>(
    state: &mut P,
    mailbox: &Mailbox<P>,
    cx: &mut Cx<P>,
) -> Result<Option<Envelope<P::Message>>, Fault> {
    let traced = cx.is_traced();
    let mut message = pin!(mailbox.recv());
    let mut closed = false;
    while let Some(jobs) = cx.jobs() {
        let mut job = jobs.next();
        // Moves the exclusive reference: a shared one would ask for a state that is `Sync`.
        let (job, message, resting) = (&mut job, &mut message, &mut *state);
        let turn = poll_fn(move |task| {
            let first = current::race(|| {
                if let Poll::Ready(ended) = job.poll_job(task) {
                    Poll::Ready(Turn::Job(ended))
                } else if closed {
                    job.poll_over(task).map(|()| Turn::Over)
                } else {
                    message.as_mut().poll(task).map(Turn::Message)
                }
            });
            if first.is_ready() {
                return first;
            }
            if traced {
                rest_between(resting);
            } else if !closed {
                current::waits_between();
            }
            Poll::Pending
        })
        .await;
        match turn {
            Turn::Over => return Ok(None),
            Turn::Job(ended) => settle(state, ended)?,
            Turn::Message(Some(message)) => return Ok(Some(message)),
            Turn::Message(None) => closed = true,
        }
    }
    if closed {
        return Ok(None);
    }
    // Nothing is left beside; the wait goes on where it is, and keeps its place.
    Ok(poll_fn(move |task| {
        let polled = message.as_mut().poll(task);
        if polled.is_pending() && traced {
            rest_between(state);
        }
        polled
    })
    .await)
}

/// What came first.
enum Turn<P, M> {
    Job(Result<Then<P>, Exit>),
    Message(Option<Envelope<M>>),
    /// It was told to stop, and nothing is left to be drained.
    Over,
}
