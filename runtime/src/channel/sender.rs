//! The sending side: [`Sender`] and its sends, which may park.
//!
//! **Invariant**: a parked node is withdrawn from its channel before its future goes, and nothing is moved out of the place of
//! its message as long as it is parked. A send that has completed is `SPENT`: nobody looks for a message in its place again.

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
use std::time::Duration;

use crate::channel::Message;
use crate::channel::account::Origin;
use crate::channel::core::Core;
use crate::channel::endpoint::Endpoint;
use crate::channel::error::{SendError, TrySendError};
use crate::channel::head::{self, Head, Side};
use crate::channel::head::{Park, Started};
use crate::channel::wait::{self, Convert, Node, Offer, Place};
use crate::channel::within::SendingWithin;
use crate::sim::values::About;
use crate::sim::{here, told};
use crate::task::current;
use crate::task::registry::WaitKind;

/// The sending side of a channel. Clones send into the same queue; dropping the last one closes the channel.
///
/// Messages from one process arrive in the order in which it sent them. `Send`, `Sync` and `Clone` whatever the message is.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(2);
/// let other = jobs.clone();
/// assert!(other.same_channel(&jobs));
/// jobs.send(1).await?;
/// other.try_send(2)?;
/// assert_eq!((jobs.len(), jobs.capacity(), jobs.is_full()), (2, Some(2), true));
/// drop((jobs, other));                        // the last one: the channel is closed
/// assert_eq!(inbox.recv_many(3).await, [1, 2]);
/// assert_eq!(inbox.recv().await, None);
/// # Ok(()) }) }
/// ```
pub struct Sender<T> {
    pub(super) head: NonNull<Head>,
    /// `None`: the channel's own type. Otherwise this is a port: its messages become part of another type's.
    pub(super) convert: Option<Convert>,
    pub(super) message: PhantomData<fn(T)>,
}

// SAFETY: the core is `Sync` for messages that are `Send`, which every constructor demands.
unsafe impl<T> Send for Sender<T> {}
// SAFETY: as above.
unsafe impl<T> Sync for Sender<T> {}

impl<T> Sender<T> {
    /// # Safety
    /// `head` belongs to a `Core<T>`, and the caller hands over one sender.
    pub(crate) unsafe fn from_raw(head: NonNull<Head>) -> Self {
        Self {
            head,
            convert: None,
            message: PhantomData,
        }
    }

    #[inline]
    pub(crate) fn head(&self) -> &Head {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { self.head.as_ref() }
    }

    pub(crate) fn raw(&self) -> NonNull<Head> {
        self.head
    }

    pub(crate) fn is_port(&self) -> bool {
        self.convert.is_some()
    }

    /// Drops this endpoint: it reads better than `drop(sender)` where a stage has nothing more to say.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(2);
    /// jobs.send("a").await?;
    /// jobs.finish();
    /// assert_eq!(inbox.recv().await, Some("a"));
    /// assert_eq!(inbox.recv().await, None);
    /// # Ok(()) }) }
    /// ```
    pub fn finish(self) {}
}

impl<T: 'static> Sender<T> {
    /// A port: a sender of `T` into a channel of `U`, by way of `F`, which must not capture anything.
    pub(crate) fn port<U: Message, F: Fn(T) -> U + Copy>(inner: Sender<U>, _convert: F) -> Self {
        unsafe fn convert<T, U, F: Fn(T) -> U>(from: NonNull<()>, to: NonNull<()>) {
            // SAFETY: `F` has no size, which is checked below, so a dangling pointer is a valid one to it.
            let f = unsafe { NonNull::<F>::dangling().as_ref() };
            // SAFETY: by the contract of `Convert` this is a full `Place<T>`, and ours.
            let message = unsafe { wait::empty::<T>(from) };
            // SAFETY: by the contract of `Convert` this is an `Option<U>`.
            unsafe { *to.cast::<Option<U>>().as_mut() = message.map(f) };
        }
        const {
            assert!(
                size_of::<F>() == 0,
                "the conversion of a port captures nothing"
            )
        };
        assert!(
            inner.convert.is_none(),
            "a port of a port is not needed: make it from the handle"
        );
        let head = std::mem::ManuallyDrop::new(inner).head;
        Self {
            head,
            convert: Some(convert::<T, U, F>),
            message: PhantomData,
        }
    }
}

