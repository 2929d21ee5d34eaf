//! `select!`: several operations, of which exactly one takes effect.
//!
//! The idea is Go's: every parked arm of one `select!` points to one [`Token`], and whoever completes an arm, a peer or the
//! process itself, must claim the token first. So a loser never exchanged anything, and nothing has to be undone.
//!
//! **Invariants**
//! - An arm that returned [`ArmPoll::Ready`] has claimed the token, but for [`CancelSafe`]: if a peer was faster, what it has completed is
//!   undone when that arm is dropped.
//! - The token outlives the arms: they are fields of one future, the arms first, and leave their lists when dropped.
//!
//! Model: `tests/loom_select.rs`.

#![expect(unsafe_code, reason = "structural pinning of the arms")]

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::channel::Message;
use crate::channel::error::{Closed, SendError};
use crate::channel::permit::Permit;
use crate::sim::{here, told};
use crate::sync::{AtomicU32, Ordering};
use crate::task::current;
use crate::task::registry::WaitKind;

/// One `select!` while it waits: 0 until somebody completes one of its arms.
#[derive(Debug)]
pub struct Token(AtomicU32);

impl Token {
    pub(crate) fn new() -> Self {
        Self(AtomicU32::new(0))
    }

    /// Wins the right to complete one arm; granted once.
    #[inline]
    pub(crate) fn claim(&self) -> bool {
        // ORDERING: AcqRel: the winner's exchange happens under a channel's lock, which orders the data; the loser only needs to
        // know that it lost.
        self.0
            .compare_exchange(0, 1, Ordering::AcqRel, Ordering::Acquire)
            .is_ok()
    }

    /// Claims for an operation that has completed without effect, and can complete again.
    pub(crate) fn claimed<T>(&self, poll: Poll<T>) -> ArmPoll<T> {
        match poll {
            Poll::Ready(value) if self.claim() => ArmPoll::Ready(value),
            _ => ArmPoll::Pending,
        }
    }

    pub(crate) fn is_claimed(&self) -> bool {
        // ORDERING: Acquire: as above.
        self.0.load(Ordering::Acquire) != 0
    }
}

/// What came of polling one arm.
#[derive(Debug)]
pub enum ArmPoll<T> {
    /// The arm won.
    Ready(T),
    /// The arm waits, or another one won.
    Pending,
    /// The arm waits for something that brings no work: the stop of a scope, or what was made [`passive`]. It does not keep an `else`
    /// from running.
    Passive,
    /// The arm can never win: its channel is closed.
    Disabled,
}

impl<T> From<Poll<T>> for ArmPoll<T> {
    fn from(poll: Poll<T>) -> Self {
        match poll {
            Poll::Ready(value) => Self::Ready(value),
            Poll::Pending => Self::Pending,
        }
    }
}

impl<T> ArmPoll<T> {
    /// The arm of an operation whose `None` says that nothing will come any more.
    pub(crate) fn or_disabled(poll: Poll<Option<T>>) -> Self {
        match poll {
            Poll::Ready(Some(value)) => Self::Ready(value),
            Poll::Ready(None) => Self::Disabled,
            Poll::Pending => Self::Pending,
        }
    }

    pub(crate) fn map<U>(self, f: impl FnOnce(T) -> U) -> ArmPoll<U> {
        match self {
            Self::Ready(value) => ArmPoll::Ready(f(value)),
            Self::Pending => ArmPoll::Pending,
            Self::Passive => ArmPoll::Passive,
            Self::Disabled => ArmPoll::Disabled,
        }
    }
}

/// An operation that may be a branch of `select!`: losing it loses nothing.
///
/// Implemented by Roundrock's own operations only. A future of another kind goes through [`cancel_safe`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a branch of `select!`",
    label = "not known to be cancel-safe: if another branch wins, this work would be lost half way",
    note = "branches are `recv()`, `recv_many(n)`, `ready()`, `send(v)`, `next()` of an interval, `sleep(..)`, `done()`, `closed()`, `stopping()`, `caller_gone()`, `wait_for_name(..)`",
    note = "run other work as its own process and select on its `done()`, or vouch for it with `cancel_safe(...)`"
)]
pub trait Event: sealed::Sealed {
    /// What the branch binds.
    type Output;

    /// Tries the operation, or registers it. Must claim the token before it has any effect.
    #[doc(hidden)]
    fn poll_arm(self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token)
    -> ArmPoll<Self::Output>;

    /// Whether it comes by itself, whatever others do.
    #[doc(hidden)]
    fn is_timer(&self) -> bool {
        false
    }
}

