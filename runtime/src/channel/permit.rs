//! Room that is kept: [`Ready`] and [`ReadyMany`], [`Permit`], [`Permits`] and [`OwnedPermit`].

#![expect(unsafe_code, reason = "operations are pinned while parked")]

use std::fmt;
use std::future::Future;
use std::marker::PhantomPinned;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::channel::Message;
use crate::channel::account::Origin;
use crate::channel::error::{Closed, SendError};
use crate::channel::head::{Park, Started};
use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::sender::Route;
use crate::channel::sender::Sender;
use crate::channel::wait::{self, Node};
use crate::sim::values::About;
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker;

/// Waits for room; see [`Sender::ready`]. May be a branch of `select!`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(1);
/// jobs.send(1).await?;
/// select! {
///     room = jobs.ready() => panic!("there is none: {room:?}"),
///     default => {},
/// }
/// inbox.recv().await;
/// jobs.ready().await?.send(2)?;               // what is sent is made when there is room
/// assert_eq!(inbox.recv().await, Some(2));
/// # Ok(()) }) }
/// ```
#[must_use = "room is granted only when this is awaited"]
pub struct Ready<'a, T> {
    sender: &'a Sender<T>,
    /// For how many messages there is to be room.
    count: u32,
    node: Node,
    _pinned: PhantomPinned,
}

impl<'a, T: Message> Ready<'a, T> {
    pub(super) fn new(sender: &'a Sender<T>, count: u32) -> Self {
        Self {
            sender,
            count,
            node: Node::new(),
            _pinned: PhantomPinned,
        }
    }

    /// As [`poll_open`](Self::poll_open), where that no receiver is left is an outcome too.
    pub(super) fn poll_ready(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> ArmPoll<Result<Permits<'a, T>, Closed>> {
        match self.poll_open(cx, token) {
            ArmPoll::Disabled if token.is_none_or(Token::claim) => ArmPoll::Ready(Err(Closed(()))),
            ArmPoll::Disabled => ArmPoll::Pending,
            open => open.map(Ok),
        }
    }

    /// Waits for room; `Disabled`, and nothing claimed, if no receiver is left.
    fn poll_open(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> ArmPoll<Permits<'a, T>> {
        // SAFETY: nothing is moved out of its place while the node is parked.
        let this = unsafe { self.get_unchecked_mut() };
        let (sender, left) = (this.sender, this.count);
        if this.node.mark() == wait::IDLE {
            let _spare = waker::prepare(cx);
            let park = Park {
                node: &this.node,
                cx,
                token,
            };
            // SAFETY: the head belongs to this sender's core.
            match unsafe { (sender.head().vtable.ready)(sender.raw(), left, Some(park)) } {
                Started::Done => return ArmPoll::Ready(Permits { sender, left }),
                Started::Closed => return ArmPoll::Disabled,
                Started::Parked | Started::Full | Started::Lost => {}
            }
        } else {
            // The waker first, as in `SendOp::look_again`.
            let mut mark = this.node.mark();
            if mark == wait::WAITING {
                mark = sender.renew(&this.node, cx);
            }
            if mark == wait::WAITING && sender.refuses() {
                mark = match sender.withdraw(&this.node) {
                    wait::WAITING => wait::CLOSED,
                    mark => mark,
                };
            }
            match mark {
                wait::DONE => {
                    this.node.reset();
                    return ArmPoll::Ready(Permits { sender, left });
                }
                wait::CLOSED => return ArmPoll::Disabled,
                _ => {}
            }
        }
        current::waits_for(WaitKind::Send, sender.object());
        ArmPoll::Pending
    }
}

impl<'a, T: Message> Future for Ready<'a, T> {
    type Output = Result<Permit<'a, T>, Closed>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let object = || self.sender.object();
        ready!(current::spend_for(cx, WaitKind::Send, object, || {
            About::Room
        }));
        current::placed(match self.poll_ready(cx, None) {
            ArmPoll::Ready(result) => Poll::Ready(result.map(Permits::only)),
            ArmPoll::Pending | ArmPoll::Passive | ArmPoll::Disabled => Poll::Pending,
        })
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
            .map(|result| result.map(Permits::only))
    }
}

/// The wait of a branch `sender.send(value) => ..`, which like a receive is disabled when the other side is gone: it has nowhere
/// to give the value back.
#[derive(Debug)]
pub struct Room<'a, T>(Ready<'a, T>);

