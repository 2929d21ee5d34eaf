//! Calls: what a handle method returns, the way of the reply, and what can go wrong.
//!
//! A call is a message whose variant carries a [`ReplySlot`]. The slot and the caller share one small cell; the slot is used up
//! by the answer, and whatever becomes of it otherwise completes the call too: dropped with the queue it means `Gone`, by a
//! panic `Crashed`, by a handler that forgot its [`Reply`] `NoReply`. So a call always completes. Both are in
//! [`reply`](super::reply).
//!
//! **Invariant**: a caller that goes says so in the cell, and a message whose caller has gone is skipped if its handler has not started.

#![expect(
    unsafe_code,
    reason = "a call is pinned while its message waits for room"
)]

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use crate::channel::error::{SendError, TrySendError};
use crate::channel::sender::{SendOp, Sender};
#[cfg(doc)]
use crate::process::Reply;
use crate::process::call_send::CallSend;
use crate::process::extra::{Extra, TraceContext};
use crate::process::handle::{Handle, Handlers};
use crate::process::refusal::CallError;
use crate::process::reply::{Question, ReplySlot, question};
use crate::sim::told;
use crate::sim::values::About;
use crate::task::{WaitKind, asked, current};
use crate::time::clock::now;
use crate::time::sleep::{Sleep, sleep_until};

/// A message on its way to a struct process, with what belongs to it.
#[derive(Debug)]
pub(crate) struct Envelope<M> {
    pub(crate) message: M,
    /// What few messages carry.
    pub(crate) extra: Extra,
    /// The process that sent it; 0 from outside.
    pub(crate) sender: u64,
}

impl<M> Envelope<M> {
    pub(crate) fn new(message: M, extra: Extra) -> Self {
        let sender = current::with_task(|task| task.map_or(0, |task| task.slot().id().raw()));
        Self {
            message,
            extra,
            sender,
        }
    }
}

/// Calls whose reply may be thrown away without a word: those that have none.
#[diagnostic::on_unimplemented(
    message = "the reply of this call (`{Self}`) would be lost",
    label = "this handler returns something",
    note = "`.await` the call to get it, or throw it away on purpose with `.send_and_forget()`"
)]
pub trait NoReply<E> {}
impl NoReply<Infallible> for () {}

/// How a call finds the reply slot in its message.
pub(super) type FindSlot<M, R, E> = fn(&mut M) -> Option<&mut ReplySlot<R, E>>;

/// A call that was not made yet: what a handle method returns.
///
/// `P` is the process, `R` the reply and `E` the error of the handler: `Infallible` if it has none. `M` is the message, which only
/// the process can name, so nobody else writes it.
///
/// - `.await`: waits until the message is handled, and gives the reply, as `Result<T, CallError<E>>`.
/// - [`.send().await`](Self::send): waits for room in the mailbox only.
/// - [`.try_send()`](Self::try_send): does not wait at all.
/// - [`.within(d)`](Self::within): the same as `.await`, with a limit of time that travels with the message.
/// - [`.send_and_forget().await`](Self::send_and_forget): waits for room, and throws the reply away.
///
/// Cancellation: a call dropped before its handler started is withdrawn (it keeps its place in the mailbox until its turn comes, and is
/// counted then); afterwards the handler runs to its end and the reply is dropped.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// #[process]
/// struct Counter { n: i64 }
///
/// #[handlers]
/// impl Counter {
///     fn add(&mut self, by: i64) { self.n += by; }
///     fn get(&self) -> i64 { self.n }
///     fn divide(&self, by: i64) -> Result<i64, String> {
///         self.n.checked_div(by).ok_or_else(|| "division by zero".to_owned())
///     }
/// }
///
/// let counter = scope.spawn(Counter { n: 0 });
/// counter.add(2).send().await?;                               // accepted
/// counter.add(2).await?;                                      // handled
/// assert_eq!(counter.get().within(secs(1)).await?, 4);        // answered in time
/// let failed = counter.divide(0).await;                       // answered with the handler's own error
/// assert_eq!(failed, Err(CallError::Failed("division by zero".to_owned())));
/// # Ok(()) }) }
/// ```
///
/// A function of your own may return one, and leave to its caller how long to wait:
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) { self.n += by; } fn get(&self) -> i64 { self.n } }
/// use std::convert::Infallible;
///
/// fn double(counter: &CounterHandle, n: i64) -> Call<'_, Counter, (), Infallible> {
///     counter.add(2 * n)
/// }
///
/// let counter = scope.spawn(Counter { n: 0 });
/// double(&counter, 1).send().await?;
/// double(&counter, 2).await?;
/// assert_eq!(counter.get().await?, 6);
/// # Ok(()) }) }
/// ```
///
/// A call is no branch of `select!`: if another branch won, the handler might have run already. It is made in a task, whose end is
/// one:
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn get(&self) -> i64 { self.n } }
/// let counter = scope.spawn(Counter { n: 6 });
/// let (_stop, stopped) = bounded::<()>(1);
/// let asked = scope.task("ask", async move { counter.get().await });
/// select! {
///     _ = asked.done() => assert_eq!(asked.await?, 6),
///     _ = stopped.recv() => {}
/// }
/// # Ok(()) }) }
/// ```
#[must_use = "a call does nothing until it is awaited: `.await` waits for the reply, `.send().await` only for room in the mailbox"]
pub struct Call<'h, P, R, E, M = <P as Handlers>::Message> {
    pub(super) handle: HandleRef<'h, P>,
    pub(super) message: M,
    pub(super) slot: FindSlot<M, R, E>,
    pub(super) limit: Option<Duration>,
    /// In a box, for few calls have one.
    pub(super) trace: Option<Box<TraceContext>>,
    /// The handler answers with a [`Reply`], which anybody may hold.
    pub(super) later: bool,
}

