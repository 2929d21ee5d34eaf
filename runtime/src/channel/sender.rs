//! The sending side: [`Sender`], its operations, and permits.

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
use crate::channel::core::{self, Core, Head, Park, Side, Started};
use crate::channel::error::{Closed, SendError, SendTimeoutError, TrySendError};
use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::wait::{self, Node, Offer, Place};
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::time::sleep::{Sleep, sleep};

/// Moves a message of another type out of its [`Place`], as the channel's own type, into an `Option`.
type Convert = unsafe fn(NonNull<()>, NonNull<()>);

/// The sending side of a channel. Clones send into the same queue; dropping the last one closes the channel.
///
/// Messages from one process arrive in the order in which it sent them. `Send`, `Sync` and `Clone` whatever the message is.
pub struct Sender<T> {
    head: NonNull<Head>,
    /// `None`: the channel's own type. Otherwise this is a port: its messages become part of another type's.
    convert: Option<Convert>,
    message: PhantomData<fn(T)>,
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

    /// The number that reports know this channel by.
    pub(crate) fn object(&self) -> u64 {
        self.head.as_ptr().addr() as u64
    }

    /// Returns how many messages the channel holds at most; `None` if there is no bound, 0 for a rendezvous.
    pub fn capacity(&self) -> Option<usize> {
        // SAFETY: this endpoint keeps the core alive.
        let capacity = unsafe { (self.head().vtable.stats)(self.head) }.capacity;
        (capacity != core::UNBOUNDED).then_some(capacity as usize)
    }

    /// Returns how many messages are queued now.
    pub fn len(&self) -> usize {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.stats)(self.head) }.len as usize
    }

    /// Returns whether no message is queued. A rendezvous is always empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether a `try_send` would find no room now. A rendezvous is always full, for it has no room of its own.
    pub fn is_full(&self) -> bool {
        self.capacity()
            .is_some_and(|capacity| self.len() >= capacity)
    }

    /// Returns whether no receiver is left.
    pub fn is_closed(&self) -> bool {
        self.head().receivers() == 0
    }

    /// Returns whether both send into the same channel.
    pub fn same_channel(&self, other: &Self) -> bool {
        self.head == other.head
    }

    /// Drops this endpoint: it reads better than `drop(sender)` where a stage has nothing more to say.
    pub fn finish(self) {}

    /// Returns an endpoint that does not keep the channel open.
    pub fn downgrade(&self) -> WeakSender<T> {
        self.head().retain(Side::Weak);
        WeakSender {
            head: self.head,
            convert: self.convert,
            message: PhantomData,
        }
    }
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
        Sending {
            sender: self,
            message: Place::new(Some(message)),
            node: Node::new(),
            _pinned: PhantomPinned,
        }
    }

    /// Sends a message if that needs no waiting.
    ///
    /// # Errors
    /// [`TrySendError`] with the message when there is no room, or no receiver is left.
    pub fn try_send(&self, message: T) -> Result<(), TrySendError<T>> {
        let message = Place::new(Some(message));
        // SAFETY: the offer points to a full place of this sender's type and nothing parks.
        let started = unsafe { self.start(NonNull::from(&message).cast(), None) };
        match (started, message.into_inner()) {
            (Started::Done, _) => Ok(()),
            (Started::Closed, Some(message)) => Err(TrySendError::Closed(message)),
            (_, Some(message)) => Err(TrySendError::Full(message)),
            (_, None) => Ok(()),
        }
    }

    /// Waits for room, and keeps it: [`Permit::send`] then does not wait.
    ///
    /// On a rendezvous at most as many permits are out as receivers are parked. Cancellation: dropping the future, or the
    /// permit, gives the room to the next in line.
    ///
    /// # Errors
    /// [`Closed`] when no receiver is left.
    pub fn ready(&self) -> Ready<'_, T> {
        Ready {
            sender: self,
            node: Node::new(),
            _pinned: PhantomPinned,
        }
    }

    /// Waits for room like [`ready`](Self::ready), and returns a permit that owns its sender.
    ///
    /// # Errors
    /// [`Closed`] when no receiver is left.
    pub async fn ready_owned(self) -> Result<OwnedPermit<T>, Closed> {
        let permit = self.ready().await?;
        // The room now belongs to the owned permit.
        let _ = std::mem::ManuallyDrop::new(permit);
        Ok(OwnedPermit { sender: Some(self) })
    }

    /// Sends a message from a plain thread, which sleeps meanwhile.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    ///
    /// # Panics
    /// In a process: it would block its worker. Use `send(..).await`.
    pub fn blocking_send(&self, message: T) -> Result<(), SendError<T>> {
        crate::blocking::block_on(self.send(message))
    }

    /// Waits until everything sent so far has left this machine's side. On a local channel that is at once.
    pub async fn flush(&self) {}
}

