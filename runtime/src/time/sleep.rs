//! Waiting for a moment: [`sleep`], [`sleep_until`], and [`timeout`] around other futures.

#![expect(
    unsafe_code,
    reason = "a sleep is pinned while the timer queue points to it"
)]

use std::fmt;
use std::future::{Future, IntoFuture};
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::channel::select::{ArmPoll, Event, Token};
use crate::scheduler::{Scheduler, worker};
use crate::sim::{here, told};
use crate::task::registry::WaitKind;
use crate::task::waker::TaskWaker;
use crate::task::{TaskRef, current};
use crate::time::queue::Entry;

/// Waits for at least `duration`. Zero completes at once, after giving others a turn.
///
/// Cancellation: dropping the future forgets the timer. A timer never fires early; it is late by what the machine is
/// busy with, and by up to two milliseconds when the process was parked.
///
/// # Panics
/// When polled outside of a Roundrock system (on a thread that is not one of its workers).
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # roundrock::System::builder().workers(1).run(async |_scope| {
/// sleep(millis(2)).await;
/// # Ok(()) }).unwrap();
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    Sleep::new(When::After(duration))
}

/// Waits until `deadline`. One that has passed completes at once, after giving others a turn.
///
/// Cancellation and panics: as for [`sleep`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let until = roundrock::time::now() + millis(2);
/// sleep_until(until).await;
/// assert!(roundrock::time::now() >= until);           // never early
/// # Ok(()) }) }
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep::new(When::At(deadline))
}

#[derive(Debug, Clone, Copy)]
enum When {
    /// The clock is read at the first poll: a sleep that is never polled costs nothing.
    After(Duration),
    At(Instant),
}

/// Waits for a moment; see [`sleep`]. May be a branch of `select!`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (_jobs, inbox) = bounded::<u32>(1);
/// select! {
///     job = inbox.recv() => panic!("nobody sends: {job}"),
///     _ = sleep(millis(1)) => {},
/// }
/// # Ok(()) }) }
/// ```
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep {
    when: When,
    state: State,
    /// Keeps the scheduler alive where the entry is registered, once it is.
    anchor: Option<Anchor>,
    entry: Entry,
    _pinned: PhantomPinned,
}

/// What keeps a scheduler alive: the process that sleeps (which costs nothing), or a count on the scheduler.
enum Anchor {
    Task(TaskRef),
    Scheduler(Arc<Scheduler>),
}

impl Anchor {
    fn scheduler(&self) -> &Scheduler {
        match self {
            Self::Task(task) => task.scheduler(),
            Self::Scheduler(scheduler) => scheduler,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    New,
    /// Due at the first poll: gives others a turn before it completes.
    Yielding,
    Waiting,
    Done,
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep")
            .field("when", &self.when)
            .field("state", &self.state)
            .finish()
    }
}

impl Sleep {
    fn new(when: When) -> Self {
        Self {
            when,
            state: State::New,
            anchor: None,
            entry: Entry::new(),
            _pinned: PhantomPinned,
        }
    }

    /// Sets a new deadline; the sleep may be awaited again.
    pub(crate) fn reset(self: Pin<&mut Self>, deadline: Instant) {
        self.as_ref().get_ref().forget();
        // SAFETY: the entry was just taken out of the queue, and the fields that change are not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        this.when = When::At(deadline);
        this.state = State::New;
        this.anchor = None;
    }

    fn forget(&self) {
        if let Some(anchor) = &self.anchor {
            anchor.scheduler().timers.remove(&self.entry);
        }
    }

    /// Whether it was polled, and has not fired since.
    pub(crate) fn is_waiting(&self) -> bool {
        self.state == State::Waiting && self.entry.is_in()
    }

    /// Whether it was polled, and has not fired since: then the process that did waits for it still, and need not poll it.
    #[cfg(feature = "net")]
    pub(crate) fn still_waits(&self) -> bool {
        let waits = self.is_waiting();
        if waits {
            current::waits_for(WaitKind::Timer, 0);
        }
        waits
    }

    /// Polls it without a line of its own in the record of a simulation: as a part of another operation.
    pub(crate) fn poll_sleep(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_or(cx, State::Yielding)
    }

    /// Goes to the state `due` if the moment has come at the first poll.
    #[inline]
    fn poll_or(self: Pin<&mut Self>, cx: &mut Context<'_>, due: State) -> Poll<()> {
        // SAFETY: nothing is moved out; `entry` keeps its place.
        let this = unsafe { self.get_unchecked_mut() };
        match this.state {
            State::Done => return Poll::Ready(()),
            State::Yielding => {
                this.state = State::Done;
                return Poll::Ready(());
            }
            State::New => {
                this.register(cx, due);
                if this.state == State::Done {
                    return Poll::Ready(());
                }
            }
            State::Waiting => {
                let waiting = |anchor: &Anchor| {
                    anchor
                        .scheduler()
                        .timers
                        .renew(&this.entry, TaskWaker::of(cx))
                };
                if !this.anchor.as_ref().is_some_and(waiting) {
                    this.state = State::Done;
                    return Poll::Ready(());
                }
            }
        }
        current::waits_for(WaitKind::Timer, 0);
        Poll::Pending
    }

    /// The same as a branch of a `select!`: a moment that has come is there at once, as a message is. A `select!` in a loop makes it
    /// anew each time, so that beside others that are ready it would never be asked a second time.
    pub(crate) fn poll_as_arm(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_or(cx, State::Done)
    }