/// Makes the wait of a branch that sends.
pub fn room<T>(ready: Ready<'_, T>) -> Room<'_, T> {
    Room(ready)
}

impl<'a, T: Message> Event for Room<'a, T> {
    type Output = Permit<'a, T>;

    fn poll_arm(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: &Token,
    ) -> ArmPoll<Self::Output> {
        // SAFETY: structural pinning of the only field.
        let ready = unsafe { self.map_unchecked_mut(|room| &mut room.0) };
        ready.poll_open(cx, Some(token)).map(Permits::only)
    }
}

impl<T> Drop for Ready<'_, T> {
    fn drop(&mut self) {
        match self.node.mark() {
            wait::WAITING if self.sender.withdraw(&self.node) != wait::DONE => {}
            // Granted, and never seen: the next in line gets it.
            wait::WAITING | wait::DONE => drop(Permits {
                sender: self.sender,
                left: self.count,
            }),
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

/// Waits for room for several messages; see [`Sender::ready_many`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let (jobs, inbox) = bounded(3);
/// jobs.send(0).await?;
/// let waits = scope.task("waits", async move {
///     let mut room = jobs.ready_many(3).await?;               // all at once, or none
///     for n in 1..=3 { room.send(n)?; }
///     roundrock::Ok(())
/// });
/// assert_eq!(inbox.recv().await, Some(0));
/// waits.await?;
/// assert_eq!(inbox.recv_many(9).await, [1, 2, 3]);
/// # Ok(()) }) }
/// ```
#[must_use = "room is granted only when this is awaited"]
#[derive(Debug)]
pub struct ReadyMany<'a, T>(Ready<'a, T>);

impl<'a, T: Message> ReadyMany<'a, T> {
    pub(super) fn new(sender: &'a Sender<T>, count: u32) -> Self {
        Self(Ready::new(sender, count))
    }
}

impl<'a, T: Message> Future for ReadyMany<'a, T> {
    type Output = Result<Permits<'a, T>, Closed>;

    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let object = || self.0.sender.object();
        ready!(current::spend_for(cx, WaitKind::Send, object, || {
            About::Room
        }));
        // SAFETY: the wait is pinned with this future and never moved.
        let ready = unsafe { self.map_unchecked_mut(|this| &mut this.0) };
        current::placed(match ready.poll_ready(cx, None) {
            ArmPoll::Ready(result) => Poll::Ready(result),
            ArmPoll::Pending | ArmPoll::Passive | ArmPoll::Disabled => Poll::Pending,
        })
    }
}

/// Room for several messages; see [`Sender::ready_many`]. Dropping it gives the room that is left to the next in line.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(4);
/// let mut room = jobs.ready_many(3).await?;
/// room.send(1)?;
/// room.send(2)?;
/// assert_eq!(room.left(), 1);
/// drop(room);                                 // gives back what was not used
/// assert_eq!(inbox.recv_many(4).await, [1, 2]);
/// # Ok(()) }) }
/// ```
#[must_use = "permits that are dropped give their room back"]
#[derive(Debug)]
pub struct Permits<'a, T> {
    sender: &'a Sender<T>,
    left: u32,
}

impl<'a, T: Message> Permits<'a, T> {
    /// Returns for how many messages there is room left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, _inbox) = bounded(4);
    /// let mut room = jobs.ready_many(3).await?;
    /// room.send("a")?;
    /// assert_eq!(room.left(), 2);
    /// # Ok(()) }) }
    /// ```
    pub fn left(&self) -> usize {
        self.left as usize
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    ///
    /// # Panics
    /// If all the room was used.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(4);
    /// let mut room = jobs.ready_many(2).await?;
    /// room.send("a")?;
    /// drop(room);                                         // gives back what was not used
    /// assert_eq!(inbox.recv().await, Some("a"));
    /// assert_eq!(jobs.ready_many(4).await?.left(), 4);
    /// # Ok(()) }) }
    /// ```
    pub fn send(&mut self, message: T) -> Result<(), SendError<T>> {
        assert!(
            self.left > 0,
            "all the room of these permits was used: ask for more with `ready_many`"
        );
        self.left -= 1;
        self.sender.send_granted(message)
    }

    fn only(self) -> Permit<'a, T> {
        let sender = std::mem::ManuallyDrop::new(self).sender;
        Permit { sender }
    }

    /// Leaves the room to whoever knows of it.
    pub(super) fn keep(self) {
        let _ = std::mem::ManuallyDrop::new(self);
    }
}

