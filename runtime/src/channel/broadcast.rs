//! Every message to every receiver.
//!
//! One queue for all: a message stays until the last receiver that was there when it was sent has taken it, and each receiver
//! has a position in it. A full queue loses its oldest message ([`Lagged`] tells the receivers that had not taken it), or
//! makes the senders wait, or loses the new message; see [`Overflow`].
//!
//! This file has the endpoints; the queue and its rules are in [`fanout`](super::fanout).
//!
//! **Invariants**
//! - The position of a receiver is read and written under the channel's lock.
//! - User code (clones, destructors, foreign wakers) runs after the lock was released.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};

use crate::channel::Message;
use crate::channel::account::{Account, Listing};
use crate::channel::dead::Notice;
use crate::channel::error::{SendError, TryRecvError, TrySendError};
use crate::channel::fanout::{Sent, State};
use crate::channel::policy::{ChannelOptions, Overflow};
use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::waiters::{Ticket, Waiters};
use crate::observe::Ledger;
use crate::sim::values::About;
use crate::sync::{AtomicU64, Lock, Ordering};
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker::{self, TaskWaker};

/// Makes a channel that gives every message to every receiver, and holds `capacity` messages for those that are behind.
///
/// A sender does not wait: a receiver that is more than `capacity` messages behind loses the oldest, and is told how many by
/// [`Lagged`]. `broadcast(n).overflow(Overflow::Wait)` makes the senders wait for the slowest receiver instead, and nothing
/// is lost.
///
/// # Panics
/// If `capacity` is zero: there would be nothing to hold a message until the receivers come.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # roundrock::System::builder().workers(1).run(async |scope| {
/// let (news, first) = broadcast(16);
/// let second = news.subscribe();
/// let _ = scope.task("editor", async move {
///     news.send("extra").await?;
///     news.send("the end").await?;
///     roundrock::Ok(())
/// });
/// for reader in [first, second] {
///     let mut read = Vec::new();
///     while let Some(message) = reader.recv().await {
///         read.push(message?);
///     }
///     assert_eq!(read, ["extra", "the end"]);
/// }
/// # Ok(()) }).unwrap();
/// ```
#[track_caller]
pub fn broadcast<T: Message + Sync + Clone>(
    capacity: usize,
) -> (BroadcastSender<T>, BroadcastReceiver<T>) {
    assert!(
        capacity > 0,
        "the capacity of a `broadcast` is at least 1 message: its receivers do not come at the same time"
    );
    let site = Location::caller();
    let shared = Arc::new_cyclic(|shared: &Weak<Shared<T>>| Shared {
        listing: Listing::new(Weak::<Shared<T>>::clone(shared), site),
        state: Lock::new(State::new(capacity)),
    });
    let receiver = BroadcastReceiver {
        shared: Arc::clone(&shared),
        next: AtomicU64::new(0),
    };
    (BroadcastSender { shared }, receiver)
}

impl<T: Message + Sync + Clone> ChannelOptions for (BroadcastSender<T>, BroadcastReceiver<T>) {
    fn overflow(self, policy: Overflow) -> Self {
        self.0.shared.state.lock().overflow = policy;
        self
    }

    fn named(self, name: &'static str) -> Self {
        self.0.shared.state.lock().name = Some(name);
        self
    }
}

/// The receiver was too slow: messages were lost to it. The next `recv` goes on with the oldest that is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    missed: u64,
}

impl Lagged {
    /// Returns how many messages the receiver missed.
    pub fn missed(&self) -> u64 {
        self.missed
    }
}

impl fmt::Display for Lagged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the receiver was too slow and missed {} messages of a broadcast; read faster, give it a larger capacity, or \
             make its senders wait: `broadcast(n).overflow(Overflow::Wait)`",
            self.missed
        )
    }
}

impl Error for Lagged {}

struct Shared<T> {
    listing: Listing,
    state: Lock<State<T>>,
}

impl<T: Message + Sync> Account for Shared<T> {
    fn ledger(&self) -> Ledger {
        self.state.lock().ledger()
    }
    fn site(&self) -> &'static Location<'static> {
        self.listing.site
    }

    fn unopened(&self, message: &'static str, source: u64) {
        let notice = self.state.lock().book.unopened(self.listing.now_ms());
        self.tell(&notice, message, source);
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let ledger = self.state.lock().ledger();
        self.listing.leave(ledger);
    }
}

impl<T> Shared<T> {
    fn object(&self) -> u64 {
        ptr::from_ref(self).addr() as u64
    }

    /// Before an operation: see [`current::spend`].
    fn spend(&self, cx: &Context<'_>, kind: WaitKind) -> Poll<()> {
        let about = || About::channel::<T>(self.listing.site);
        current::spend_for(cx, kind, || self.object(), about)
    }