impl<T: Message> Sender<T> {
    /// Sends a message: waits for room, or on a rendezvous for a parked receiver to take it. `Ok` means accepted.
    ///
    /// Cancellation: dropping the future before it completes sends nothing. Senders that wait are served in order.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # roundrock::System::builder().workers(1).run(async |_scope| {
    /// let (jobs, inbox) = bounded(8);
    /// jobs.send(7).await?;
    /// assert_eq!(inbox.recv().await, Some(7));
    /// # Ok(()) }).unwrap();
    /// ```
    #[inline]
    pub fn send(&self, message: T) -> Sending<'_, T> {
        Sending::new(self, message)
    }

    /// Sends a message if that needs no waiting.
    ///
    /// # Errors
    /// [`TrySendError`] with the message when there is no room, or no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, _inbox) = bounded(1);
    /// jobs.try_send("a")?;
    /// let full = jobs.try_send("b").expect_err("it holds one");
    /// assert!(full.is_full());
    /// assert_eq!(full.into_inner(), "b");
    /// # Ok(()) }) }
    /// ```
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        SendOp::try_send(self, message, About::message)
    }

    /// Sends a message from a plain thread, which sleeps meanwhile.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `send(..).await`.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (jobs, inbox) = bounded(1);
    /// let thread = std::thread::spawn(move || {
    ///     (0..3).try_for_each(|n| jobs.blocking_send(n))
    /// });
    /// assert_eq!(inbox.recv().await, Some(0));
    /// assert_eq!(inbox.recv().await, Some(1));
    /// assert_eq!(inbox.recv().await, Some(2));
    /// assert!(thread.join().is_ok_and(|sent| sent.is_ok()));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn blocking_send(&self, message: T) -> Result<(), SendError<T>> {
        crate::blocking::block_on(self.send(message))
    }

    /// Waits until everything sent so far has left this machine's side. On a local channel that is at once.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// jobs.send("a").await?;
    /// jobs.flush().await;
    /// assert_eq!(inbox.len(), 1);
    /// # Ok(()) }) }
    /// ```
    pub async fn flush(&self) {}
}

impl<T> Sender<T> {
    /// Uses or gives back one permit; the message again if it could not be sent.
    pub(super) fn use_permit(&self, message: Option<T>) -> Option<T> {
        let full = message.is_some();
        let message = Place::new(message);
        let place = NonNull::from(&message).cast();
        let offer = match (full, self.convert) {
            (false, _) => None,
            (true, None) => Some(Offer::Send(place)),
            (true, Some(convert)) => Some(Offer::Convert(place, convert)),
        };
        // SAFETY: the caller owns a permit; the offer is full and fits the core, as in `start`.
        unsafe { (self.head().vtable.use_permit)(self.head, offer) };
        message.into_inner()
    }
}

impl<T: Message> Sender<T> {
    /// Uses a permit for this message.
    pub(super) fn send_granted(&self, message: T) -> Result<(), SendError<T>> {
        if here::records() {
            told::sends_into_room(self.object(), &message);
        }
        match self.use_permit(Some(message)) {
            None => Ok(()),
            Some(message) => Err(SendError::new(message, self.origin())),
        }
    }
}

impl<T> Route<T> for Sender<T> {
    #[inline(always)]
    unsafe fn start(&self, place: NonNull<()>, park: Option<Park<'_, '_>>) -> Started {
        match self.convert {
            None => {
                // SAFETY: without a conversion the core is a `Core<T>`, which this endpoint keeps alive.
                let core = unsafe { Core::<T>::of(self.head) };
                // SAFETY: by contract.
                unsafe { core.send(place, park) }
            }
            // SAFETY: the conversion fits the core, by construction of the port.
            Some(convert) => unsafe {
                (self.head().vtable.send)(self.head, Offer::Convert(place, convert), park)
            },
        }
    }