// SAFETY: a shared `Call` shows nothing of its message.
unsafe impl<P, R, E, M> Sync for Call<'_, P, R, E, M> {}

pub(super) enum HandleRef<'h, P> {
    Borrowed(&'h Handle<P>),
    Owned(Handle<P>),
}

impl<P> HandleRef<'_, P> {
    pub(super) fn owned(self) -> HandleRef<'static, P> {
        HandleRef::Owned(match self {
            Self::Borrowed(handle) => handle.clone(),
            Self::Owned(handle) => handle,
        })
    }

    #[inline]
    pub(super) fn get(&self) -> &Handle<P> {
        match self {
            Self::Borrowed(handle) => handle,
            Self::Owned(handle) => handle,
        }
    }
}

/// Makes a call; `slot` finds the reply slot in the message.
pub fn call<P: Handlers, R, E>(
    handle: &Handle<P>,
    message: P::Message,
    slot: FindSlot<P::Message, R, E>,
) -> Call<'_, P, R, E, P::Message> {
    Call {
        handle: HandleRef::Borrowed(handle),
        message,
        slot,
        limit: None,
        trace: None,
        later: false,
    }
}

/// Makes a call of a handler that answers with a [`Reply`]: whoever holds that may end the wait.
pub fn call_later<P: Handlers, R, E>(
    handle: &Handle<P>,
    message: P::Message,
    slot: FindSlot<P::Message, R, E>,
) -> Call<'_, P, R, E, P::Message> {
    Call {
        later: true,
        ..call(handle, message, slot)
    }
}

/// Makes a port of a handler: a sender into the mailbox.
pub fn port<P: Handlers, T: 'static, F: Fn(T) -> P::Message + Copy>(
    handle: &Handle<P>,
    wrap: F,
) -> Sender<T> {
    // SAFETY: the mailbox of a `P` holds envelopes of its messages, and a handle is a strong sender.
    let mailbox = unsafe { handle.mailbox.sender::<Envelope<P::Message>>() };
    Sender::port(mailbox, move |value| {
        Envelope::new(wrap(value), Extra::default())
    })
}

