//! The receiving side: [`Receiver`] and its operations.

#![expect(
    unsafe_code,
    reason = "endpoints are counted pointers; operations are pinned while parked"
)]

use std::fmt;
use std::future::Future;
use std::marker::{PhantomData, PhantomPinned};
use std::pin::Pin;
use std::ptr::NonNull;
use std::task::{Context, Poll, ready};

use crate::channel::Message;
use crate::channel::account::{Item, Loss};
use crate::channel::core::Core;
use crate::channel::dead::Dead;
use crate::channel::error::TryRecvError;
use crate::channel::head::{self, Head, Park, Side, Started};
use crate::channel::policy::Overflow;
use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::wait::{self, Node, Place};
use crate::sim::{here, told};
use crate::task::current;
use crate::task::registry::WaitKind;

/// The receiving side of a channel. Clones compete: each message goes to one of them, as in Go.
///
/// Dropping the last receiver closes the channel: senders get their messages back, and queued messages are dropped.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(4);
/// let second = inbox.clone();                         // both receive from the same queue
/// jobs.send("a").await?;
/// jobs.send("b").await?;
/// assert_eq!((inbox.recv().await, second.recv().await), (Some("a"), Some("b")));
/// assert!(inbox.is_empty() && !inbox.is_closed());
/// # Ok(()) }) }
/// ```
pub struct Receiver<T> {
    head: NonNull<Head>,
    message: PhantomData<fn() -> T>,
}

// SAFETY: the core is `Sync` for messages that are `Send`, which every constructor demands.
unsafe impl<T> Send for Receiver<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Receiver<T> {}

impl<T> Receiver<T> {
    /// # Safety
    /// `head` belongs to a `Core<T>`, and the caller hands over one receiver.
    pub(crate) unsafe fn from_raw(head: NonNull<Head>) -> Self {
        Self {
            head,
            message: PhantomData,
        }
    }

    pub(crate) fn raw(&self) -> NonNull<Head> {
        self.head
    }

    #[inline]
    pub(crate) fn head(&self) -> &Head {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { self.head.as_ref() }
    }

    pub(crate) fn object(&self) -> u64 {
        self.head.as_ptr().addr() as u64
    }

    /// Returns how many messages are queued now.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(4);
    /// jobs.send("a").await?;
    /// assert_eq!(inbox.len(), 1);
    /// # Ok(()) }) }
    /// ```
    pub fn len(&self) -> usize {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.stats)(self.head) }.len as usize
    }

    /// Returns whether no message is queued. A rendezvous is always empty.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(4);
    /// assert!(inbox.is_empty());
    /// jobs.send("a").await?;
    /// assert!(!inbox.is_empty());
    /// # Ok(()) }) }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether no sender is left. Queued messages may still be received.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(4);
    /// jobs.send("a").await?;
    /// jobs.finish();
    /// assert!(inbox.is_closed());
    /// assert_eq!(inbox.recv().await, Some("a"));          // what was sent is still received
    /// # Ok(()) }) }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.head().senders() == 0
    }

    /// Drops this endpoint: it reads better than `drop(receiver)` where a stage has heard enough.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(4);
    /// inbox.finish();                                     // `drop`, for those who read it
    /// let refused = jobs.send("a").await.expect_err("nobody receives");
    /// assert_eq!(refused.into_inner(), "a");
    /// # Ok(()) }) }
    /// ```
    pub fn finish(self) {}
}

impl<T> Receiver<T> {
    #[inline]
    fn core(&self) -> &Core<T> {
        // SAFETY: receivers are made for the core's own type, and keep it alive.
        unsafe { Core::of(self.head) }
    }
}

impl<T: Message> Receiver<T> {
    pub(crate) fn configure(&self, overflow: Option<Overflow>, name: Option<&'static str>) {
        self.core().configure(overflow, name);
    }

