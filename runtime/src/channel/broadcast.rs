//! Every message to every receiver.
//!
//! One queue for all: a message stays until the last receiver that was there when it was sent has taken it, and each receiver
//! has a position in it. A full queue loses its oldest message ([`Lagged`] tells the receivers that had not taken it), or
//! makes the senders wait, or loses the new message; see [`Overflow`].
//!
//! This file has the sending side, `subscriber` the receiving one; the queue and its rules are in [`fanout`](super::fanout).
//!
//! **Invariants**
//! - The position of a receiver is read and written under the channel's lock.
//! - User code (clones, destructors, foreign wakers) runs after the lock was released.
//!
//! Model: `tests/loom_flavors.rs`.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::ptr;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::channel::Message;
use crate::channel::account::{Account, ChannelKind, Listing};
use crate::channel::dead::Notice;
use crate::channel::error::{SendError, TrySendError};
use crate::channel::fanout::{Sent, State};
use crate::channel::overdue::Overdue;
use crate::channel::policy::{ChannelOptions, Overflow};
use crate::channel::subscriber::BroadcastReceiver;
use crate::channel::within::BroadcastSendingWithin;

use crate::observe::Ledger;
use crate::sim::values::About;
use crate::sim::{here, told};
use crate::sync::{AtomicU64, Lock};
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker;

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
        listing: Listing::new(ChannelKind::Broadcast, shared, site),
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
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (news, reader) = broadcast(2);
/// for n in 0..5 {
///     news.send(n).await?;                    // does not wait for slow readers
/// }
/// let lagged = reader.recv().await.and_then(Result::err);
/// assert_eq!(lagged.map(|lagged| lagged.missed()), Some(3));
/// assert_eq!(reader.recv().await, Some(Ok(3)));       // and goes on with what is still there
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lagged {
    pub(super) missed: u64,
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

pub(super) struct Shared<T> {
    pub(super) listing: Listing,
    pub(super) state: Lock<State<T>>,
}

impl<T: Message + Sync> Account for Shared<T> {
    fn ledger(&self) -> Ledger {
        self.state.lock().ledger()
    }
    fn unopened(&self, message: &'static str, source: u64) {
        let notice = self.state.lock().book.unopened(self.listing.now_ms());
        self.tell(&notice, message, &[source]);
    }
    fn overdue(&self) -> Option<Overdue> {
        self.state.lock().overdue()
    }
}

impl<T> Drop for Shared<T> {
    fn drop(&mut self) {
        let ledger = self.state.lock().ledger();
        self.listing.leave(ledger);
    }
}

impl<T> Shared<T> {
    pub(super) fn object(&self) -> u64 {
        ptr::from_ref(self).addr() as u64
    }

    /// Before an operation: see [`current::spend`].
    pub(super) fn spend(&self, cx: &Context<'_>, kind: WaitKind) -> Poll<()> {
        self.spend_for(cx, kind, || About::channel::<T>(self.listing.site))
    }

    fn spend_for(
        &self,
        cx: &Context<'_>,
        kind: WaitKind,
        about: impl FnOnce() -> About,
    ) -> Poll<()> {
        current::spend_for(cx, kind, || self.object(), about)
    }

    /// Tells of messages of type `message` that died, not under the lock.
    pub(super) fn tell(&self, notice: &Notice, message: &'static str, sources: &[u64]) {
        let name = self.state.lock().name;
        self.listing
            .tell(notice, self.object(), name, message, sources);
    }

    pub(super) fn receiver(self: &Arc<Self>) -> BroadcastReceiver<T> {
        let mut state = self.state.lock();
        state.receivers += 1;
        let next = AtomicU64::new(state.end());
        drop(state);
        BroadcastReceiver {
            shared: Arc::clone(self),
            next,
        }
    }

    pub(super) fn describe(&self, endpoint: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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
        if let Some(short) = here::short_endpoint_at(endpoint, name, self.listing.site) {
            return f.write_str(&short);
        }
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

    pub(crate) fn listing(&self) -> &Listing {
        &self.shared.listing
    }

    /// Makes another receiver, for the messages that are sent from now on.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, early) = broadcast(4);
    /// news.send(1).await?;
    /// let late = news.subscribe();
    /// news.send(2).await?;
    /// assert_eq!((early.recv().await, late.recv().await), (Some(Ok(1)), Some(Ok(2))));
    /// assert_eq!(news.receivers(), 2);
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn subscribe(&self) -> BroadcastReceiver<T> {
        self.shared.receiver()
    }

    /// Returns how many receivers there are.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, reader) = broadcast::<u32>(4);
    /// let another = reader.subscribe();
    /// assert_eq!(news.receivers(), 2);
    /// drop((reader, another));
    /// assert_eq!(news.receivers(), 0);
    /// # Ok(()) }) }
    /// ```
    pub fn receivers(&self) -> usize {
        self.shared.state.lock().receivers
    }

    /// Returns whether no receiver is left. One may still [subscribe](Self::subscribe).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, reader) = broadcast::<u32>(4);
    /// assert!(!news.is_closed());
    /// reader.finish();
    /// assert!(news.is_closed());
    /// # Ok(()) }) }
    /// ```
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
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, _reader) = broadcast::<u32>(4);
    /// assert_eq!(news.capacity(), 4);
    /// # Ok(()) }) }
    /// ```
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
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, reader) = broadcast(4);
    /// let other = reader.subscribe();
    /// news.send("hello").await?;
    /// assert_eq!((reader.recv().await, other.recv().await), (Some(Ok("hello")), Some(Ok("hello"))));
    /// drop((reader, other));
    /// let refused = news.send("nobody is left").await.expect_err("it is closed");
    /// assert_eq!(refused.into_inner(), "nobody is left");
    /// # Ok(()) }) }
    /// ```
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
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, reader) = broadcast(1).overflow(Overflow::Wait);
    /// news.try_send(1).expect("there is room");
    /// let full = news.try_send(2).expect_err("the only reader is behind");
    /// assert!(full.is_full() && full.into_inner() == 2);
    /// assert_eq!(reader.recv().await, Some(Ok(1)));
    /// # Ok(()) }) }
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        if here::records() {
            told::gives("try_send", self.shared.listing.site, &message);
        }
        let now_ms = self.shared.listing.now_ms();
        let mut state = self.shared.state.lock();
        let sent = state.send(message, 0, now_ms);
        if let Sent::Full(_) = sent {
            state.book.losses.refuse();
        }
        drop(state);
        match sent {
            Sent::Done(effects) => {
                effects.happen(|notice, by| self.shared.tell(&notice, type_name::<T>(), &[by]));
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
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, reader) = broadcast(4);
    /// let thread = std::thread::spawn(move || news.blocking_send(7));
    /// assert_eq!(reader.recv().await, Some(Ok(7)));
    /// assert!(thread.join().is_ok_and(|sent| sent.is_ok()));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, message: T) -> Result<(), SendError<T>> {
        crate::blocking::block_on(self.send(message))
    }
}