impl<'h, P: Handlers, R, E> Call<'h, P, R, E, P::Message> {
    /// Gives the call a limit of time. It travels with the message: a call that has expired when its turn comes is not
    /// handled, and calls made by the handler inherit what is left.
    ///
    /// With `send` it limits for how long the message is worth handling. The wait for room is another matter:
    /// `counter.add(1).send().within(d)` limits that.
    ///
    /// # Panics
    /// When awaited outside of a Roundrock system, where no timer runs, as [`sleep`](crate::time::sleep).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Slow;
    /// # #[handlers] impl Slow { async fn work(&self) { sleep(secs(60)).await; } }
    /// let slow = scope.spawn(Slow);
    /// assert_eq!(slow.work().within(millis(1)).await, Err(CallError::Deadline));
    /// # slow.kill();
    /// # Ok(()) }) }
    /// ```
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = Some(self.limit.map_or(limit, |before| before.min(limit)));
        self
    }

    /// Lets the message carry a trace, which its handler finds in [`Cx::trace`](super::Cx::trace). A handler that makes calls of its own
    /// in that trace hands it on in the same way.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// use roundrock::process::TraceContext;
    ///
    /// #[process]
    /// struct Orders;
    ///
    /// #[handlers]
    /// impl Orders {
    ///     fn take(&mut self, cx: &mut Cx) -> Option<String> {
    ///         cx.trace().map(|trace| trace.to_string())       // for a span of its own
    ///     }
    /// }
    ///
    /// let orders = scope.spawn(Orders);
    /// let header = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    /// let trace: TraceContext = header.parse()?;
    /// assert_eq!(orders.take().traced(trace).await?.as_deref(), Some(header));
    /// assert_eq!(orders.take().await?, None);
    /// # Ok(()) }) }
    /// ```
    pub fn traced(mut self, trace: TraceContext) -> Self {
        self.trace = Some(Box::new(trace));
        self
    }

    /// Makes the call independent of the handle that it was made from.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 1 });
    /// let call = counter.add(1).owned();
    /// drop(counter);                                      // the call keeps the process alive
    /// assert_eq!(call.await?, 2);
    /// # Ok(()) }) }
    /// ```
    pub fn owned(self) -> Call<'static, P, R, E, P::Message> {
        Call {
            handle: self.handle.owned(),
            message: self.message,
            slot: self.slot,
            limit: self.limit,
            trace: self.trace,
            later: self.later,
        }
    }

    /// Waits until the mailbox has accepted the message, and not for its handling.
    ///
    /// If the wait for room is given up, the message is not sent. It has no limit but that of [`within`](CallSend::within): a deadline of the
    /// scope, or of the call, goes with the message, which is a dead letter when its turn comes after that.
    ///
    /// # Errors
    /// [`SendError`] with the call, which can be made again, when the process has ended.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 5 });
    /// counter.clear().send().await?;                      // accepted, and not handled yet
    /// assert_eq!(counter.add(1).await?, 1);               // what comes after it is handled after it
    ///
    /// counter.stop();
    /// counter.done().await;
    /// let refused = counter.clear().send().await.expect_err("it has ended");
    /// let call = refused.into_inner();                    // the call comes back
    /// assert_eq!(call.await, Err(CallError::Gone));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn send(self) -> CallSend<'h, P, R, E, P::Message>
    where
        R: NoReply<E>,
    {
        CallSend::new(self)
    }

    /// Waits until the mailbox has accepted the message; the reply will be thrown away.
    ///
    /// If the wait for room is given up, the message is not sent.
    ///
    /// # Errors
    /// [`SendError`] with the call, which can be made again, when the process has ended.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
    /// let counter = scope.spawn(Counter { n: 1 });
    /// counter.add(1).send_and_forget().await?;            // its reply is counted as discarded
    /// assert_eq!(counter.add(1).await?, 3);
    /// # Ok(()) }) }
    /// ```
    pub fn send_and_forget(self) -> CallSend<'h, P, R, E, P::Message> {
        CallSend::new(self)
    }

    /// Puts the message into the mailbox, if that has room now.
    ///
    /// # Errors
    /// [`TrySendError`] with the call, which can be made again, when the mailbox is full or the process has ended.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process(mailbox = 1)] struct Door { opened: u32 }
    /// # #[handlers] impl Door { async fn open(&mut self, by: Receiver<()>) { by.recv().await; self.opened += 1; } fn opened(&self) -> u32 { self.opened } }
    /// let door = scope.spawn(Door { opened: 0 });
    /// let (push, pushed) = bounded(2);
    /// let mut refused = None;
    /// while refused.is_none() {
    ///     refused = door.open(pushed.clone()).try_send().err();   // until its mailbox is full
    /// }
    /// let call = refused.context("it was full")?.into_inner();
    /// push.finish();
    /// call.await?;                                                // the call came back, and can be made again
    /// assert!(door.opened().await? >= 2);
    /// # Ok(()) }) }
    /// ```
    #[expect(
        clippy::type_complexity,
        reason = "the error gives back the call itself"
    )]
    pub fn try_send(self) -> Result<(), TrySendError<Call<'static, P, R, E, P::Message>>>
    where
        R: NoReply<E>,
    {
        let Self {
            handle,
            message,
            slot,
            limit,
            trace,
            later,
        } = self;
        // SAFETY: the mailbox of a `P` holds envelopes of its messages.
        let core = unsafe { handle.get().mailbox.core::<Envelope<P::Message>>() };
        let sent = SendOp::try_send(
            core,
            Envelope::new(message, extra(limit, trace)),
            about::<P>,
        );
        let again = |envelope: Envelope<P::Message>, handle: HandleRef<'_, P>| Call {
            handle: handle.owned(),
            trace: envelope.extra.trace().map(Box::new),
            message: envelope.message,
            slot,
            limit,
            later,
        };
        match sent {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(envelope)) => Err(TrySendError::Full(again(envelope, handle))),
            Err(TrySendError::Closed(envelope)) => {
                Err(TrySendError::Closed(again(envelope, handle)))
            }
        }
    }
}