    /// Receives the next message: waits for one. `None`: no sender is left and everything was received.
    ///
    /// Cancellation: dropping the future loses nothing. A message that was handed to it at that very moment goes back to the
    /// head of the channel. Receivers that wait are served in order.
    ///
    /// With several receivers, `None` means that nothing is left which is not in the hands of another one. If that is dropped before
    /// it has seen its message, the message is there again for whoever receives then; if nobody does, it is dead:
    /// [`Dead::Withdrawn`].
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # roundrock::System::builder().workers(1).run(async |scope| {
    /// let (numbers, inbox) = rendezvous();
    /// let _producer = scope.task("producer", async move {
    ///     for n in 0..3 {
    ///         numbers.send(n).await?;
    ///     }
    ///     roundrock::Ok(())
    /// });
    /// let mut sum = 0;
    /// while let Some(n) = inbox.recv().await {
    ///     sum += n;
    /// }
    /// assert_eq!(sum, 3);
    /// # Ok(()) }).unwrap();
    /// ```
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (jobs, inbox) = bounded(1);
    /// let sends = scope.task("sends", async move {
    ///     for job in ["a", "b"] {
    ///         jobs.send(job).await?;
    ///     }
    ///     roundrock::Ok(())
    /// });
    /// let mut got = Vec::new();
    /// while let Some(job) = inbox.recv().await {          // until the last sender is gone
    ///     got.push(job);
    /// }
    /// assert_eq!(got, ["a", "b"]);
    /// sends.await?;
    /// # Ok(()) }) }
    /// ```
    // An opaque type, so that the compiler suggests the `.await` that was forgotten.
    #[inline]
    pub fn recv(&self) -> impl Future<Output = Option<T>> + Event<Output = T> + Send + fmt::Debug {
        self.receive()
    }

    #[inline]
    pub(crate) fn receive(&self) -> Recv<'_, T> {
        Recv {
            receiver: self,
            message: Place::new(None),
            node: Node::new(),
            _pinned: PhantomPinned,
        }
    }

    /// Receives a message if one is there.
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
    /// let (jobs, inbox) = bounded(2);
    /// assert_eq!(inbox.try_recv(), Err(TryRecvError::Empty));
    /// jobs.send(1).await?;
    /// jobs.finish();
    /// assert_eq!(inbox.try_recv(), Ok(1));
    /// assert_eq!(inbox.try_recv(), Err(TryRecvError::Closed));
    /// # Ok(()) }) }
    /// ```
    pub fn try_recv(&self) -> Result<T, TryRecvError> {
        if current::flags() != 0 {
            self.core().close_to_outside();
        }
        let received = self.core().try_recv(None);
        if here::records() {
            told::tried_to_receive(self.object(), received.as_ref().map_err(|&closed| closed));
        }
        received.map_err(|closed| {
            if closed {
                return TryRecvError::Closed;
            }
            here::in_vain("try_recv", self.object());
            TryRecvError::Empty
        })
    }

    /// Waits for a message, and takes up to `limit` of them at once. Empty: no sender is left and everything was received.
    ///
    /// Cancellation: as for [`recv`](Self::recv), also as a branch of `select!`, which gets at least one. One turn at the lock for all of
    /// them makes this the fastest way to receive from a buffer.
    ///
    /// # Panics
    /// If `limit` is zero.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(8);
    /// for job in 1..=5 {
    ///     jobs.send(job).await?;
    /// }
    /// jobs.finish();
    /// assert_eq!(inbox.recv_many(3).await, [1, 2, 3]);
    /// assert_eq!(inbox.recv_many(3).await, [4, 5]);
    /// assert!(inbox.recv_many(3).await.is_empty());       // no sender is left
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn recv_many(
        &self,
        limit: usize,
    ) -> impl Future<Output = Vec<T>> + Event<Output = Vec<T>> + Send + fmt::Debug {
        assert!(
            limit > 0,
            "`recv_many(0)` would never receive anything: give at least 1"
        );
        let recv = self.receive();
        RecvMany { recv, limit }
    }

    /// Counts a message that was received here, and died.
    #[cold]
    pub(crate) fn lose(&self, reason: Dead, message: &T) {
        let item = Item::Message(NonNull::from(message).cast());
        self.core().lose(Loss::Late(reason), item, 0);
    }

    /// Tells of a message that was received from another channel for this handler, and died.
    #[cold]
    pub(crate) fn lose_of_input(&self, reason: Dead, handler: u8) {
        let loss = Loss::Elsewhere(reason);
        self.core().lose(loss, Item::Handler(handler), 0);
    }

    /// Takes back the message that was received here last, with which nothing was done: it is the oldest one again.
    #[cold]
    pub(crate) fn put_back(&self, message: T) {
        self.core().take_back(message);
    }

    /// Receives the next message on a plain thread, which sleeps meanwhile.
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `recv().await`.
    ///
    /// # Examples
    /// ```
    /// use roundrock::prelude::*;
    ///
    /// let (jobs, inbox) = bounded(1);
    /// let reader = std::thread::spawn(move || inbox.blocking_recv());
    /// jobs.blocking_send(7)?;
    /// assert_eq!(reader.join().ok().flatten(), Some(7));
    /// # Ok::<(), roundrock::Error>(())
    /// ```
    #[track_caller]
    pub fn blocking_recv(&self) -> Option<T> {
        crate::blocking::block_on(self.recv())
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Self {
        self.head().retain(Side::Receiver);
        Self {
            head: self.head,
            message: PhantomData,
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // SAFETY: this endpoint is not used any more.
        unsafe { head::release(self.head, Side::Receiver) };
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::describe(f, "Receiver", self.head)
    }
}

/// Receives one message; see [`Receiver::recv`]. May be a branch of `select!`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(1);
/// jobs.send(1).await?;
/// select! {
///     job = inbox.recv() => assert_eq!(job, 1),
///     _ = sleep(secs(60)) => panic!("too slow"),
/// }
/// # Ok(()) }) }
/// ```
#[must_use = "a message is received only when this is awaited"]
pub struct Recv<'a, T> {
    receiver: &'a Receiver<T>,
    /// The place that a sender puts the message into while this is parked.
    message: Place<T>,
    node: Node,
    _pinned: PhantomPinned,
}

