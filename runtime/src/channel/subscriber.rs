//! The receiving side of a broadcast.
//!
//! **Invariants** as in `broadcast`: the position of a receiver is read and written under the channel's lock, and
//! user code runs after the lock was released.

use std::any::type_name;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::channel::broadcast::{Lagged, Shared};
use crate::channel::error::TryRecvError;
use crate::channel::ring::drop_each;
use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::waiters::{Ticket, Waiters, give_up};
use crate::sim::{here, told};
use crate::sync::{AtomicU64, Ordering};
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker::{self, TaskWaker};

/// The receiving side of a [`broadcast`](fn@crate::channel::broadcast): gets every message that is sent while it exists.
///
/// Not `Clone`: [`subscribe`](Self::subscribe) says what a clone would leave open, that the new receiver begins with the next
/// message. Processes that are lent the same receiver compete for its messages; subscribe for each that is to get all.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (news, reader) = broadcast(4);
/// news.send(1).await?;
/// let second = reader.subscribe();            // for what is sent from now on
/// assert_eq!((reader.len(), second.len()), (1, 0));
/// news.finish();
/// assert!(reader.is_closed() && !reader.is_empty());
/// assert_eq!(reader.recv().await, Some(Ok(1)));
/// assert_eq!(reader.recv().await, None);
/// # Ok(()) }) }
/// ```
pub struct BroadcastReceiver<T> {
    pub(super) shared: Arc<Shared<T>>,
    /// The position of the message to take next.
    pub(super) next: AtomicU64,
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

impl<T: Clone + 'static> BroadcastReceiver<T> {
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
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// use roundrock::channel::TryRecvError;
    ///
    /// let (news, reader) = broadcast(4);
    /// assert_eq!(reader.try_recv(), Err(TryRecvError::Empty));
    /// news.send(1).await?;
    /// assert_eq!(reader.try_recv(), Ok(Ok(1)));
    /// drop(news);
    /// assert_eq!(reader.try_recv(), Err(TryRecvError::Closed));
    /// # Ok(()) }) }
    /// ```
    pub fn try_recv(&self) -> Result<Result<T, Lagged>, TryRecvError> {
        let polled = self.poll_take(None, |_| None);
        self.tell("try_recv", &polled);
        match polled {
            Poll::Ready(Some(received)) => Ok(received),
            Poll::Ready(None) => Err(TryRecvError::Closed),
            Poll::Pending => Err(TryRecvError::Empty),
        }
    }

    /// Says what has come of a receive, if that is recorded.
    fn tell(&self, verb: &str, polled: &Poll<Option<Result<T, Lagged>>>) {
        if !here::records() {
            return;
        }
        let missed;
        let received = match polled {
            Poll::Ready(Some(Ok(message))) => Ok(message),
            Poll::Ready(Some(Err(lagged))) => {
                missed = format!("missed {}", lagged.missed());
                Err(&*missed)
            }
            Poll::Ready(None) => Err("closed"),
            Poll::Pending => Err("empty"),
        };
        told::takes(verb, self.shared.listing.site, received);
    }

    /// Receives on a plain thread, which sleeps meanwhile; see [`recv`](Self::recv).
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `recv().await`.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (news, reader) = broadcast(4);
    /// let thread = std::thread::spawn(move || reader.blocking_recv());
    /// news.send(7).await?;
    /// assert_eq!(thread.join().ok(), Some(Some(Ok(7))));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
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
            state.parked_at = state.end();
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
        let listing = &self.shared.listing;
        let (now_ms, is_read) = (listing.now_ms(), listing.is_read());
        let next = self.next();
        let left = self.shared.state.lock().leave(next, now_ms, is_read);
        left.wakes.into_iter().for_each(TaskWaker::wake);
        if let Some(notice) = left.notice {
            let notice = notice.left_behind();
            self.shared.tell(&notice, type_name::<T>(), &left.sources);
        }
        // Last, for destructors are the user's, and may panic.
        drop_each(left.dropped.into_iter());
    }
}

impl<T> fmt::Debug for BroadcastReceiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.describe("BroadcastReceiver", f)
    }
}

/// Receives a message; see [`BroadcastReceiver::recv`]. May be a branch of `select!`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (news, reader) = broadcast(4);
/// news.send(1).await?;
/// select! {
///     message = reader.recv() => assert_eq!(message, Ok(1)),
///     _ = sleep(secs(60)) => panic!("too slow"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "a message is received only when this is awaited"]
pub struct BroadcastRecv<'a, T> {
    receiver: &'a BroadcastReceiver<T>,
    ticket: Ticket,
}

impl<T: Clone + 'static> BroadcastRecv<'_, T> {
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
        } else {
            self.receiver.tell("recv", &polled);
        }
        polled
    }
}

impl<T: Clone + 'static> Future for BroadcastRecv<'_, T> {
    type Output = Option<Result<T, Lagged>>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(self.receiver.shared.spend(cx, WaitKind::Recv));
        let had_to_wait = self.ticket.is_used();
        let received = ready!(current::placed(self.poll_recv(cx, None)));
        if received.is_some() && !had_to_wait {
            current::lags();
        }
        Poll::Ready(received)
    }
}

impl<T: Clone + 'static> Event for BroadcastRecv<'_, T> {
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
        give_up(
            &self.receiver.shared.state,
            |state| &mut state.receiving,
            &mut self.ticket,
        );
    }
}