    /// Tells of messages of type `message` that died, not under the lock.
    fn tell(&self, notice: &Notice, message: &'static str, source: u64) {
        let name = self.state.lock().name;
        self.listing
            .tell(notice, self.object(), name, message, source);
    }

    fn receiver(self: &Arc<Self>) -> BroadcastReceiver<T> {
        let mut state = self.state.lock();
        state.receivers += 1;
        let next = AtomicU64::new(state.end());
        drop(state);
        BroadcastReceiver {
            shared: Arc::clone(self),
            next,
        }
    }

    fn describe(&self, endpoint: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, len, capacity, senders, receivers) = {
            let state = self.state.lock();
            (
                state.name,
                state.queue.len(),
                state.capacity,
                state.senders,
                state.receivers,
            )
        };
        f.debug_struct(endpoint)
            .field("channel", &format_args!("{}", name.unwrap_or("-")))
            .field(
                "site",
                &format_args!("{}:{}", self.listing.site.file(), self.listing.site.line()),
            )
            .field("len", &len)
            .field("capacity", &capacity)
            .field("senders", &senders)
            .field("receivers", &receivers)
            .finish()
    }
}

/// The sending side of a [`broadcast`]. Clones send into the same channel; dropping the last one ends the receivers, after
/// they have taken what is there.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (prices, first) = broadcast(4);
/// let second = prices.subscribe();
/// prices.send(10).await?;
/// assert_eq!((first.recv().await, second.recv().await), (Some(Ok(10)), Some(Ok(10))));
/// # Ok(()) }) }
/// ```
pub struct BroadcastSender<T> {
    shared: Arc<Shared<T>>,
}

impl<T> BroadcastSender<T> {
    pub(crate) fn object(&self) -> u64 {
        self.shared.object()
    }

    /// Makes another receiver, for the messages that are sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> BroadcastReceiver<T> {
        self.shared.receiver()
    }

    /// Returns how many receivers there are.
    pub fn receivers(&self) -> usize {
        self.shared.state.lock().receivers
    }

    /// Returns whether no receiver is left. One may still [subscribe](Self::subscribe).
    pub fn is_closed(&self) -> bool {
        self.receivers() == 0
    }

    /// Returns how many messages some receiver has not taken yet.
    pub fn len(&self) -> usize {
        self.shared.state.lock().queue.len()
    }

    /// Returns whether every receiver has taken every message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns how many messages the channel holds for receivers that are behind.
    pub fn capacity(&self) -> usize {
        self.shared.state.lock().capacity
    }

    /// Drops this endpoint: it reads better than `drop(sender)` where there is nothing more to say.
    pub fn finish(self) {}
}

impl<T: Message + Sync + Clone> BroadcastSender<T> {
    /// Sends a message to every receiver. Waits for the slowest one if the channel was made with
    /// [`Overflow::Wait`], and not otherwise.
    ///
    /// Cancellation: dropping the future before it completes sends nothing. Senders that wait are served in order.
    ///
    /// # Errors
    /// [`SendError`] with the message when there is no receiver. One that [subscribes](Self::subscribe) later gets what is
    /// sent then.
    pub fn send(&self, message: T) -> BroadcastSending<'_, T> {
        BroadcastSending {
            sender: self,
            message: Some(message),
            ticket: 0,
        }
    }

    /// Sends a message to every receiver if that is possible without waiting.
    ///
    /// # Errors
    /// [`TrySendError::Full`] when the slowest receiver is `capacity` messages behind, or others wait already, and the
    /// channel was made with [`Overflow::Wait`]; [`TrySendError::Closed`] when there is no receiver. With the message.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let now_ms = self.shared.listing.now_ms();
        let mut state = self.shared.state.lock();
        let sent = state.send(message, 0, now_ms);
        if let Sent::Full(_) = sent {
            state.book.losses.refuse();
        }
        drop(state);
        match sent {
            Sent::Done(effects) => {
                effects.happen(|notice| self.shared.tell(&notice, type_name::<T>(), 0));
                Ok(())
            }
            Sent::Full(message) => Err(TrySendError::Full(message)),
            Sent::Closed(message) => Err(TrySendError::Closed(message)),
        }
    }

    /// Sends a message from a plain thread, which sleeps meanwhile.
    ///
    /// # Errors
    /// [`SendError`] with the message when there is no receiver.
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `send(..).await`.
    pub fn blocking_send(&self, message: T) -> Result<(), SendError<T>> {
        crate::blocking::block_on(self.send(message))
    }
}