impl<T> Sender<T> {
    /// # Safety
    /// `place` is a full [`Place<T>`](Place) that stays valid while the operation is parked.
    #[inline]
    unsafe fn start(&self, place: NonNull<()>, park: Option<Park<'_, '_>>) -> Started {
        match self.convert {
            None => {
                // SAFETY: without a conversion the core is a `Core<T>`, which this endpoint keeps alive.
                let core = unsafe { Core::<T>::of(self.head) };
                // SAFETY: the offer is full by contract.
                unsafe { core.send(Offer::Send(place), park) }
            }
            // SAFETY: the conversion fits the core, by construction of the port.
            Some(convert) => unsafe {
                (self.head().vtable.send)(self.head, Offer::Convert(place, convert), park)
            },
        }
    }

    fn withdraw(&self, node: &Node) -> u32 {
        // SAFETY: the node is used with this channel's senders only.
        unsafe { (self.head().vtable.withdraw)(self.head, node) }
    }

    fn renew(&self, node: &Node, cx: &Context<'_>) {
        // SAFETY: as above.
        unsafe { (self.head().vtable.renew)(self.head, node, cx) };
    }

    /// Uses or gives back one permit; the message again if it could not be sent.
    fn use_permit(&self, message: Option<T>) -> Option<T> {
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
        unsafe { core::release(self.head, Side::Sender) };
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::describe(f, "Sender", self.head)
    }
}

/// A sender that does not keep its channel open; see [`Sender::downgrade`].
pub struct WeakSender<T> {
    head: NonNull<Head>,
    convert: Option<Convert>,
    message: PhantomData<fn(T)>,
}

// SAFETY: as for `Sender`.
unsafe impl<T> Send for WeakSender<T> {}
// SAFETY: as for `Sender`.
unsafe impl<T> Sync for WeakSender<T> {}

impl<T> WeakSender<T> {
    /// Returns a sender, if another one has kept the channel open.
    pub fn upgrade(&self) -> Option<Sender<T>> {
        // SAFETY: the weak endpoint keeps the core alive.
        let head = unsafe { self.head.as_ref() };
        head.upgrade().then(|| Sender {
            head: self.head,
            convert: self.convert,
            message: PhantomData,
        })
    }
}

impl<T> Clone for WeakSender<T> {
    fn clone(&self) -> Self {
        // SAFETY: the weak endpoint keeps the core alive.
        unsafe { self.head.as_ref() }.retain(Side::Weak);
        Self {
            head: self.head,
            convert: self.convert,
            message: PhantomData,
        }
    }
}

impl<T> Drop for WeakSender<T> {
    fn drop(&mut self) {
        // SAFETY: this endpoint is not used any more.
        unsafe { core::release(self.head, Side::Weak) };
    }
}

impl<T> fmt::Debug for WeakSender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        super::describe(f, "WeakSender", self.head)
    }
}

/// Sends one message; see [`Sender::send`].
#[must_use = "a message is sent only when this is awaited"]
pub struct Sending<'a, T> {
    sender: &'a Sender<T>,
    /// The place that a receiver takes the message from while this is parked.
    message: Place<T>,
    node: Node,
    _pinned: PhantomPinned,
}