    /// The moment that is waited for, if it is known yet.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.when {
            When::At(deadline) => Some(deadline),
            When::After(_) => None,
        }
    }

    /// How long it takes from now on.
    fn pause(&self) -> Duration {
        match self.when {
            When::At(deadline) => deadline.saturating_duration_since(super::clock::now()),
            When::After(pause) => pause,
        }
    }

    fn register(&mut self, cx: &Context<'_>, due: State) {
        worker::with(|worker| {
            let Some(worker) = worker else { no_system() };
            let scheduler = worker.scheduler();
            let now = scheduler.clock.now();
            let deadline = match self.when {
                When::At(deadline) => deadline,
                When::After(duration) => later(now, duration),
            };
            self.when = When::At(deadline);
            if deadline <= now {
                self.state = due;
                if due == State::Yielding {
                    cx.waker().wake_by_ref();
                }
                return;
            }
            self.state = State::Waiting;
            self.anchor = Some(match current::task() {
                Some(task) if std::ptr::eq(task.scheduler(), scheduler) => Anchor::Task(task),
                _ => Anchor::Scheduler(worker.share_scheduler()),
            });
            let mut nanos = scheduler.clock.nanos(deadline);
            if scheduler.clock.is_virtual() {
                nanos = nanos.saturating_add(here::timer_delay());
            }
            // SAFETY: the entry is pinned with this future, whose destructor and `reset` take it out.
            let keeper = unsafe {
                scheduler
                    .timers
                    .insert(worker.index(), &self.entry, nanos, TaskWaker::of(cx))
            };
            if let Some(keeper) = keeper {
                scheduler.unpark(keeper);
            }
        });
    }
}

/// Farther than any program runs: a duration that overflows the clock sleeps this long.
pub(crate) const FAR: Duration = Duration::from_secs(100 * 365 * 24 * 3600);

/// `duration` after `now`, or as far off as makes no difference if the clock does not reach there.
pub(crate) fn later(now: Instant, duration: Duration) -> Instant {
    now.checked_add(duration).unwrap_or_else(|| now + FAR)
}

#[cold]
fn no_system() -> ! {
    panic!(
        "a timer needs a Roundrock system: poll it in a process, or use `std::thread::sleep` on a thread of your own"
    )
}

impl Drop for Sleep {
    fn drop(&mut self) {
        self.forget();
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if matches!(self.state, State::New) {
            here::before_pause(cx, "sleep");
            if here::records() {
                told::sleeps(self.pause());
            }
        }
        self.poll_sleep(cx)
    }
}

impl Event for Sleep {
    type Output = ();

    fn poll_arm(self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<()> {
        token.claimed(self.poll_as_arm(cx))
    }

    fn is_timer(&self) -> bool {
        true
    }
}

/// The time was up before the operation was done.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::time::Elapsed;
///
/// let limited: std::result::Result<(), Elapsed> = sleep(secs(60)).within(millis(2)).await;
/// let elapsed = limited.expect_err("too long");
/// assert_eq!(elapsed.to_string(), "the time was up before the operation was done");
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed(pub(crate) ());

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the time was up before the operation was done")
    }
}

impl std::error::Error for Elapsed {}

/// Gives `future`, or a call or task, at most `limit`; afterwards drops it.
///
/// The future is polled first, so one that is ready at the deadline wins.
///
/// # Errors
/// [`Elapsed`] when the time is up. What a dropped future did half way is lost, unless it is cancel-safe, as all operations
/// of Roundrock are except a started call. One thing it cannot say: a receiver on another thread may take the message of a `send` in the very
/// moment in which that is given up, so that it was sent although this is the answer. `send(..).within(limit)` asks once more, and says
/// which it was.
///
/// # Panics
/// When awaited outside of a Roundrock system, as [`sleep`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let number = timeout(secs(1), async { 7 }).await?;
/// assert_eq!(number, 7);
/// assert!(timeout(millis(2), sleep(secs(60))).await.is_err());
/// # Ok(()) }) }
/// ```
pub async fn timeout<F: IntoFuture>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    Timeout {
        future: future.into_future(),
        sleep: sleep(limit),
    }
    .await
}

/// Gives an operation a limit of time: `jobs.recv().within(secs(1))`.
///
/// # Panics
/// When awaited outside of a Roundrock system, as [`sleep`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(1);
/// assert!(inbox.recv().within(millis(2)).await.is_err());
/// jobs.send(7).await?;
/// assert_eq!(inbox.recv().within(secs(1)).await?, Some(7));
/// # Ok(()) }) }
/// ```
pub trait Within: IntoFuture + Sized {
    /// Gives this operation, or the wait for a task, at most `limit`; see [`timeout`].
    fn within(self, limit: Duration) -> Timeout<Self::IntoFuture> {
        Timeout {
            future: self.into_future(),
            sleep: sleep(limit),
        }
    }
}

impl<F: IntoFuture> Within for F {}

/// A future with a limit of time; see [`Within::within`] and [`timeout`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let limited = sleep(secs(60)).within(millis(2));            // nothing runs before it is awaited
/// assert!(limited.await.is_err());
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct Timeout<F> {
    future: F,
    sleep: Sleep,
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: structural pinning: both fields are pinned with this future and never moved out.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let future = unsafe { Pin::new_unchecked(&mut this.future) };
        let before = current::waits_so_far();
        if let Poll::Ready(output) = future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // SAFETY: as above.
        let sleep = unsafe { Pin::new_unchecked(&mut this.sleep) };
        ready!(sleep.poll_sleep(cx));
        told::does(|| "gives up: the time is over".to_owned());
        current::wait_no_more(before);
        Poll::Ready(Err(Elapsed(())))
    }
}
