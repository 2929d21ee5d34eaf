//! One value, sent once: the answer to a question, the result of a job.
//!
//! A lock, a place for the value and two lists of wakers. It is not the fastest oneshot there is; calls, which are the ones
//! that must be fast, have a reply slot of their own (`process::call`).
//!
//! **Invariants**
//! - The value is put in at most once, and taken out at most once.
//! - `value` is empty once `receiver_gone` is set: a value that nobody can receive goes back to the sender.
//! - Values and wakers are dropped, and wakers woken, after the lock was released.
//!
//! Model: `tests/loom_flavors.rs`.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use crate::channel::Message;
use crate::channel::account::{Account, Book, ChannelKind, Listing};
use crate::channel::dead::Dead;
use crate::channel::error::{SendError, TryRecvError};
use crate::channel::overdue::Overdue;
use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::waiters::{Ticket, Waiters, give_up};
use crate::observe::Ledger;
use crate::sim::values::About;
use crate::sim::{here, told};
use crate::sync::Lock;
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker;

/// Makes a channel for one value.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let (answer, question) = oneshot();
/// let _ = scope.task("thinker", async move {
///     answer.send(42)?;
///     roundrock::Ok(())
/// });
/// assert_eq!(question.await, Some(42));
/// # Ok(()) }).unwrap();
/// ```
#[track_caller]
pub fn oneshot<T: Message>() -> (OneshotSender<T>, OneshotReceiver<T>) {
    let site = Location::caller();
    let shared = Arc::new_cyclic(|shared: &Weak<Shared<T>>| Shared {
        listing: Listing::new(ChannelKind::Oneshot, shared, site),
        state: Lock::new(State {
            value: None,
            sent_by: 0,
            sender_gone: false,
            receiver_gone: false,
            receiving: Waiters::default(),
            closing: Waiters::default(),
            book: Book::default(),
        }),
    });
    let receiver = OneshotReceiver {
        shared: Arc::clone(&shared),
        ticket: Ticket::default(),
    };
    (OneshotSender { shared }, receiver)
}

struct Shared<T> {
    listing: Listing,
    state: Lock<State<T>>,
}

struct State<T> {
    value: Option<T>,
    /// The process that sent it.
    sent_by: u64,
    /// The sender was used or dropped: no value will come any more.
    sender_gone: bool,
    receiver_gone: bool,
    /// Those who wait for the value.
    receiving: Waiters,
    /// Those who wait until nobody wants the value any more.
    closing: Waiters,
    /// What became of the value.
    book: Book,
}

impl<T: Message> Account for Shared<T> {
    fn ledger(&self) -> Ledger {
        self.state.lock().ledger()
    }
    fn unopened(&self, message: &'static str, source: u64) {
        let notice = self.state.lock().book.unopened(self.listing.now_ms());
        self.listing.tell(
            &notice,
            ptr::from_ref(self).addr() as u64,
            None,
            message,
            &[source],
        );
    }
    fn overdue(&self) -> Option<Overdue> {
        self.state.lock().overdue()
    }
}

impl<T> State<T> {
    /// Who waits in vain: a value and the end of either side take everybody along.
    fn overdue(&self) -> Option<Overdue> {
        let receiving = || self.receiving.wakers();
        if self.value.is_some() {
            return Overdue::of(true, receiving(), "the value is there");
        }
        if self.sender_gone {
            return Overdue::of(true, receiving(), "its sender is gone");
        }
        let gone = self.receiver_gone.then_some("its receiver is gone")?;
        Overdue::of(false, self.closing.wakers(), gone)
    }

    fn ledger(&self) -> Ledger {
        self.book.ledger(u64::from(self.value.is_some()))
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let ledger = self.state.lock().ledger();
        self.listing.leave(ledger);
    }
}

impl<T> Shared<T> {
    fn object(self: &Arc<Self>) -> u64 {
        Arc::as_ptr(self).addr() as u64
    }

    /// Before an operation: see [`current::spend`].
    fn spend(self: &Arc<Self>, cx: &Context<'_>, kind: WaitKind) -> Poll<()> {
        let about = || About::channel::<T>(self.listing.site);
        current::spend_for(cx, kind, || self.object(), about)
    }