// SAFETY: the message is `Send`; the place is shared with the one peer that completes the node, under the channel's lock.
unsafe impl<T: Send> Send for Sending<'_, T> {}
// SAFETY: a shared `Sending` offers nothing.
unsafe impl<T: Send> Sync for Sending<'_, T> {}

impl<'a, T: Message> Sending<'a, T> {
    /// Gives the send at most `limit`; the message comes back if the time is up.
    pub fn within(self, limit: Duration) -> SendingWithin<'a, T> {
        SendingWithin {
            send: self,
            sleep: sleep(limit),
        }
    }

    fn poll_send(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), SendError<T>>> {
        // SAFETY: nothing is moved out of its place while the node is parked.
        let this = unsafe { self.get_unchecked_mut() };
        match this.node.mark() {
            wait::IDLE => {
                ready!(current::spend(cx));
                let park = Park {
                    node: &this.node,
                    cx,
                    token: None,
                };
                // SAFETY: the place is pinned with this future, which withdraws the node before it goes.
                let started = unsafe {
                    this.sender
                        .start(NonNull::from(&this.message).cast(), Some(park))
                };
                match started {
                    Started::Done => return Poll::Ready(Ok(())),
                    Started::Closed => return Poll::Ready(this.give_back()),
                    Started::Parked | Started::Full | Started::Lost => {}
                }
            }
            wait::DONE => {
                this.node.reset();
                return Poll::Ready(Ok(()));
            }
            wait::CLOSED => {
                this.node.reset();
                return Poll::Ready(this.give_back());
            }
            _ => {
                this.sender.renew(&this.node, cx);
                if this.sender.refuses() && this.sender.withdraw(&this.node) == wait::WAITING {
                    return Poll::Ready(this.give_back());
                }
            }
        }
        current::waits_for(WaitKind::Send, this.sender.object());
        Poll::Pending
    }

    /// The error with the message, which is still here.
    fn give_back(&mut self) -> Result<(), SendError<T>> {
        self.take_back()
            .map_or(Ok(()), |message| Err(SendError(message)))
    }

    /// The message, if no receiver took it.
    fn take_back(&mut self) -> Option<T> {
        // SAFETY: the node is in no list, so the place is the owner's, who is here.
        unsafe { wait::empty(NonNull::from(&self.message).cast()) }
    }
}

impl<T: Message> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.poll_send(cx)
    }
}

impl<T> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        if self.node.mark() == wait::WAITING {
            self.sender.withdraw(&self.node);
        }
    }
}

impl<T> fmt::Debug for Sending<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending")
            .field("sender", self.sender)
            .finish_non_exhaustive()
    }
}

/// A send with a limit of time; see [`Sending::within`].
#[must_use = "a message is sent only when this is awaited"]
#[derive(Debug)]
pub struct SendingWithin<'a, T> {
    send: Sending<'a, T>,
    sleep: Sleep,
}

impl<T: Message> Future for SendingWithin<'_, T> {
    type Output = Result<(), SendTimeoutError<T>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: both fields are pinned with this future and never moved.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        if let Poll::Ready(result) = unsafe { Pin::new_unchecked(&mut this.send) }.poll_send(cx) {
            return Poll::Ready(
                result.map_err(|error| SendTimeoutError::Closed(error.into_inner())),
            );
        }
        // SAFETY: as above.
        ready!(unsafe { Pin::new_unchecked(&mut this.sleep) }.poll(cx));
        // A receiver may have taken the message at this very moment: then it was sent.
        match this.send.sender.withdraw(&this.send.node) {
            wait::DONE => {
                this.send.node.reset();
                Poll::Ready(Ok(()))
            }
            _ => Poll::Ready(match this.send.take_back() {
                Some(message) => Err(SendTimeoutError::Elapsed(message)),
                None => Ok(()),
            }),
        }
    }
}