// SAFETY: the message is `Send`; the place is shared with the one peer that completes the node, under the channel's lock.
unsafe impl<T: Send> Send for Recv<'_, T> {}
// SAFETY: a shared `Recv` offers nothing.
unsafe impl<T: Send> Sync for Recv<'_, T> {}

impl<T: Message> Recv<'_, T> {
    /// `Ready(None)`: the channel is closed.
    #[inline(always)]
    fn poll_recv(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: Option<&Token>,
        is_own: bool,
    ) -> Poll<Option<T>> {
        // SAFETY: nothing is moved out of its place while the node is parked.
        let this = unsafe { self.get_unchecked_mut() };
        match this.node.mark() {
            wait::DONE if !here::records() => {
                this.node.reset();
                this.receiver.core().note_seen();
                Poll::Ready(this.collect())
            }
            wait::IDLE => {
                // In a `select!` the whole macro spends one.
                if token.is_some() && !here::records() || current::try_spend() {
                    return this.start(cx, token);
                }
                this.start_slowly(cx, token, is_own)
            }
            _ => this.look_again(cx),
        }
    }

    /// The budget is used up, or a simulation wants to know.
    #[cold]
    #[inline(never)]
    fn start_slowly(
        &mut self,
        cx: &mut Context<'_>,
        token: Option<&Token>,
        is_own: bool,
    ) -> Poll<Option<T>> {
        if token.is_none() {
            let object = || self.receiver.object();
            ready!(current::spend(cx, WaitKind::Recv, object));
        }
        let message = ready!(self.start(cx, token));
        here::received(self.receiver.object(), message.as_ref());
        if message.is_some() && token.is_none() && !is_own {
            current::lags();
        }
        Poll::Ready(message)
    }

    #[inline(always)]
    fn start(&mut self, cx: &mut Context<'_>, token: Option<&Token>) -> Poll<Option<T>> {
        let core = self.receiver.core();
        if current::flags() != 0 {
            core.close_to_outside();
        }
        let park = Park {
            node: &self.node,
            cx,
            token,
        };
        // SAFETY: the place is pinned with this future, which withdraws the node before it goes.
        match unsafe { core.recv(NonNull::from(&self.message).cast(), park) } {
            Ok(message) => Poll::Ready(Some(message)),
            Err(Started::Closed) => Poll::Ready(None),
            Err(_) => self.wait(),
        }
    }

    /// Another poll of a parked receive: it was moved to another process, a stop has begun, or a simulation wants to know.
    #[cold]
    #[inline(never)]
    fn look_again(&mut self, cx: &Context<'_>) -> Poll<Option<T>> {
        let core = self.receiver.core();
        let mut mark = self.node.mark();
        if mark != wait::DONE && current::flags() != 0 {
            core.close_to_outside();
            mark = self.node.mark();
        }
        if mark == wait::WAITING {
            // SAFETY: the node is used with this channel's receivers only.
            mark = unsafe { core.renew_receiver(&self.node, cx) };
        }
        if matches!(mark, wait::DONE | wait::CLOSED) {
            self.node.reset();
            if mark == wait::DONE {
                core.note_seen();
            }
            let message = self.collect();
            here::received(self.receiver.object(), message.as_ref());
            return Poll::Ready(message);
        }
        self.wait()
    }

    fn wait(&self) -> Poll<Option<T>> {
        current::waits_for(WaitKind::Recv, self.receiver.object());
        Poll::Pending
    }

    /// The message that a sender put here, if it did.
    fn collect(&mut self) -> Option<T> {
        // SAFETY: the node is in no list, so the place is the owner's, who is here.
        unsafe { wait::empty(NonNull::from(&self.message).cast()) }
    }
}