impl<T: Message> Sender<T> {
    /// Waits for room, and keeps it: [`Permit::send`](crate::channel::Permit::send) then does not wait.
    ///
    /// On a rendezvous at most as many permits are out as receivers are parked. Cancellation: dropping the future, or the
    /// permit, gives the room to the next in line.
    ///
    /// # Errors
    /// [`Closed`] when no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// let room = jobs.ready().await?;
    /// room.send("made when there is room for it")?;       // does not wait
    /// assert!(inbox.recv().await.is_some());
    /// # Ok(()) }) }
    /// ```
    pub fn ready(&self) -> Ready<'_, T> {
        Ready::new(self, 1)
    }

    /// Waits for room for `count` messages at once, and keeps it.
    ///
    /// Senders that come later wait behind it, also those that want less. Cancellation: as for [`ready`](Self::ready).
    ///
    /// # Errors
    /// [`Closed`] when no receiver is left.
    ///
    /// # Panics
    /// If `count` is zero, or more than a bounded channel holds. On a rendezvous it waits for so many parked receivers.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # roundrock::System::builder().workers(1).run(async |_scope| {
    /// let (jobs, inbox) = bounded(4);
    /// let mut room = jobs.ready_many(3).await?;
    /// for n in 0..3 {
    ///     room.send(n)?;                      // all of them, with nothing in between
    /// }
    /// assert_eq!(inbox.recv_many(8).await, [0, 1, 2]);
    /// # Ok(()) }).unwrap();
    /// ```
    #[track_caller]
    pub fn ready_many(&self, count: usize) -> ReadyMany<'_, T> {
        let most = self.most_room();
        assert!(
            (1..=most).contains(&count),
            "`ready_many({count})` would wait for ever: give at least 1, and at most the {most} places of the channel"
        );
        ReadyMany::new(self, count as u32)
    }

    /// Waits for room like [`ready`](Self::ready), and returns a permit that owns its sender.
    ///
    /// If the wait is given up, no room is kept, and the sender is dropped with it.
    ///
    /// # Errors
    /// [`Closed`] when no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// let room = jobs.ready_owned().await?;               // borrows nothing, so it may be kept anywhere
    /// room.send("a")?;
    /// assert_eq!(inbox.recv().await, Some("a"));
    /// # Ok(()) }) }
    /// ```
    pub async fn ready_owned(self) -> Result<OwnedPermit<T>, Closed> {
        self.ready().await?.keep();
        Ok(OwnedPermit::of(self))
    }

    /// Keeps room for one message, as [`ready_owned`](Self::ready_owned) does, if there is some now and nobody waits for it.
    #[cfg(feature = "net")]
    pub(crate) fn try_ready_owned(&self) -> Option<OwnedPermit<T>> {
        self.try_keep().then(|| OwnedPermit::of(self.clone()))
    }

    /// For how many messages there can be room at once. On a rendezvous that is room for as many as receive.
    pub(super) fn most_room(&self) -> usize {
        match self.capacity() {
            None | Some(0) => u32::MAX as usize,
            Some(capacity) => capacity,
        }
    }

    /// Keeps room for one message, if there is some now and nobody waits for it.
    pub(super) fn try_keep(&self) -> bool {
        // SAFETY: the head belongs to this sender's core.
        unsafe { (self.head().vtable.ready)(self.raw(), 1, None) == Started::Done }
    }
}

impl<T> Drop for Permits<'_, T> {
    fn drop(&mut self) {
        for _ in 0..self.left {
            self.sender.use_permit(None);
        }
    }
}

/// Room for one message; see [`Sender::ready`]. Dropping it gives the room to the next in line.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(1);
/// let room = jobs.ready().await?;
/// assert!(jobs.try_send(0).is_err(), "the room is kept");
/// room.send(1)?;                                      // does not wait
/// assert_eq!(inbox.recv().await, Some(1));
/// # Ok(()) }) }
/// ```
#[must_use = "a permit that is dropped gives its room back"]
#[derive(Debug)]
pub struct Permit<'a, T> {
    sender: &'a Sender<T>,
}

impl<T: Message> Permit<'_, T> {
    /// Leaves the room to whoever knows of it.
    pub(super) fn keep(self) {
        let _ = std::mem::ManuallyDrop::new(self);
    }

    /// Sends a message without waiting.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// let permit = jobs.ready().await?;
    /// assert!(jobs.try_send(1).is_err(), "the room is kept");
    /// permit.send(2)?;                            // does not wait
    /// assert_eq!(inbox.recv().await, Some(2));
    /// # Ok(()) }) }
    /// ```
    pub fn send(self, message: T) -> Result<(), SendError<T>> {
        let sender = std::mem::ManuallyDrop::new(self).sender;
        sender.send_granted(message)
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.sender.use_permit(None);
    }
}

/// Room for one message, with the sender it belongs to; see [`Sender::ready_owned`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(1);
/// let room = jobs.ready_owned().await?;               // may be kept in a struct, or sent to another process
/// let jobs = room.send(1)?;                           // gives the sender back
/// assert_eq!(inbox.recv().await, Some(1));
/// jobs.finish();
/// # Ok(()) }) }
/// ```
#[must_use = "a permit that is dropped gives its room back"]
#[derive(Debug)]
pub struct OwnedPermit<T> {
    /// Empty only after the permit was used.
    sender: Option<Sender<T>>,
}

impl<T: Message> OwnedPermit<T> {
    /// The permit for room that was granted to `sender`.
    pub(super) fn of(sender: Sender<T>) -> Self {
        Self {
            sender: Some(sender),
        }
    }

    /// Sends a message without waiting, and returns the sender.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (jobs, inbox) = bounded(1);
    /// let room = jobs.ready_owned().await?;
    /// let sends = scope.task("sends", async move {
    ///     let jobs = room.send("a")?;                     // does not wait, and gives the sender back
    ///     jobs.finish();
    ///     roundrock::Ok(())
    /// });
    /// assert_eq!(inbox.recv().await, Some("a"));
    /// sends.await?;
    /// # Ok(()) }) }
    /// ```
    pub fn send(mut self, message: T) -> Result<Sender<T>, SendError<T>> {
        match self.sender.take() {
            Some(sender) => sender.send_granted(message).map(|()| sender),
            None => Err(SendError::new(message, Origin::unknown())),
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