/// The send of a message whose channel is known to its owner: a call's way into a mailbox.
pub(crate) struct SendOp<T> {
    message: Place<T>,
    node: Node,
    _pinned: PhantomPinned,
}

// SAFETY: as for `Sending`.
unsafe impl<T: Send> Send for SendOp<T> {}
// SAFETY: as for `Sending`.
unsafe impl<T: Send> Sync for SendOp<T> {}

impl<T: Message> SendOp<T> {
    pub(crate) fn new(message: T) -> Self {
        Self {
            message: Place::new(Some(message)),
            node: Node::new(),
            _pinned: PhantomPinned,
        }
    }

    pub(crate) fn try_send(core: &Core<T>, message: T) -> Result<(), TrySendError<T>> {
        let message = Place::new(Some(message));
        // SAFETY: the place is full, and nothing parks.
        let started = unsafe { core.send(Offer::Send(NonNull::from(&message).cast()), None) };
        match (started, message.into_inner()) {
            (Started::Closed, Some(message)) => Err(TrySendError::Closed(message)),
            (Started::Done, _) | (_, None) => Ok(()),
            (_, Some(message)) => Err(TrySendError::Full(message)),
        }
    }

    /// Must be polled with the same core until it is ready, or withdrawn from it.
    pub(crate) fn poll(
        self: Pin<&mut Self>,
        core: &Core<T>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        // SAFETY: nothing is moved out of its place while the node is parked.
        let this = unsafe { self.get_unchecked_mut() };
        match this.node.mark() {
            wait::IDLE => {
                ready!(current::spend(cx));
                let park = Park {
                    node: &this.node,
                    cx,
                    token: None,
                };
                // SAFETY: the place is pinned with this operation, whose owner withdraws it before it goes.
                match unsafe {
                    core.send(Offer::Send(NonNull::from(&this.message).cast()), Some(park))
                } {
                    Started::Done => return Poll::Ready(Ok(())),
                    Started::Closed => return Poll::Ready(this.give_back()),
                    Started::Parked | Started::Full | Started::Lost => {}
                }
            }
            wait::DONE => {
                this.node.reset();
                return Poll::Ready(Ok(()));
            }
            wait::CLOSED => {
                this.node.reset();
                return Poll::Ready(this.give_back());
            }
            _ => {
                // SAFETY: the node is used with this core's senders only.
                unsafe { core.renew_sender(&this.node, cx) };
                // SAFETY: as above.
                if core.refuses() && unsafe { core.withdraw_sender(&this.node) } == wait::WAITING {
                    return Poll::Ready(this.give_back());
                }
            }
        }
        current::waits_for(WaitKind::Send, NonNull::from(core).as_ptr().addr() as u64);
        Poll::Pending
    }

    pub(crate) fn withdraw(&self, core: &Core<T>) {
        if self.node.mark() == wait::WAITING {
            // SAFETY: the node is used with this core's senders only.
            unsafe { core.withdraw_sender(&self.node) };
        }
    }

    fn give_back(&mut self) -> Result<(), SendError<T>> {
        // SAFETY: the node is in no list, so the place is the owner's, who is here.
        unsafe { wait::empty(NonNull::from(&self.message).cast()) }
            .map_or(Ok(()), |message| Err(SendError(message)))
    }
}

/// Waits for room; see [`Sender::ready`]. May be a branch of `select!`.
#[must_use = "room is granted only when this is awaited"]
pub struct Ready<'a, T> {
    sender: &'a Sender<T>,
    node: Node,
    _pinned: PhantomPinned,
}