impl<T> Recv<'_, T> {
    #[inline(never)]
    fn withdraw(&self) {
        // SAFETY: the node is used with this channel's receivers and this place only.
        unsafe {
            self.receiver
                .core()
                .withdraw_receiver(&self.node, NonNull::from(&self.message).cast())
        };
    }
}

impl<T: Message> Future for Recv<'_, T> {
    type Output = Option<T>;

    // Where this is awaited is where the process waits.
    #[track_caller]
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        current::placed(self.poll_recv(cx, None, false))
    }
}

/// A receive of the runtime's own: nobody asks where it is awaited.
#[derive(Debug)]
#[must_use = "a message is received only when this is awaited"]
pub(crate) struct OwnRecv<'a, T>(pub(crate) Recv<'a, T>);

impl<T: Message> Future for OwnRecv<'_, T> {
    type Output = Option<T>;

    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        // SAFETY: the receive is pinned with this and never moved.
        unsafe { self.map_unchecked_mut(|this| &mut this.0) }.poll_recv(cx, None, true)
    }
}

/// A receive of several messages: of the first, and of those that are there then.
#[must_use = "messages are received only when this is awaited"]
pub(crate) struct RecvMany<'a, T> {
    recv: Recv<'a, T>,
    limit: usize,
}

impl<'a, T: Message> RecvMany<'a, T> {
    fn recv(self: Pin<&mut Self>) -> Pin<&mut Recv<'a, T>> {
        // SAFETY: the receive is pinned with this and never moved.
        unsafe { self.map_unchecked_mut(|this| &mut this.recv) }
    }

    /// The first one with the others.
    fn with_rest(&self, first: T) -> Vec<T> {
        let receiver = self.recv.receiver;
        let mut messages = Vec::with_capacity(self.limit.min(receiver.len() + 1));
        messages.push(first);
        receiver.core().drain(self.limit, &mut messages);
        messages
    }
}

impl<T: Message> Future for RecvMany<'_, T> {
    type Output = Vec<T>;

    // As for `recv`.
    #[track_caller]
    #[inline(always)]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Vec<T>> {
        let first = current::placed(self.as_mut().recv().poll_recv(cx, None, false));
        first.map(|first| first.map_or_else(Vec::new, |first| self.with_rest(first)))
    }
}

impl<T: Message> Event for RecvMany<'_, T> {
    type Output = Vec<T>;

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<Vec<T>> {
        match self.as_mut().recv().poll_recv(cx, Some(token), false) {
            Poll::Ready(Some(first)) => ArmPoll::Ready(self.with_rest(first)),
            Poll::Ready(None) => ArmPoll::Disabled,
            Poll::Pending => ArmPoll::Pending,
        }
    }
}

impl<T: Message> Event for Recv<'_, T> {
    type Output = T;

    fn poll_arm(self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<T> {
        match self.poll_recv(cx, Some(token), false) {
            Poll::Ready(Some(message)) => ArmPoll::Ready(message),
            Poll::Ready(None) => ArmPoll::Disabled,
            Poll::Pending => ArmPoll::Pending,
        }
    }
}

impl<T> Drop for Recv<'_, T> {
    #[inline(always)]
    fn drop(&mut self) {
        if matches!(self.node.mark(), wait::WAITING | wait::DONE) {
            self.withdraw();
        }
    }
}

impl<T> fmt::Debug for RecvMany<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvMany")
            .field("receiver", self.recv.receiver)
            .field("limit", &self.limit)
            .finish()
    }
}

impl<T> fmt::Debug for Recv<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recv")
            .field("receiver", self.receiver)
            .finish_non_exhaustive()
    }
}