    fn withdraw(&self, node: &Node) -> u32 {
        // SAFETY: operations use their node with the senders of one channel only.
        unsafe { (self.head().vtable.withdraw)(self.head, node) }
    }

    fn renew(&self, node: &Node, cx: &Context<'_>) -> u32 {
        // SAFETY: as above.
        unsafe { (self.head().vtable.renew)(self.head, node, cx) }
    }

    fn refuses(&self) -> bool {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.refuses)(self.head) }
    }

    fn object(&self) -> u64 {
        self.head.as_ptr().addr() as u64
    }

    fn server(&self) -> u64 {
        self.head().server()
    }

    fn refuse(&self) {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.refuse)(self.head) };
    }

    fn origin(&self) -> Box<Origin> {
        // SAFETY: this endpoint keeps the core alive, and its constructors demand messages.
        Origin::channel(unsafe { Endpoint::weak(self.head) })
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.head().retain(Side::Sender);
        Self {
            head: self.head,
            convert: self.convert,
            message: PhantomData,
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        // SAFETY: this endpoint is not used any more.
        unsafe { head::release(self.head, Side::Sender) };
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::describe(f, "Sender", self.head)
    }
}

/// What a send needs of its channel: a core itself, or a sender that may convert the message.
pub(crate) trait Route<T> {
    /// Sends or parks, as [`Core::send`].
    ///
    /// # Safety
    /// `place` is a full [`Place<T>`](Place) that stays valid while the operation is parked.
    unsafe fn start(&self, place: NonNull<()>, park: Option<Park<'_, '_>>) -> Started;
    /// Takes a node back. Returns the mark that it had.
    fn withdraw(&self, node: &Node) -> u32;
    /// Renews the waker of a node that waits. Returns its mark.
    fn renew(&self, node: &Node, cx: &Context<'_>) -> u32;
    /// Whether the channel refuses messages of the current process.
    fn refuses(&self) -> bool;
    /// The number that reports know the channel by.
    fn object(&self) -> u64;
    /// The process that alone receives there, or zero.
    fn server(&self) -> u64;
    /// Counts a message that goes back to its sender after it had waited.
    fn refuse(&self);
    /// For an error that says that the channel is closed.
    fn origin(&self) -> Box<Origin>;
}

impl<T> Route<T> for Core<T> {
    #[inline(always)]
    unsafe fn start(&self, place: NonNull<()>, park: Option<Park<'_, '_>>) -> Started {
        // SAFETY: by contract.
        unsafe { self.send(place, park) }
    }

    fn withdraw(&self, node: &Node) -> u32 {
        // SAFETY: operations use their node with the senders of one channel only.
        unsafe { self.withdraw_sender(node) }
    }

    fn renew(&self, node: &Node, cx: &Context<'_>) -> u32 {
        // SAFETY: as above.
        unsafe { self.renew_sender(node, cx) }
    }

    fn refuses(&self) -> bool {
        Self::refuses(self)
    }

    fn object(&self) -> u64 {
        Self::object(self)
    }

    fn server(&self) -> u64 {
        self.head.server()
    }

    fn refuse(&self) {
        Self::refuse(self);
    }

    fn origin(&self) -> Box<Origin> {
        // SAFETY: a reference to the core keeps it alive meanwhile; `T` is sent, so it is a message.
        Origin::channel(unsafe { Endpoint::weak(NonNull::from(self).cast()) })
    }
}

/// The send of one message, for an owner that knows the channel and withdraws what is parked.
pub(crate) struct SendOp<T> {
    /// Where a receiver takes the message from while this is parked.
    message: Place<T>,
    node: Node,
    _pinned: PhantomPinned,
}

// SAFETY: the message is `Send`; the place is shared with the one peer that completes the node, under the channel's lock.
unsafe impl<T: Send> Send for SendOp<T> {}
// SAFETY: a shared `SendOp` offers nothing.
unsafe impl<T: Send> Sync for SendOp<T> {}

impl<T> SendOp<T> {
    #[inline]
    pub(crate) fn new(message: T) -> Self {
        Self {
            message: Place::new(Some(message)),
            node: Node::new(),
            _pinned: PhantomPinned,
        }
    }

