//! Credit: room in a channel that is kept for senders elsewhere, and the event that more of it was freed.
//!
//! Whoever takes messages for a channel from somewhere else, over a wire say, must not take more than the channel has room for, and
//! wants to tell the other side how much that is. So the room is taken first, as permits, and what was taken is the credit that the
//! other side has: nothing of the channel's own is added to, and a message path that nobody gives credit for pays nothing.
//!
//! **Invariants**
//! - The credit that is held is room that nobody else gets: a message that comes for it never waits.
//! - Dropping a [`Credit`] gives back what was not used.

#![expect(unsafe_code, reason = "a wait is pinned inside another one")]

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::channel::error::{Closed, SendError};
use crate::channel::permit::Ready;
use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::sender::Route;
use crate::channel::{Message, Sender};
use crate::sim::values::About;
use crate::task::current;
use crate::task::registry::WaitKind;

/// Room in a channel that is kept for senders elsewhere; see [`Sender::credit`]. Dropping it gives back what was not used.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(4);
/// let mut credit = jobs.credit(3);
/// assert_eq!(credit.more().await?, 3);        // "you may send me three"
/// credit.send("a")?;                          // what has come for it never waits
/// credit.send("b")?;
/// assert_eq!(credit.held(), 1);
/// assert_eq!(inbox.recv_many(2).await, ["a", "b"]);
/// assert_eq!(credit.more().await?, 2);        // "and two more"
/// # Ok(()) }) }
/// ```
#[must_use = "credit that is dropped gives its room back"]
pub struct Credit<T> {
    sender: Sender<T>,
    /// Room that is kept and not used yet.
    held: u32,
    /// How much is kept at most.
    window: u32,
}

impl<T: Message> Sender<T> {
    /// Turns the sender into one that keeps room for up to `window` messages from elsewhere, and says when more was freed. It holds none
    /// before it is asked for [`more`](Credit::more).
    ///
    /// This is for whoever takes messages for the channel from the outside, from a connection say, and must say beforehand how many:
    /// one process does that, in a `select!` over `credit.more()` and what comes in.
    ///
    /// # Panics
    /// If `window` is zero, or more than a bounded channel holds.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// /// Lets the other side of a connection send as much as there is room for.
    /// #[process]
    /// async fn link(frames: &Receiver<String>, credits: &Sender<usize>, jobs: Sender<String>) -> Result<()> {
    ///     let mut credit = jobs.credit(8);
    ///     loop {
    ///         select! {
    ///             more = credit.more() => credits.send(more?).await?,
    ///             frame = frames.recv() => credit.send(frame)?,
    ///         }
    ///     }
    /// }
    ///
    /// let (frames, incoming) = bounded(8);            // these two stand for the connection
    /// let (credits, granted) = bounded(8);
    /// let (jobs, inbox) = bounded(8);
    /// let link = scope.spawn(link(incoming, credits, jobs));
    /// assert_eq!(granted.recv().await, Some(8));
    /// frames.send("a".to_owned()).await?;
    /// assert_eq!(inbox.recv().await.as_deref(), Some("a"));
    /// assert_eq!(granted.recv().await, Some(1));
    /// # link.kill();
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn credit(self, window: usize) -> Credit<T> {
        let most = self.most_room();
        assert!(
            (1..=most).contains(&window),
            "`credit({window})` could never be given: write at least 1, and at most the {most} places of the channel"
        );
        Credit {
            sender: self,
            held: 0,
            window: window as u32,
        }
    }
}