impl<T> Clone for BroadcastSender<T> {
    fn clone(&self) -> Self {
        self.shared.state.lock().senders += 1;
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<T> Drop for BroadcastSender<T> {
    fn drop(&mut self) {
        let mut state = self.shared.state.lock();
        state.senders -= 1;
        if state.senders > 0 {
            return;
        }
        let wakes = state.receiving.take_all();
        drop(state);
        wakes.wake();
    }
}

impl<T> fmt::Debug for BroadcastSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.describe("BroadcastSender", f)
    }
}

/// Sends a message to every receiver; see [`BroadcastSender::send`].
#[must_use = "a message is sent only when this is awaited"]
pub struct BroadcastSending<'a, T> {
    sender: &'a BroadcastSender<T>,
    /// `None` once it was sent or given back.
    message: Option<T>,
    /// The place in line; zero if it never waited.
    ticket: u64,
}

// The message is never pinned.
impl<T> Unpin for BroadcastSending<'_, T> {}

impl<T> Future for BroadcastSending<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.sender.shared.spend(cx, WaitKind::Send));
        let this = &mut *self;
        let Some(message) = this.message.take() else {
            panic!("a send was polled after it had completed");
        };
        let shared = &this.sender.shared;
        let now_ms = shared.listing.now_ms();
        let _spare = waker::prepare(cx);
        let mut state = shared.state.lock();
        match state.send(message, this.ticket, now_ms) {
            Sent::Done(mut effects) => {
                let waker = state.sending.leave(&mut this.ticket);
                effects.next = state.offer_room();
                drop(state);
                drop(waker);
                effects.happen(|notice| shared.tell(&notice, type_name::<T>(), 0));
                Poll::Ready(Ok(()))
            }
            Sent::Closed(message) => {
                let waker = state.sending.leave(&mut this.ticket);
                drop(state);
                drop(waker);
                Poll::Ready(Err(SendError::new(message, shared.listing.origin())))
            }
            Sent::Full(message) => {
                let replaced = state.sending.park(&mut this.ticket, cx);
                drop(state);
                drop(replaced);
                this.message = Some(message);
                current::waits_for(WaitKind::Send, this.sender.object());
                Poll::Pending
            }
        }
    }
}

impl<T> Drop for BroadcastSending<'_, T> {
    fn drop(&mut self) {
        if self.ticket != 0 {
            let mut state = self.sender.shared.state.lock();
            let waker = state.sending.leave(&mut self.ticket);
            // It may have been woken for room that it will not use.
            let next = state.offer_room();
            drop(state);
            drop(waker);
            if let Some(next) = next {
                next.wake();
            }
        }
    }
}

impl<T> fmt::Debug for BroadcastSending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastSending")
            .field("sender", self.sender)
            .finish_non_exhaustive()
    }
}

/// The receiving side of a [`broadcast`]: gets every message that is sent while it exists.
///
/// Not `Clone`: [`subscribe`](Self::subscribe) says what a clone would leave open, that the new receiver begins with the next
/// message. Processes that are lent the same receiver compete for its messages; subscribe for each that is to get all.
pub struct BroadcastReceiver<T> {
    shared: Arc<Shared<T>>,
    /// The position of the message to take next.
    next: AtomicU64,
}

impl<T> BroadcastReceiver<T> {
    /// Makes another receiver, for the messages that are sent from now on.
    #[must_use]
    pub fn subscribe(&self) -> Self {
        self.shared.receiver()
    }

    /// Returns how many messages this receiver can take at once.
    pub fn len(&self) -> usize {
        let state = self.shared.state.lock();
        (state.end() - self.next().max(state.first)) as usize
    }

    /// Returns whether this receiver has taken every message.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether no sender is left. Messages may still be there.
    pub fn is_closed(&self) -> bool {
        self.shared.state.lock().senders == 0
    }

    /// Drops this endpoint: it reads better than `drop(receiver)` where a process has heard enough.
    pub fn finish(self) {}

    fn next(&self) -> u64 {
        // ORDERING: Relaxed: read and written under the channel's lock.
        self.next.load(Ordering::Relaxed)
    }

    fn advance(&self, next: u64) {
        // ORDERING: Relaxed: read and written under the channel's lock.
        self.next.store(next, Ordering::Relaxed);
    }
}