/// What the message of a call carries.
#[inline]
pub(super) fn extra(limit: Option<Duration>, trace: Option<Box<TraceContext>>) -> Extra {
    Extra::new(deadline(limit), trace.map(|trace| *trace))
}

/// The earliest of the call's own limit, the deadline of the message that is being handled, and the scope's.
fn deadline(limit: Option<Duration>) -> Option<Instant> {
    let own = limit.and_then(|limit| now().checked_add(limit));
    let inherited = current::with_task(|task| {
        let scope = task
            .and_then(|task| task.scope())
            .and_then(|scope| scope.deadline());
        [scope, current::deadline()].into_iter().flatten().min()
    });
    [own, inherited].into_iter().flatten().min()
}

/// The handler that a message is for, with its arguments, for who records what happens.
#[cold]
#[inline(never)]
pub(super) fn about<P: Handlers>(envelope: &Envelope<P::Message>) -> About {
    let message = &envelope.message;
    About::call(name_of::<P>(message), |shown| P::show(message, shown))
}

fn name_of<P: Handlers>(message: &P::Message) -> &'static str {
    P::HANDLERS
        .get(usize::from(P::index(message)))
        .map_or("?", |handler| handler.name)
}

impl<P: Handlers, R, E> fmt::Debug for Call<'_, P, R, E, P::Message> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let handler = name_of::<P>(&self.message);
        f.debug_struct("Call")
            .field("handler", &handler)
            .field("handle", self.handle.get())
            .finish_non_exhaustive()
    }
}

impl<'h, P: Handlers, R, E> IntoFuture for Call<'h, P, R, E, P::Message> {
    type Output = Result<R, CallError<E>>;
    type IntoFuture = CallFuture<'h, P, R, E, P::Message>;

    #[track_caller]
    fn into_future(self) -> CallFuture<'h, P, R, E, P::Message> {
        let Self {
            handle,
            mut message,
            slot,
            limit,
            trace,
            later,
        } = self;
        let (reply, answer) = question();
        let handler = P::index(&message).saturating_add(1);
        if let Some(slot) = slot(&mut message) {
            *slot = answer;
        }
        let deadline = deadline(limit);
        let extra = Extra::new(deadline, trace.map(|trace| *trace));
        CallFuture {
            handle,
            reply,
            op: SendOp::new(Envelope::new(message, extra)),
            sleep: deadline.map(|deadline| Box::pin(sleep_until(deadline))),
            asked: asked::at(Location::caller(), handler),
            progress: Progress::New,
            later,
        }
    }
}

/// Waits for the reply to a call; see [`Call`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } }
/// let counter = scope.spawn(Counter { n: 0 });
/// let (one, two) = join!(counter.add(1), counter.add(2));     // both are on their way at once
/// assert_eq!(one? + two?, 1 + 3);
/// # Ok(()) }) }
/// ```
#[must_use = "a call does nothing until it is awaited"]
pub struct CallFuture<'h, P, R, E, M> {
    handle: HandleRef<'h, P>,
    /// Before the message, so that it leaves first: a message that was not sent then finds nobody to answer.
    reply: Question<R, E>,
    op: SendOp<Envelope<M>>,
    sleep: Option<Pin<Box<Sleep>>>,
    /// Where it is awaited, and for which handler.
    asked: u32,
    progress: Progress,
    later: bool,
}

/// How far a call has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Progress {
    /// It was not polled yet.
    New,
    /// The message waits for room.
    Sending,
    /// The mailbox has accepted it.
    Accepted,
}

// SAFETY: like `ReplySlot`: reply and error are messages, which `slot` has checked where the message was made.
unsafe impl<P, R, E, M: Send> Send for CallFuture<'_, P, R, E, M> {}