    /// `Ready(None)`: no value will come.
    fn poll_recv(
        self: &Arc<Self>,
        ticket: &mut Ticket,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> Poll<Option<T>>
    where
        T: 'static,
    {
        let polled = self.poll_take(ticket, cx, token);
        if let Poll::Ready(value) = &polled
            && here::records()
        {
            told::takes("recv", self.listing.site, value.as_ref().ok_or("closed"));
        }
        polled
    }

    fn poll_take(
        self: &Arc<Self>,
        ticket: &mut Ticket,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> Poll<Option<T>> {
        let _spare = waker::prepare(cx);
        let mut state = self.state.lock();
        if state.value.is_some() {
            // A value that loses a `select!` stays where it is.
            if !token.is_none_or(Token::claim) {
                return Poll::Pending;
            }
            let value = state.value.take();
            state.book.received += 1;
            let waker = state.receiving.leave(ticket);
            drop(state);
            drop(waker);
            return Poll::Ready(value);
        }
        if state.sender_gone || current::is_ended(self.object()) {
            let waker = state.receiving.leave(ticket);
            drop(state);
            drop(waker);
            return Poll::Ready(None);
        }
        let replaced = state.receiving.park(ticket, cx);
        drop(state);
        drop(replaced);
        current::waits_for(WaitKind::Recv, self.object());
        Poll::Pending
    }

    fn describe(&self, name: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(short) = here::short_endpoint_at(name, None, self.listing.site) {
            return f.write_str(&short);
        }
        let (full, closed) = {
            let state = self.state.lock();
            (
                state.value.is_some(),
                state.sender_gone || state.receiver_gone,
            )
        };
        f.debug_struct(name)
            .field(
                "site",
                &format_args!("{}:{}", self.listing.site.file(), self.listing.site.line()),
            )
            .field("full", &full)
            .field("closed", &closed)
            .finish()
    }
}

/// The sending side of a [`oneshot`]. Dropping it unused ends the receiver.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let (answer, asked) = oneshot();
/// scope.task("answers", async move { let _ = answer.send(42); });
/// assert_eq!(asked.recv().await, Some(42));
/// # Ok(()) }) }
/// ```
pub struct OneshotSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> OneshotSender<T> {
    pub(crate) fn object(&self) -> u64 {
        self.shared.object()
    }

    pub(crate) fn listing(&self) -> &Listing {
        &self.shared.listing
    }

    /// Sends the value. Never waits: there is room for it.
    ///
    /// # Errors
    /// [`SendError`] with the value when the receiver is gone.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (answer, question) = oneshot();
    /// answer.send(42)?;
    /// assert_eq!(question.await, Some(42));
    ///
    /// let (answer, question) = oneshot();
    /// drop(question);
    /// let refused = answer.send(42).expect_err("nobody asks any more");
    /// assert_eq!(refused.into_inner(), 42);
    /// # Ok(()) }) }
    /// ```
    pub fn send(self, value: T) -> Result<(), SendError<T>>
    where
        T: 'static,
    {
        if here::records() {
            told::gives("send", self.shared.listing.site, &value);
        }
        let mut state = self.shared.state.lock();
        if state.receiver_gone {
            state.book.losses.refuse();
            drop(state);
            return Err(SendError::new(value, self.shared.listing.origin()));
        }
        state.book.accepted += 1;
        state.value = Some(value);
        state.sent_by = current::process_id();
        state.sender_gone = true;
        let wakes = state.receiving.take_all();
        drop(state);
        wakes.wake();
        Ok(())
    }

    /// Returns whether the receiver is gone.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (answer, wait) = oneshot::<u32>();
    /// assert!(!answer.is_closed());
    /// drop(wait);
    /// assert!(answer.is_closed());
    /// # Ok(()) }) }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.shared.state.lock().receiver_gone
    }

    /// Waits until the receiver is gone, so that work for a value that nobody wants can be given up. May be a branch of
    /// `select!`.
    ///
    /// Cancellation: dropping the future has no effect.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # roundrock::System::builder().workers(1).run(async |scope| {
    /// let (answer, question) = oneshot();
    /// let worker = scope.task("worker", async move {
    ///     select! {
    ///         _ = sleep(secs(3600)) => answer.send("done")?,
    ///         _ = answer.closed() => {}
    ///     }
    ///     roundrock::Ok(())
    /// });
    /// drop(question);
    /// worker.await?;
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn closed(&self) -> OneshotClosed<'_, T> {
        OneshotClosed {
            sender: self,
            ticket: Ticket::default(),
        }
    }