impl<T: Message> Credit<T> {
    /// Waits until room was freed, keeps all of it that there is, up to the window, and returns how much more that is: at least 1. May be
    /// a branch of `select!`, which is disabled while the window is full.
    ///
    /// It waits in line with other senders, and takes what is left behind them. Awaited while the window is full it returns 0 at once.
    /// Cancellation: dropping the future has no effect.
    ///
    /// # Errors
    /// [`Closed`] when no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(2);
    /// jobs.send("mine").await?;
    /// let mut credit = jobs.clone().credit(2);
    /// assert_eq!(credit.more().await?, 1);
    /// select! {
    ///     more = credit.more() => panic!("nothing was freed: {more:?}"),
    ///     default => {},
    /// }
    /// inbox.recv().await;
    /// assert_eq!(credit.more().await?, 1);
    /// # Ok(()) }) }
    /// ```
    pub fn more(&mut self) -> More<'_, T> {
        More {
            ready: Ready::new(&self.sender, 1),
            sender: &self.sender,
            held: &mut self.held,
            window: self.window,
        }
    }

    /// Returns for how many messages room is kept.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, _inbox) = bounded::<u32>(2);
    /// let mut credit = jobs.credit(2);
    /// assert_eq!(credit.held(), 0);
    /// credit.more().await?;
    /// assert_eq!(credit.held(), 2);
    /// # Ok(()) }) }
    /// ```
    pub fn held(&self) -> usize {
        self.held as usize
    }

    /// Sends a message into room that is kept, without waiting.
    ///
    /// # Errors
    /// [`SendError`] with the message when no receiver is left.
    ///
    /// # Panics
    /// If none is held: whoever sent the message was not told that it may.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(2);
    /// let mut credit = jobs.credit(1);
    /// credit.more().await?;
    /// credit.send("a")?;
    /// assert_eq!(inbox.recv().await, Some("a"));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn send(&mut self, message: T) -> Result<(), SendError<T>> {
        assert!(
            self.held > 0,
            "no credit is held: wait for `more` before a message is taken in"
        );
        self.held -= 1;
        self.sender.send_granted(message)
    }
}

impl<T> Drop for Credit<T> {
    fn drop(&mut self) {
        for _ in 0..self.held {
            self.sender.use_permit(None);
        }
    }
}

impl<T> fmt::Debug for Credit<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credit")
            .field("sender", &self.sender)
            .field("held", &self.held)
            .field("window", &self.window)
            .finish()
    }
}

/// Waits until room was freed; see [`Credit::more`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, _inbox) = bounded::<u32>(2);
/// let mut credit = jobs.credit(2);
/// select! {
///     more = credit.more() => assert_eq!(more?, 2),
///     _ = sleep(secs(60)) => panic!("there is room"),
/// }
/// # Ok(()) }) }
/// ```
#[must_use = "room is kept only when this is awaited"]
#[derive(Debug)]
pub struct More<'a, T> {
    ready: Ready<'a, T>,
    sender: &'a Sender<T>,
    held: &'a mut u32,
    window: u32,
}

impl<T: Message> More<'_, T> {
    fn poll_more(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> ArmPoll<Result<usize, Closed>> {
        // SAFETY: the wait for room is pinned with this one, and the other fields are not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let ready = unsafe { Pin::new_unchecked(&mut this.ready) };
        ready.poll_ready(cx, token).map(|room| {
            room?.keep();
            let before = *this.held;
            *this.held += 1;
            while *this.held < this.window && this.sender.try_keep() {
                *this.held += 1;
            }
            Ok((*this.held - before) as usize)
        })
    }
}

impl<T: Message> Future for More<'_, T> {
    type Output = Result<usize, Closed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if *self.held == self.window {
            return Poll::Ready(Ok(0));
        }
        let object = || self.sender.object();
        ready!(current::spend_for(cx, WaitKind::Send, object, || {
            About::Room
        }));
        match self.poll_more(cx, None) {
            ArmPoll::Ready(result) => Poll::Ready(result),
            ArmPoll::Pending | ArmPoll::Passive | ArmPoll::Disabled => Poll::Pending,
        }
    }
}

impl<T: Message> Event for More<'_, T> {
    type Output = Result<usize, Closed>;

    fn poll_arm(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        token: &Token,
    ) -> ArmPoll<Self::Output> {
        if *self.held == self.window {
            return ArmPoll::Disabled;
        }
        self.poll_more(cx, Some(token))
    }
}