    /// Sends a message if that needs no waiting.
    #[inline]
    /// `about` shows the message to who records what happens.
    pub(crate) fn try_send(
        route: &impl Route<T>,
        message: T,
        about: impl FnOnce(&T) -> About,
    ) -> Result<(), TrySendError<T>> {
        if here::records() {
            return Self::try_send_told(route, message, about);
        }
        Self::try_send_untold(route, message)
    }

    #[cold]
    #[inline(never)]
    fn try_send_told(
        route: &impl Route<T>,
        message: T,
        about: impl FnOnce(&T) -> About,
    ) -> Result<(), TrySendError<T>> {
        let about = about(&message);
        let sent = Self::try_send_untold(route, message);
        let outcome = match &sent {
            Ok(()) => "",
            Err(TrySendError::Full(_)) => " (full)",
            Err(TrySendError::Closed(_)) => " (closed)",
        };
        told::tried(route.object(), &about, outcome);
        sent
    }

    #[inline]
    fn try_send_untold(route: &impl Route<T>, message: T) -> Result<(), TrySendError<T>> {
        let message = Place::new(Some(message));
        // SAFETY: the place is full, and nothing parks.
        let started = unsafe { route.start(NonNull::from(&message).cast(), None) };
        match (started, message.into_inner()) {
            (Started::Closed, Some(message)) => Err(TrySendError::Closed(message)),
            (Started::Done, _) | (_, None) => Ok(()),
            (_, Some(message)) => {
                here::in_vain("try_send", route.object());
                Err(TrySendError::Full(message))
            }
        }
    }

    /// Must be polled with the same channel until it is ready, or withdrawn from it. `about` shows the message to who records
    /// what happens; `is_all`: what comes next is the program's own.
    #[inline(always)]
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        route: &impl Route<T>,
        cx: &mut Context<'_>,
        is_all: bool,
        about: impl FnOnce(&T) -> About,
    ) -> Poll<Result<(), SendError<T>>> {
        // SAFETY: nothing is moved out of its place while the node is parked.
        let this = unsafe { self.get_unchecked_mut() };
        match this.node.mark() {
            wait::DONE => {
                this.node.spend();
                Poll::Ready(Ok(()))
            }
            wait::IDLE => {
                if current::try_spend() {
                    return this.start(route, cx);
                }
                this.start_slowly(route, cx, is_all, about)
            }
            _ => this.look_again(route, cx),
        }
    }

    /// The budget is used up, or a simulation wants to know.
    #[cold]
    #[inline(never)]
    fn start_slowly(
        &mut self,
        route: &impl Route<T>,
        cx: &mut Context<'_>,
        is_all: bool,
        about: impl FnOnce(&T) -> About,
    ) -> Poll<Result<(), SendError<T>>> {
        let about = || {
            // SAFETY: the node is in no list, so the place is the owner's, who is here.
            let message = self.message.with(|place| unsafe { (*place).as_ref() });
            message.map_or(About::Unknown, about)
        };
        let object = || route.object();
        ready!(current::spend_for(cx, WaitKind::Send, object, about));
        let sent = ready!(self.start(route, cx));
        if is_all && sent.is_ok() {
            current::lags();
        }
        Poll::Ready(sent)
    }

    #[inline(always)]
    fn start(
        &mut self,
        route: &impl Route<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let park = Park {
            node: &self.node,
            cx,
            token: None,
        };
        // SAFETY: the place is pinned with this operation, whose owner withdraws it before it goes.
        match unsafe { route.start(NonNull::from(&self.message).cast(), Some(park)) } {
            Started::Done => {
                self.node.spend();
                Poll::Ready(Ok(()))
            }
            Started::Closed => Poll::Ready(self.give_back(route)),
            Started::Parked | Started::Full | Started::Lost => {
                let by = route.server();
                current::waits_for_process(WaitKind::Send, route.object(), by);
                Poll::Pending
            }
        }
    }