    /// Drops the sender: it reads better than `drop(sender)` where there is nothing to say.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (answer, wait) = oneshot::<u32>();
    /// answer.finish();                                    // without an answer
    /// assert_eq!(wait.recv().await, None);
    /// # Ok(()) }) }
    /// ```
    pub fn finish(self) {}
}

#[cfg(all(test, not(loom)))]
impl<T> OneshotSender<T> {
    /// Puts a value in, and wakes nobody: a mistake, to see it found.
    pub(crate) fn send_to_nobody(&self, value: T) {
        let mut state = self.shared.state.lock();
        state.book.accepted += 1;
        state.value = Some(value);
    }
}

impl<T> Drop for OneshotSender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        if state.sender_gone {
            return;
        }
        state.sender_gone = true;
        let wakes = state.receiving.take_all();
        drop(state);
        wakes.wake();
    }
}

impl<T> fmt::Debug for OneshotSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.describe("OneshotSender", f)
    }
}

/// The receiving side of a [`oneshot`]: a future of the value, `None` when the sender was dropped unused.
///
/// May be a branch of `select!`, by value or as `&mut receiver`; the branch is disabled when the sender was dropped unused.
/// Dropping the receiver gives the sender its value back when it sends, and drops a value that was sent already.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::channel::TryRecvError;
///
/// let (answer, question) = oneshot();
/// assert_eq!(question.try_recv(), Err(TryRecvError::Empty));
/// answer.send(42)?;
/// assert_eq!(question.recv().await, Some(42));        // the receiver is still there: a process may have been lent it
/// assert_eq!(question.await, None);
/// # Ok(()) }) }
/// ```
pub struct OneshotReceiver<T> {
    shared: Arc<Shared<T>>,
    ticket: Ticket,
}

impl<T> OneshotReceiver<T> {
    /// Returns the value if it has been sent.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] when it may still come, [`TryRecvError::Closed`] when it will not: the sender was dropped
    /// unused, or the value was received before.
    pub fn try_recv(&self) -> Result<T, TryRecvError>
    where
        T: 'static,
    {
        let received = {
            let mut state = self.shared.state.lock();
            match state.value.take() {
                Some(value) => {
                    state.book.received += 1;
                    Ok(value)
                }
                None if state.sender_gone || current::is_ended(self.shared.object()) => {
                    Err(TryRecvError::Closed)
                }
                None => Err(TryRecvError::Empty),
            }
        };
        if here::records() {
            let received = received.as_ref().map_err(TryRecvError::word);
            told::takes("try_recv", self.shared.listing.site, received);
        }
        received
    }

    /// Drops the receiver: it reads better than `drop(receiver)` where the value is not wanted any more.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (answer, wait) = oneshot::<u32>();
    /// wait.finish();
    /// assert!(answer.is_closed());
    /// # Ok(()) }) }
    /// ```
    pub fn finish(self) {}
}

impl<T: Message> OneshotReceiver<T> {
    /// Receives the value without giving up the receiver: for a receiver that a process was lent. `None`: the sender was
    /// dropped unused, or the value was received before.
    ///
    /// Cancellation: dropping the future loses nothing.
    pub fn recv(&self) -> OneshotRecv<'_, T> {
        OneshotRecv {
            receiver: self,
            ticket: Ticket::default(),
        }
    }

    /// Receives the value on a plain thread, which sleeps meanwhile.
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `.await`.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (answer, question) = oneshot();
    /// let thread = std::thread::spawn(move || question.blocking_recv());
    /// answer.send(42)?;
    /// assert_eq!(thread.join().ok(), Some(Some(42)));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn blocking_recv(self) -> Option<T> {
        crate::blocking::block_on(self)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>, token: Option<&Token>) -> Poll<Option<T>> {
        self.shared.poll_recv(&mut self.ticket, cx, token)
    }
}