#[cfg(all(test, not(loom)))]
impl<T> BroadcastSender<T> {
    /// Puts a message in, and wakes nobody: a mistake, to see it found.
    pub(crate) fn send_to_nobody(&self, message: T) {
        let mut state = self.shared.state.lock();
        let left = state.receivers;
        state.book.accepted += left as u64;
        let message = Arc::new(message);
        state.queue.push_back(crate::channel::fanout::Slot {
            message,
            left,
            sent_by: 0,
        });
    }

    /// Takes the oldest message away from everybody, and offers nobody the room.
    pub(crate) fn take_for_nobody(&self) {
        let mut state = self.shared.state.lock();
        state.first += 1;
        if let Some(slot) = state.queue.pop_front() {
            state.book.received += slot.left as u64;
        }
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
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (news, reader) = broadcast(1).overflow(Overflow::Wait);
/// news.send(1).await?;
/// let late = news.send(2).within(millis(2)).await.expect_err("the reader does not read");
/// assert_eq!(late.into_inner(), 2);                           // what could not be sent comes back
/// assert_eq!(reader.recv().await, Some(Ok(1)));
/// assert!(reader.is_empty());
/// # Ok(()) }) }
/// ```
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

impl<'a, T> BroadcastSending<'a, T> {
    /// Gives up after this time.
    ///
    /// # Errors
    /// [`SendTimeoutError`](crate::channel::SendTimeoutError) with the message: the time was up, or no receiver is left.
    ///
    /// # Panics
    /// When awaited outside of a Roundrock system, where no timer runs, as [`sleep`](crate::time::sleep).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, reader) = broadcast(1).overflow(Overflow::Wait);
    /// news.send("a").within(secs(1)).await?;
    /// let late = news.send("b").within(millis(1)).await.expect_err("there is no room");
    /// assert!(late.is_elapsed());
    /// assert_eq!(late.into_inner(), "b");
    /// # drop(reader); Ok(()) }) }
    /// ```
    pub fn within(self, limit: Duration) -> BroadcastSendingWithin<'a, T> {
        BroadcastSendingWithin::new(self, limit)
    }

    /// Takes the message back, and leaves the line.
    pub(super) fn give_up(&mut self) -> Option<T> {
        let message = self.message.take()?;
        self.sender.shared.state.lock().book.losses.refuse();
        self.leave();
        Some(message)
    }

    fn leave(&mut self) {
        if self.ticket == 0 {
            return;
        }
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

impl<T: 'static> Future for BroadcastSending<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sent = ready!(self.poll_send(cx));
        if sent.is_ok() {
            current::lags();
        }
        Poll::Ready(sent)
    }
}

impl<T: 'static> BroadcastSending<'_, T> {
    #[track_caller]
    fn poll_send(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        let shared = &self.sender.shared;
        let about = || About::message_at(shared.listing.site, self.message.as_ref());
        ready!(shared.spend_for(cx, WaitKind::Send, about));
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
                effects.happen(|notice, by| shared.tell(&notice, type_name::<T>(), &[by]));
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
                current::placed(Poll::Pending)
            }
        }
    }
}

impl<T> Drop for BroadcastSending<'_, T> {
    fn drop(&mut self) {
        self.leave();
    }
}

impl<T> fmt::Debug for BroadcastSending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BroadcastSending")
            .field("sender", self.sender)
            .finish_non_exhaustive()
    }
}