mod sealed {
    /// Keeps the contract of `poll_arm` inside the crate.
    pub trait Sealed {}
    use std::future::Future;
    impl<T> Sealed for crate::channel::receiver::Recv<'_, T> {}
    impl<T> Sealed for crate::channel::receiver::RecvMany<'_, T> {}
    impl<T> Sealed for crate::channel::permit::Ready<'_, T> {}
    impl<T> Sealed for crate::channel::permit::Room<'_, T> {}
    impl<T> Sealed for crate::channel::credit::More<'_, T> {}
    impl<T: crate::channel::Message> Sealed for crate::channel::oneshot::OneshotReceiver<T> {}
    impl<T: crate::channel::Message> Sealed for &mut crate::channel::oneshot::OneshotReceiver<T> {}
    impl<T: crate::channel::Message> Sealed for crate::channel::oneshot::OneshotRecv<'_, T> {}
    impl<T> Sealed for crate::channel::oneshot::OneshotClosed<'_, T> {}
    impl<T> Sealed for crate::channel::changes::LatestChanged<'_, T> {}
    impl<T: Clone> Sealed for crate::channel::changes::LatestRecv<'_, T> {}
    impl<T> Sealed for crate::channel::changes::LatestClosed<'_, T> {}
    impl<T: Clone> Sealed for crate::channel::subscriber::BroadcastRecv<'_, T> {}
    impl Sealed for crate::task::Done {}
    impl<T> Sealed for crate::task::JoinNext<'_, T> {}
    impl Sealed for crate::time::Sleep {}
    impl Sealed for crate::time::Tick<'_> {}
    impl Sealed for crate::scope::Stopping {}
    impl<T> Sealed for crate::scope::WaitForName<T> {}
    impl Sealed for crate::process::CallerGone {}
    impl<F: Future> Sealed for super::CancelSafe<F> {}
    impl<E: super::Event> Sealed for super::Passive<E> {}
    impl Sealed for crate::channel::branch::NoInput {}
}

/// Vouches that dropping `future` half way loses nothing, so that it may be a branch of `select!`.
///
/// If another branch wins, the future is dropped at its current await: whatever it had read or taken by then is gone.
pub fn cancel_safe<F: Future>(future: F) -> CancelSafe<F> {
    CancelSafe(future)
}

/// A future that its user vouches for; see [`cancel_safe`].
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct CancelSafe<F>(F);

impl<F: Future> Event for CancelSafe<F> {
    type Output = F::Output;

    fn poll_arm(self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<F::Output> {
        // What it takes in a poll it cannot give back: once another arm has won, it is not polled.
        if token.is_claimed() {
            return ArmPoll::Pending;
        }
        // SAFETY: the future is pinned with this and never moved.
        let future = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        match future.poll(cx) {
            Poll::Ready(output) => {
                // A peer may have completed another arm during the poll. That arm gives back what it got when it is dropped, as every
                // operation of ours does, and this one could not: so it wins all the same.
                token.claim();
                ArmPoll::Ready(output)
            }
            Poll::Pending => {
                current::waits_for(WaitKind::Other, 0);
                ArmPoll::Pending
            }
        }
    }
}

/// Marks a branch of `select!` that brings no work of its own, such as the tick of a report: it does not keep `else` from running.
///
/// A timer never closes, so beside one the `else` of a loop would never be reached, and the loop would outlive its input. As long as
/// another branch is open, a passive one wins like any other; only a passive timer no longer comes once the process is told to stop,
/// for then the rest of the input is what counts.
///
/// # Examples
/// ```
/// use roundrock::prelude::*;
///
/// /// Passes lines on in batches: when there are 100, and every 10 ms.
/// #[process]
/// async fn batches(lines: &Receiver<String>, out: &Sender<Vec<String>>) -> Result<()> {
///     let (mut batch, mut tick) = (Vec::new(), interval(millis(10)));
///     loop {
///         let full = select! {
///             line = lines.recv()       => { batch.push(line); batch.len() == 100 },
///             _ = passive(tick.next())  => !batch.is_empty(),
///             else                      => break,     // at the end of the input, also when the scope stops
///         };
///         if full { out.send(std::mem::take(&mut batch)).await?; }
///     }
///     if !batch.is_empty() { out.send(batch).await?; }
///     Ok(())
/// }
///
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let (lines, input) = bounded(4);
/// let (out, written) = bounded(4);
/// scope.spawn(batches(input, out));
/// lines.send("a".to_owned()).await?;
/// lines.finish();
/// assert_eq!(written.recv().await, Some(vec!["a".to_owned()]));
/// assert_eq!(written.recv().await, None);
/// # Ok(()) }) }
/// ```
pub fn passive<E: Event>(event: E) -> Passive<E> {
    Passive(event)
}

/// A branch that brings no work; see [`passive`].
#[derive(Debug)]
#[must_use = "events do nothing unless they are a branch of `select!`"]
pub struct Passive<E>(E);

impl<E: Event> Event for Passive<E> {
    type Output = E::Output;