impl<P: Handlers, R, E> CallFuture<'_, P, R, E, P::Message> {
    fn poll_call(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<R, CallError<E>>> {
        // SAFETY: `op` stays in its place and is polled pinned; the other fields are not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        let is_new = this.progress == Progress::New;
        if is_new {
            this.reply.prepare(cx);
            this.progress = Progress::Sending;
        }
        if this.progress == Progress::Sending {
            // SAFETY: the mailbox of a `P` holds envelopes of its messages.
            let core = unsafe { this.handle.get().mailbox.core::<Envelope<P::Message>>() };
            // SAFETY: as above.
            match unsafe { Pin::new_unchecked(&mut this.op) }.poll(core, cx, false, about::<P>) {
                Poll::Ready(Ok(())) => this.progress = Progress::Accepted,
                Poll::Ready(Err(refused)) => {
                    // The error of a call does not hold its message: that dies with this one, and has nobody to wake.
                    this.reply.leave();
                    let (envelope, origin) = refused.open();
                    let origin = origin.for_handler(P::index(&envelope.message));
                    drop(SendError::new(envelope, origin));
                    return Poll::Ready(Err(CallError::Gone));
                }
                Poll::Pending => {
                    current::waits_in_call(this.asked);
                    return this.wait(cx, is_new);
                }
            }
        }
        if let Some(result) = this.reply.take(cx) {
            return Poll::Ready(match result {
                Err(CallError::Gone) if this.is_late() => Err(CallError::Deadline),
                result => result,
            });
        }
        let mailbox = &this.handle.get().mailbox;
        current::waits_for_process(WaitKind::Reply, mailbox.object(), mailbox.server());
        current::waits_at(this.asked);
        if this.later {
            current::waits_for_more();
        }
        this.wait(cx, is_new)
    }

    /// The call waits, and has said for what. What is refused is a call that waited before this poll, and not another one, to the same
    /// process, that was made in it: when the answer of the first came beside the refusal, say.
    #[inline]
    fn wait(&mut self, cx: &mut Context<'_>, is_new: bool) -> Poll<Result<R, CallError<E>>> {
        if self.sleep.is_none() && (is_new || !current::is_refused()) {
            return Poll::Pending;
        }
        self.may_give_up(cx, is_new)
    }

    #[cold]
    #[inline(never)]
    fn may_give_up(&mut self, cx: &mut Context<'_>, is_new: bool) -> Poll<Result<R, CallError<E>>> {
        let mailbox = self.handle.get().mailbox.object();
        let refusal = (!is_new).then(|| current::refusal(mailbox)).flatten();
        let error = match (refusal, &mut self.sleep) {
            (Some(path), _) => CallError::Cycle(path),
            (None, Some(sleep)) => {
                ready!(sleep.as_mut().poll_sleep(cx));
                told::does(|| "gives up: the time is over".to_owned());
                CallError::Deadline
            }
            (None, None) => return Poll::Pending,
        };
        self.give_up();
        current::last_is_over();
        Poll::Ready(Err(error))
    }

    /// The caller has its error: the message is not handled behind that, also if the future is kept.
    fn give_up(&mut self) {
        self.withdraw();
        self.reply.leave();
    }

    /// Whether the time is up. The process may have seen that first, and passed the message over.
    #[cold]
    fn is_late(&self) -> bool {
        let deadline = self.sleep.as_ref().and_then(|sleep| sleep.deadline());
        deadline.is_some_and(|deadline| deadline <= now())
    }
}

impl<P: Handlers, R, E> Future for CallFuture<'_, P, R, E, P::Message> {
    type Output = Result<R, CallError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_call(cx)
    }
}

impl<P, R, E, M> CallFuture<'_, P, R, E, M> {
    /// Takes a message that waits for room out of its line.
    fn withdraw(&mut self) {
        if self.progress == Progress::Sending {
            let mailbox = &self.handle.get().mailbox;
            self.op.withdraw(|node| mailbox.withdraw_sender(node));
        }
    }
}

impl<P, R, E, M> Drop for CallFuture<'_, P, R, E, M> {
    fn drop(&mut self) {
        self.withdraw();
    }
}

impl<P: Handlers, R, E> fmt::Debug for CallFuture<'_, P, R, E, P::Message> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallFuture")
            .field("handle", self.handle.get())
            .field("progress", &self.progress)
            .finish_non_exhaustive()
    }
}