impl<T: Clone> BroadcastReceiver<T> {
    /// Receives the next message: waits for one. `Some(Err(Lagged))`: this receiver was too slow, and missed messages; the
    /// next call goes on with the oldest that is there. `None`: no sender is left, and everything was taken.
    ///
    /// May be a branch of `select!`, which binds the `Result` and is disabled when no sender is left. Cancellation: dropping
    /// the future loses nothing.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # roundrock::System::builder().workers(1).run(async |_scope| {
    /// let (ticks, slow) = broadcast(2);
    /// for n in 1..=5 {
    ///     ticks.send(n).await?;
    /// }
    /// match slow.recv().await {
    ///     Some(Err(lagged)) => assert_eq!(lagged.missed(), 3),
    ///     other => panic!("{other:?}"),
    /// }
    /// assert_eq!(slow.recv().await, Some(Ok(4)));
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn recv(&self) -> BroadcastRecv<'_, T> {
        BroadcastRecv {
            receiver: self,
            ticket: Ticket::default(),
        }
    }

    /// Receives a message if one is there, or the news that messages were missed.
    ///
    /// # Errors
    /// [`TryRecvError::Empty`] when there is none now, [`TryRecvError::Closed`] when none will come.
    pub fn try_recv(&self) -> Result<Result<T, Lagged>, TryRecvError> {
        match self.poll_take(None, |_| None) {
            Poll::Ready(Some(received)) => Ok(received),
            Poll::Ready(None) => Err(TryRecvError::Closed),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// Receives on a plain thread, which sleeps meanwhile; see [`recv`](Self::recv).
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `recv().await`.
    pub fn blocking_recv(&self) -> Option<Result<T, Lagged>> {
        crate::blocking::block_on(self.recv())
    }

    /// Takes what comes next. If there is nothing, `park` is called under the lock.
    fn poll_take(
        &self,
        token: Option<&Token>,
        park: impl FnOnce(&mut Waiters) -> Option<TaskWaker>,
    ) -> Poll<Option<Result<T, Lagged>>> {
        let mut state = self.shared.state.lock();
        let next = self.next();
        if next >= state.end() {
            if state.senders == 0 || current::is_ended(self.shared.object()) {
                return Poll::Ready(None);
            }
            let replaced = park(&mut state.receiving);
            drop(state);
            drop(replaced);
            return Poll::Pending;
        }
        // A message that loses a `select!` stays where it is.
        if !token.is_none_or(Token::claim) {
            return Poll::Pending;
        }
        if next < state.first {
            self.advance(state.first);
            let missed = state.first - next;
            return Poll::Ready(Some(Err(Lagged { missed })));
        }
        let message = state.take(next);
        self.advance(next + 1);
        let room = state.offer_room();
        drop(state);
        if let Some(sender) = room {
            sender.wake();
        }
        Poll::Ready(Some(Ok(Arc::unwrap_or_clone(message))))
    }
}

impl<T> Drop for BroadcastReceiver<T> {
    fn drop(&mut self) {
        let now_ms = self.shared.listing.now_ms();
        let left = self.shared.state.lock().leave(self.next(), now_ms);
        left.wakes.into_iter().for_each(TaskWaker::wake);
        if let Some(notice) = left.notice {
            self.shared.tell(&notice, type_name::<T>(), 0);
        }
        // Last, for destructors are the user's, and may panic.
        drop(left.dropped);
    }
}

impl<T> fmt::Debug for BroadcastReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.describe("BroadcastReceiver", f)
    }
}

/// Receives a message; see [`BroadcastReceiver::recv`]. May be a branch of `select!`.
#[derive(Debug)]
#[must_use = "a message is received only when this is awaited"]
pub struct BroadcastRecv<'a, T> {
    receiver: &'a BroadcastReceiver<T>,
    ticket: Ticket,
}

impl<T: Clone> BroadcastRecv<'_, T> {
    fn poll_recv(
        &mut self,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> Poll<Option<Result<T, Lagged>>> {
        let _spare = waker::prepare(cx);
        let ticket = &mut self.ticket;
        let polled = self
            .receiver
            .poll_take(token, |receiving| receiving.park(ticket, cx));
        if polled.is_pending() {
            current::waits_for(WaitKind::Recv, self.receiver.shared.object());
        }
        polled
    }
}

impl<T: Clone> Future for BroadcastRecv<'_, T> {
    type Output = Option<Result<T, Lagged>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.receiver.shared.spend(cx, WaitKind::Recv));
        self.poll_recv(cx, None)
    }
}

impl<T: Clone> Event for BroadcastRecv<'_, T> {
    type Output = Result<T, Lagged>;

    fn poll_arm(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: &Token,
    ) -> ArmPoll<Self::Output> {
        ArmPoll::or_disabled(self.poll_recv(cx, Some(token)))
    }
}

impl<T> Drop for BroadcastRecv<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_used() {
            let mut state = self.receiver.shared.state.lock();
            let waker = state.receiving.leave(&mut self.ticket);
            drop(state);
            drop(waker);
        }
    }
}