impl<T: Message> Future for OneshotReceiver<T> {
    type Output = Option<T>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(self.shared.spend(cx, WaitKind::Recv));
        current::placed(self.poll_recv(cx, None))
    }
}

impl<T: Message> Event for OneshotReceiver<T> {
    type Output = T;

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<T> {
        ArmPoll::or_disabled(self.poll_recv(cx, Some(token)))
    }
}

impl<T: Message> Event for &mut OneshotReceiver<T> {
    type Output = T;

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<T> {
        ArmPoll::or_disabled(self.poll_recv(cx, Some(token)))
    }
}

impl<T> Drop for OneshotReceiver<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.receiver_gone = true;
        let value = state.value.take();
        let listing = &self.shared.listing;
        let notice = value.is_some().then(|| {
            let losses = &mut state.book.losses;
            losses.die(Dead::Closed, 1, listing.now_ms())
        });
        let waker = state.receiving.leave(&mut self.ticket);
        let wakes = state.closing.take_all();
        let sent_by = [state.sent_by];
        drop(state);
        wakes.wake();
        if let Some(notice) = notice {
            let (notice, message) = (notice.left_behind(), type_name::<T>());
            listing.tell(&notice, self.shared.object(), None, message, &sent_by);
        }
        drop((value, waker));
    }
}

impl<T> fmt::Debug for OneshotReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.describe("OneshotReceiver", f)
    }
}

/// Receives the value; see [`OneshotReceiver::recv`]. May be a branch of `select!`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (answer, question) = oneshot();
/// answer.send(42)?;
/// select! {
///     value = question.recv() => assert_eq!(value, 42),
///     _ = sleep(secs(60)) => panic!("too slow"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "a value is received only when this is awaited"]
pub struct OneshotRecv<'a, T> {
    receiver: &'a OneshotReceiver<T>,
    ticket: Ticket,
}

impl<T: Message> Future for OneshotRecv<'_, T> {
    type Output = Option<T>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(self.receiver.shared.spend(cx, WaitKind::Recv));
        let this = &mut *self;
        current::placed(this.receiver.shared.poll_recv(&mut this.ticket, cx, None))
    }
}

impl<T: Message> Event for OneshotRecv<'_, T> {
    type Output = T;

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<T> {
        let this = &mut *self;
        let polled = this
            .receiver
            .shared
            .poll_recv(&mut this.ticket, cx, Some(token));
        ArmPoll::or_disabled(polled)
    }
}

impl<T> Drop for OneshotRecv<'_, T> {
    fn drop(&mut self) {
        give_up(
            &self.receiver.shared.state,
            |state| &mut state.receiving,
            &mut self.ticket,
        );
    }
}

/// Waits until the receiver is gone; see [`OneshotSender::closed`]. May be a branch of `select!`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (answer, question) = oneshot::<u32>();
/// drop(question);
/// select! {
///     _ = answer.closed() => {},              // nobody wants it any more: stop computing it
///     _ = sleep(secs(60)) => panic!("too slow"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct OneshotClosed<'a, T> {
    sender: &'a OneshotSender<T>,
    ticket: Ticket,
}

impl<T> OneshotClosed<'_, T> {
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _spare = waker::prepare(cx);
        let mut state = self.sender.shared.state.lock();
        if state.receiver_gone {
            return Poll::Ready(());
        }
        let replaced = state.closing.park(&mut self.ticket, cx);
        drop(state);
        drop(replaced);
        current::waits_for(WaitKind::Send, self.sender.object());
        Poll::Pending
    }
}

impl<T> Future for OneshotClosed<'_, T> {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.sender.shared.spend(cx, WaitKind::Send));
        current::placed(self.poll_closed(cx))
    }
}

impl<T> Event for OneshotClosed<'_, T> {
    type Output = ();

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<()> {
        token.claimed(self.poll_closed(cx))
    }
}

impl<T> Drop for OneshotClosed<'_, T> {
    fn drop(&mut self) {
        give_up(
            &self.sender.shared.state,
            |state| &mut state.closing,
            &mut self.ticket,
        );
    }
}