impl<'a, T: Message> Ready<'a, T> {
    fn poll_ready(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> ArmPoll<Result<Permit<'a, T>, Closed>> {
        // SAFETY: nothing is moved out of its place while the node is parked.
        let this = unsafe { self.get_unchecked_mut() };
        let sender = this.sender;
        match this.node.mark() {
            wait::IDLE => {
                let park = Park {
                    node: &this.node,
                    cx,
                    token,
                };
                // SAFETY: the head belongs to this sender's core.
                match unsafe { (sender.head().vtable.ready)(sender.head, Some(park)) } {
                    Started::Done => return ArmPoll::Ready(Ok(Permit { sender })),
                    Started::Closed => return ArmPoll::Ready(Err(Closed(()))),
                    Started::Parked | Started::Full | Started::Lost => {}
                }
            }
            wait::DONE => {
                this.node.reset();
                return ArmPoll::Ready(Ok(Permit { sender }));
            }
            mark => {
                sender.renew(&this.node, cx);
                let closed = mark == wait::CLOSED
                    || sender.refuses() && sender.withdraw(&this.node) == wait::WAITING;
                if closed && token.is_none_or(Token::claim) {
                    this.node.reset();
                    return ArmPoll::Ready(Err(Closed(())));
                }
            }
        }
        current::waits_for(WaitKind::Send, sender.object());
        ArmPoll::Pending
    }
}

impl<'a, T: Message> Future for Ready<'a, T> {
    type Output = Result<Permit<'a, T>, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        ready!(current::spend(cx));
        match self.poll_ready(cx, None) {
            ArmPoll::Ready(result) => Poll::Ready(result),
            ArmPoll::Pending | ArmPoll::Passive | ArmPoll::Disabled => Poll::Pending,
        }
    }
}

impl<'a, T: Message> Event for Ready<'a, T> {
    type Output = Result<Permit<'a, T>, Closed>;

    fn poll_arm(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: &Token,
    ) -> ArmPoll<Self::Output> {
        self.poll_ready(cx, Some(token))
    }
}

impl<T> Drop for Ready<'_, T> {
    fn drop(&mut self) {
        match self.node.mark() {
            wait::WAITING if self.sender.withdraw(&self.node) != wait::DONE => {}
            // Granted, and never seen: the next in line gets it.
            wait::WAITING | wait::DONE => drop(self.sender.use_permit(None)),
            _ => {}
        }
    }
}

impl<T> fmt::Debug for Ready<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ready")
            .field("sender", self.sender)
            .finish_non_exhaustive()
    }
}

/// Room for one message; see [`Sender::ready`]. Dropping it gives the room to the next in line.
#[must_use = "a permit that is dropped gives its room back"]
#[derive(Debug)]
pub struct Permit<'a, T> {
    sender: &'a Sender<T>,
}

impl<T: Message> Permit<'_, T> {
    /// Sends a message without waiting.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    pub fn send(self, message: T) -> Result<(), SendError<T>> {
        let sender = std::mem::ManuallyDrop::new(self).sender;
        sender
            .use_permit(Some(message))
            .map_or(Ok(()), |message| Err(SendError(message)))
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.sender.use_permit(None);
    }
}

/// Room for one message, with the sender it belongs to; see [`Sender::ready_owned`].
#[must_use = "a permit that is dropped gives its room back"]
#[derive(Debug)]
pub struct OwnedPermit<T> {
    /// Empty only after the permit was used.
    sender: Option<Sender<T>>,
}

impl<T: Message> OwnedPermit<T> {
    /// Sends a message without waiting, and returns the sender.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    pub fn send(mut self, message: T) -> Result<Sender<T>, SendError<T>> {
        match self.sender.take() {
            Some(sender) => match sender.use_permit(Some(message)) {
                None => Ok(sender),
                Some(message) => Err(SendError(message)),
            },
            None => Err(SendError(message)),
        }
    }
}

impl<T> Drop for OwnedPermit<T> {
    fn drop(&mut self) {
        if let Some(sender) = &self.sender {
            sender.use_permit(None);
        }
    }
}

impl<T> Sender<T> {
    /// Whether the channel refuses messages of the current process, because its scope is stopping.
    fn refuses(&self) -> bool {
        // SAFETY: this endpoint keeps the core alive.
        unsafe { (self.head().vtable.refuses)(self.head) }
    }
}