    /// What became of a parked send; the message if it was not sent.
    #[cold]
    #[inline(never)]
    fn look_again(
        &mut self,
        route: &impl Route<T>,
        cx: &Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        // The waker first: from then on nothing happens to the node unheard, so a mark that still says "waiting" holds.
        let mut mark = self.node.mark();
        assert!(
            mark != wait::SPENT,
            "a send was polled after it had completed"
        );
        if mark == wait::WAITING {
            mark = route.renew(&self.node, cx);
        }
        if mark == wait::WAITING && route.refuses() {
            mark = match route.withdraw(&self.node) {
                wait::WAITING => wait::CLOSED,
                mark => mark,
            };
        }
        if mark == wait::WAITING {
            current::waits_for_process(WaitKind::Send, route.object(), route.server());
            return Poll::Pending;
        }
        self.node.spend();
        Poll::Ready(match mark {
            wait::CLOSED => {
                route.refuse();
                self.give_back(route)
            }
            _ => Ok(()),
        })
    }

    /// Ends the operation. `Some`: it was not sent.
    pub(crate) fn give_up(&mut self, route: &impl Route<T>) -> Option<T> {
        // A receiver may have taken the message at this very moment: then it was sent.
        let mark = route.withdraw(&self.node);
        self.node.spend();
        match mark {
            wait::DONE => None,
            _ => self.take_back(),
        }
    }

    /// For the drop of the owner, who knows how to take a node `out` of its line.
    #[inline]
    pub(crate) fn withdraw(&self, out: impl FnOnce(&Node) -> u32) {
        if self.node.mark() == wait::WAITING {
            out(&self.node);
        }
    }

    /// The error with the message, which is still here.
    #[cold]
    fn give_back(&mut self, route: &impl Route<T>) -> Result<(), SendError<T>> {
        self.node.spend();
        self.take_back().map_or(Ok(()), |message| {
            Err(SendError::new(message, route.origin()))
        })
    }

    /// The message, if no receiver took it.
    fn take_back(&mut self) -> Option<T> {
        // SAFETY: the node is in no list, so the place is the owner's, who is here.
        unsafe { wait::empty(NonNull::from(&self.message).cast()) }
    }
}

/// Sends one message; see [`Sender::send`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(1);
/// jobs.send(1).await?;
/// assert!(jobs.send(2).within(millis(2)).await.is_err());     // dropped while it waits, it has sent nothing
/// assert_eq!(inbox.recv_many(9).await, [1]);
/// # Ok(()) }) }
/// ```
#[must_use = "a message is sent only when this is awaited"]
pub struct Sending<'a, T> {
    pub(super) sender: &'a Sender<T>,
    pub(super) op: SendOp<T>,
}

impl<'a, T: Message> Sending<'a, T> {
    #[inline]
    pub(super) fn new(sender: &'a Sender<T>, message: T) -> Self {
        Self {
            sender,
            op: SendOp::new(message),
        }
    }

    /// Gives the send at most `limit`; the message comes back if the time is up.
    ///
    /// # Panics
    /// When awaited outside of a Roundrock system, where no timer runs, as [`sleep`](crate::time::sleep).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// jobs.send("a").within(secs(1)).await?;
    /// let late = jobs.send("b").within(millis(1)).await.expect_err("there is no room");
    /// assert_eq!(late.into_inner(), "b");
    /// assert_eq!(inbox.recv().await, Some("a"));
    /// # Ok(()) }) }
    /// ```
    pub fn within(self, limit: Duration) -> SendingWithin<'a, T> {
        SendingWithin::new(self, limit)
    }
}

impl<T: Message> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    // Where this is awaited is where the process waits.
    #[track_caller]
    #[inline(always)]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let sender = self.sender;
        // SAFETY: the operation is pinned with this future and never moved.
        let op = unsafe { self.map_unchecked_mut(|this| &mut this.op) };
        current::placed(op.poll(sender, cx, true, About::message))
    }
}

impl<T> Drop for Sending<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.op.withdraw(|node| self.sender.withdraw(node));
    }
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("sender", self.sender)
            .finish_non_exhaustive()
    }
}