    fn poll_arm(self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<E::Output> {
        // A stop waits until nothing moves any more, and a timer always does.
        if self.0.is_timer() && current::flags() & current::STOPPING != 0 {
            return ArmPoll::Passive;
        }
        // SAFETY: the event is pinned with this and never moved.
        let event = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        match event.poll_arm(cx, token) {
            ArmPoll::Pending => ArmPoll::Passive,
            polled => polled,
        }
    }
}

/// The arms of a `select!`, as a list of pairs.
pub trait Arms {
    /// Which arm won, and with what: nested [`Either`]s.
    type Output;
    /// The number of arms.
    const COUNT: usize;
    #[doc(hidden)]
    fn poll_at(
        self: Pin<&mut Self>,
        at: usize,
        cx: &mut Context<'_>,
        token: &Token,
    ) -> ArmPoll<Self::Output>;
}

/// One arm and those after it.
#[derive(Debug)]
pub struct Cons<E, R> {
    /// `None` if its guard was false.
    pub event: Option<E>,
    /// The arms after it.
    pub rest: R,
}

/// The end of the arms.
#[derive(Debug)]
pub struct Nil;

/// The arm here, or one after it.
#[derive(Debug)]
pub enum Either<A, B> {
    /// This arm won.
    Here(A),
    /// A later one did.
    There(B),
}

impl<E: Event, R: Arms> Arms for Cons<E, R> {
    type Output = Either<E::Output, R::Output>;
    const COUNT: usize = R::COUNT + 1;

    fn poll_at(
        self: Pin<&mut Self>,
        at: usize,
        cx: &mut Context<'_>,
        token: &Token,
    ) -> ArmPoll<Self::Output> {
        // SAFETY: both fields are pinned with this value and never moved.
        let Self { event, rest } = unsafe { self.get_unchecked_mut() };
        if at > 0 {
            // SAFETY: as above.
            return unsafe { Pin::new_unchecked(rest) }
                .poll_at(at - 1, cx, token)
                .map(Either::There);
        }
        match event {
            // SAFETY: as above.
            Some(event) => unsafe { Pin::new_unchecked(event) }
                .poll_arm(cx, token)
                .map(Either::Here),
            None => ArmPoll::Disabled,
        }
    }
}

impl Arms for Nil {
    type Output = std::convert::Infallible;
    const COUNT: usize = 0;

    fn poll_at(
        self: Pin<&mut Self>,
        _at: usize,
        _cx: &mut Context<'_>,
        _token: &Token,
    ) -> ArmPoll<Self::Output> {
        ArmPoll::Disabled
    }
}

/// How a `select!` ended.
#[derive(Debug)]
pub enum Selected<T> {
    /// An arm won.
    Arm(T),
    /// Nothing was ready, and there is a `default`.
    Default,
    /// Every arm is closed or guarded off, and there is an `else`.
    Else,
}

/// What a `select!` has beside its arms.
#[derive(Debug, Clone, Copy)]
pub struct Select {
    /// The source of each arm, for the panic when none is left.
    arms: &'static [&'static str],
    /// Where it is written.
    site: &'static Location<'static>,
    start: Start,
    has_default: bool,
    has_else: bool,
}

#[derive(Debug, Clone, Copy)]
enum Start {
    /// Every arm is equally likely to be tried first.
    Fair,
    At(usize),
}

impl Select {
    /// Describes a wait over these arms, given by their sources.
    #[must_use]
    #[track_caller]
    pub const fn new(arms: &'static [&'static str]) -> Self {
        Self {
            arms,
            site: Location::caller(),
            start: Start::Fair,
            has_default: false,
            has_else: false,
        }
    }

    /// Tries the arms in the order in which they are written.
    #[must_use]
    pub const fn biased(self) -> Self {
        self.starting_at(0)
    }

    /// Tries the arms from this one on, modulo their number.
    #[must_use]
    pub const fn starting_at(self, turn: usize) -> Self {
        Self {
            start: Start::At(turn),
            ..self
        }
    }

    /// Does not wait.
    #[must_use]
    pub const fn with_default(self) -> Self {
        Self {
            has_default: true,
            ..self
        }
    }

    /// Ends when no arm can win any more.
    #[must_use]
    pub const fn with_else(self) -> Self {
        Self {
            has_else: true,
            ..self
        }
    }

    /// Says in the record of a simulated run which branch was taken.
    #[inline]
    fn tell(&self, branch: impl FnOnce(&[&'static str]) -> Option<&'static str>) {
        if here::records()
            && let Some(branch) = branch(self.arms)
        {
            told::selects(branch);
        }
    }

    /// Waits for the first of the arms.
    pub fn run<A: Arms>(self, arms: A) -> Selecting<A> {
        Selecting {
            arms,
            token: Token::new(),
            shape: self,
            waited: false,
            _pinned: PhantomPinned,
        }
    }
}

/// The arm `default` or `else` where there is none: cannot happen.
pub fn not_selected() -> ! {
    unreachable!("a `select!` ends in one of its own arms")
}

/// Ends a `sender.send(value)` arm whose outcome nobody asks for.
pub fn send_room<T: Message>(room: Permit<'_, T>, value: T) {
    // The other side may have gone since the branch was taken: as after a send, the message then counts as dead.
    drop(room.send(value));
}

/// Ends a `sent = sender.send(value)` arm.
///
/// # Errors
/// [`SendError`] with the value when no receiver is left.
pub fn send_ready<T: Message>(
    room: Result<Permit<'_, T>, Closed>,
    value: T,
) -> Result<(), SendError<T>> {
    match room {
        Ok(permit) => permit.send(value),
        Err(closed) => Err(closed.with(value)),
    }
}

/// Ends every arm that sends, before its body runs: in a simulation others may come first, as after a send.
#[inline]
pub fn sent() {
    current::lags();
}

/// Waits for the first of several arms; made by `select!`.
#[must_use = "futures do nothing unless awaited"]
pub struct Selecting<A> {
    // Dropped before the token, which their parked nodes point to.
    arms: A,
    token: Token,
    shape: Select,
    /// No arm had won at the first look.
    waited: bool,
    _pinned: PhantomPinned,
}

impl<A> fmt::Debug for Selecting<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selecting")
            .field("shape", &self.shape)
            .finish_non_exhaustive()
    }
}

impl<A: Arms> Future for Selecting<A> {
    type Output = Selected<A::Output>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(current::spend(cx, WaitKind::Select, || 0));
        // SAFETY: `arms` and `token` stay in place; only `arms` is pinned further.
        let this = unsafe { self.get_unchecked_mut() };
        let before = current::waits_so_far();
        loop {
            current::wait_no_more(before);
            let start = match this.shape.start {
                Start::Fair => {
                    let start = choose(A::COUNT);
                    if A::COUNT > 1 && here::records() {
                        told::looks_first(this.shape.arms.get(start).copied().unwrap_or("?"));
                    }
                    start
                }
                Start::At(turn) => turn.checked_rem(A::COUNT).unwrap_or(0),
            };
            let (mut open, mut passive) = (0, 0);
            for step in 0..A::COUNT {
                let at = if start + step < A::COUNT {
                    start + step
                } else {
                    start + step - A::COUNT
                };
                // SAFETY: as above.
                let arms = unsafe { Pin::new_unchecked(&mut this.arms) };
                match current::part(|| arms.poll_at(at, cx, &this.token)) {
                    ArmPoll::Ready(output) => {
                        current::wait_no_more(before);
                        this.shape.tell(|arms| arms.get(at).copied());
                        if !this.waited {
                            current::lags();
                        }
                        return Poll::Ready(Selected::Arm(output));
                    }
                    ArmPoll::Pending => open += 1,
                    ArmPoll::Passive => passive += 1,
                    ArmPoll::Disabled => {}
                }
            }
            // A peer completed an arm that this round had passed already: the next round finds it.
            if this.token.is_claimed() {
                continue;
            }
            if open == 0 && (passive == 0 || this.shape.has_else) {
                current::wait_no_more(before);
                return match this.shape {
                    Select { has_else: true, .. } => {
                        this.shape.tell(|_| Some("else"));
                        Poll::Ready(Selected::Else)
                    }
                    Select {
                        has_default: true, ..
                    } => {
                        this.shape.tell(|_| Some("default"));
                        Poll::Ready(Selected::Default)
                    }
                    shape => none_left(&shape),
                };
            }
            if this.shape.has_default {
                if this.token.claim() {
                    current::wait_no_more(before);
                    this.shape.tell(|_| Some("default"));
                    return Poll::Ready(Selected::Default);
                }
                continue;
            }
            current::waits_for_any();
            current::waits_here(this.shape.site);
            this.waited = true;
            return Poll::Pending;
        }
    }
}

/// A fair start: every arm is equally likely.
fn choose(arms: usize) -> usize {
    if arms < 2 {
        0
    } else {
        current::random_below(arms as u32) as usize
    }
}

#[cold]
fn none_left(shape: &Select) -> ! {
    panic!(
        "{}: no branch of this `select!` can ever win: all are closed or guarded off ({}); add an `else =>` branch",
        shape.site,
        shape.arms.join(", ")
    )
}
