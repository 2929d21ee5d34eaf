//! What can go wrong on a channel. Every error of a send gives the message back.

use std::any::type_name;
use std::error::Error;
use std::fmt;
use std::mem::ManuallyDrop;

use crate::channel::account::Origin;

/// The message could not be sent, because nobody can receive it any more. Gives it back.
///
/// A message that is dropped with its error, as `?` does in the end, is dead:
/// [`Dead::Closed`](crate::channel::Dead::Closed).
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded(1);
/// inbox.finish();
/// let error = jobs.send("mine").await.expect_err("nobody receives any more");
/// assert_eq!(error.into_inner(), "mine");
/// # Ok(()) }) }
/// ```
pub struct SendError<T> {
    /// Taken out only by [`into_inner`](Self::into_inner), which forgets the error, or by its destructor.
    message: ManuallyDrop<T>,
    origin: Box<Origin>,
}

impl<T> SendError<T> {
    #[cold]
    pub(crate) fn new(message: T, origin: Box<Origin>) -> Self {
        Self {
            message: ManuallyDrop::new(message),
            origin,
        }
    }

    /// Returns the message.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// inbox.finish();
    /// if let Err(refused) = jobs.send("a").await {
    ///     assert_eq!(refused.into_inner(), "a");          // for somebody else
    /// }
    /// # Ok(()) }) }
    /// ```
    pub fn into_inner(self) -> T {
        self.open().0
    }

    #[expect(unsafe_code, reason = "an error that is opened is not dropped")]
    pub(crate) fn open(self) -> (T, Box<Origin>) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: the error is forgotten, so nobody takes the message again.
        let message = unsafe { ManuallyDrop::take(&mut this.message) };
        // SAFETY: as above; a reference is valid for reads.
        let origin = unsafe { std::ptr::read(&raw const this.origin) };
        (message, origin)
    }
}

#[expect(unsafe_code, reason = "the message is dropped here or not at all")]
impl<T> Drop for SendError<T> {
    fn drop(&mut self) {
        self.origin.lost(type_name::<T>());
        // SAFETY: `open` forgets the error, so the message is still here; last, for its destructor may panic.
        unsafe { ManuallyDrop::drop(&mut self.message) };
    }
}

/// Equal if the messages are. They are compared behind shared references, so threads must be able to share them.
impl<T: PartialEq + Sync> PartialEq for SendError<T> {
    fn eq(&self, other: &Self) -> bool {
        *self.message == *other.message
    }
}

impl<T: Eq + Sync> Eq for SendError<T> {}

/// Marks errors that mean nothing worse than "the other side is gone". A process whose outermost error has this as its
/// source ends as a normal stop.
#[derive(Debug)]
pub(crate) struct ClosedMark;

impl fmt::Display for ClosedMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other side is gone")
    }
}

impl Error for ClosedMark {}

/// Marks errors that follow from the end of another process: that end is the cause, if it was a failure.
#[derive(Debug)]
pub(crate) struct GoneMark;

impl fmt::Display for GoneMark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the other process has ended")
    }
}

impl Error for GoneMark {}

impl<T> fmt::Debug for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SendError(..)")
    }
}

impl<T> fmt::Display for SendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed: no receiver is left")
    }
}

impl<T> Error for SendError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&ClosedMark)
    }
}

#[expect(unsafe_code, reason = "the message is only reachable by value")]
// SAFETY: no shared reference to the message can be had from a shared error, unless the message is `Sync` itself (to compare it), so
// sharing the error shares nothing else but where it comes from, which is `Sync`.
unsafe impl<T: Send> Sync for SendError<T> {}

/// The message could not be sent at once. Gives it back.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::channel::TrySendError;
///
/// let (jobs, _inbox) = bounded(1);
/// jobs.try_send(1)?;
/// match jobs.try_send(2) {
///     Err(TrySendError::Full(job)) => assert_eq!(job, 2),     // it comes back
///     other => panic!("{other:?}"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError<T> {
    /// There is no room now.
    Full(T),
    /// No receiver is left.
    Closed(T),
}

impl<T> TrySendError<T> {
    /// Returns the message.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, _inbox) = bounded(1);
    /// jobs.try_send("a")?;
    /// let full = jobs.try_send("b").expect_err("it holds one");
    /// assert_eq!(full.into_inner(), "b");
    /// # Ok(()) }) }
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Full(message) | Self::Closed(message) => message,
        }
    }

    /// Drops the message. An error whose message is not `Sync` cannot become a [`roundrock::Error`](crate::Error), so with such a
    /// message `?` needs this.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// use roundrock::channel::TrySendError;
    /// use std::cell::Cell;
    /// # roundrock::System::builder().workers(1).run(async |_scope| {
    /// let (cells, inbox) = bounded(1);
    /// cells.try_send(Cell::new(1)).map_err(TrySendError::without_message)?;
    /// assert_eq!(inbox.recv().await.map(Cell::into_inner), Some(1));
    /// # Ok(()) }).unwrap();
    /// ```
    pub fn without_message(self) -> TrySendError<()> {
        match self {
            Self::Full(_) => TrySendError::Full(()),
            Self::Closed(_) => TrySendError::Closed(()),
        }
    }

    /// Whether there was no room.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, _inbox) = bounded(1);
    /// jobs.try_send("a")?;
    /// assert!(jobs.try_send("b").is_err_and(|error| error.is_full()));
    /// # Ok(()) }) }
    /// ```
    pub fn is_full(&self) -> bool {
        matches!(self, Self::Full(_))
    }

    /// Whether no receiver is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// inbox.finish();
    /// assert!(jobs.try_send("a").is_err_and(|error| error.is_closed()));
    /// # Ok(()) }) }
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }
}

impl<T> fmt::Debug for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_full() {
            "Full(..)"
        } else {
            "Closed(..)"
        })
    }
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_full() {
            "the channel is full"
        } else {
            "the channel is closed: no receiver is left"
        })
    }
}

impl<T> Error for TrySendError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if self.is_closed() {
            Some(&ClosedMark)
        } else {
            None
        }
    }
}

/// The message could not be sent in time. Gives it back.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, _inbox) = bounded(1);
/// jobs.send(1).await?;
/// let error = jobs.send(2).within(millis(1)).await.expect_err("there is no room");
/// assert!(error.is_elapsed());
/// assert_eq!(error.into_inner(), 2);
/// # Ok(()) }) }
/// ```
#[derive(Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SendTimeoutError<T> {
    /// The time was up.
    Elapsed(T),
    /// No receiver is left.
    Closed(T),
}

impl<T> SendTimeoutError<T> {
    /// Returns the message.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, _inbox) = rendezvous();
    /// let late = jobs.send("a").within(millis(1)).await.expect_err("nobody receives now");
    /// assert_eq!(late.into_inner(), "a");
    /// # Ok(()) }) }
    /// ```
    pub fn into_inner(self) -> T {
        match self {
            Self::Elapsed(message) | Self::Closed(message) => message,
        }
    }

    /// Drops the message: as [`TrySendError::without_message`].
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// use roundrock::channel::SendTimeoutError;
    /// use std::cell::Cell;
    ///
    /// let (cells, inbox) = bounded(1);
    /// let sent = cells.send(Cell::new(1)).within(secs(1)).await;
    /// sent.map_err(SendTimeoutError::without_message)?;           // a `Cell` is not `Sync`
    /// assert_eq!(inbox.recv().await.map(Cell::into_inner), Some(1));
    /// # Ok(()) }) }
    /// ```
    pub fn without_message(self) -> SendTimeoutError<()> {
        match self {
            Self::Elapsed(_) => SendTimeoutError::Elapsed(()),
            Self::Closed(_) => SendTimeoutError::Closed(()),
        }
    }

    /// Whether the time was up.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = rendezvous();
    /// let late = jobs.send("a").within(millis(1)).await.expect_err("nobody receives now");
    /// assert!(late.is_elapsed());
    /// inbox.finish();
    /// let closed = jobs.send("a").within(millis(1)).await.expect_err("nobody will");
    /// assert!(!closed.is_elapsed());
    /// # Ok(()) }) }
    /// ```
    pub fn is_elapsed(&self) -> bool {
        matches!(self, Self::Elapsed(_))
    }
}

impl<T> fmt::Debug for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_elapsed() {
            "Elapsed(..)"
        } else {
            "Closed(..)"
        })
    }
}

impl<T> fmt::Display for SendTimeoutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_elapsed() {
            "the time was up before the message was sent"
        } else {
            "the channel is closed: no receiver is left"
        })
    }
}

impl<T> Error for SendTimeoutError<T> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        if self.is_elapsed() {
            None
        } else {
            Some(&ClosedMark)
        }
    }
}

/// No message could be received at once. `?` on [`Closed`](Self::Closed) ends a process normally, as on the error of a send.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::channel::TryRecvError;
///
/// let (jobs, inbox) = bounded(1);
/// assert_eq!(inbox.try_recv(), Err(TryRecvError::Empty));
/// jobs.send(1).await?;
/// drop(jobs);
/// assert_eq!(inbox.try_recv(), Ok(1));        // what was sent is received first
/// assert_eq!(inbox.try_recv(), Err(TryRecvError::Closed));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum TryRecvError {
    /// There is none now.
    Empty,
    /// There is none, and no sender is left.
    Closed,
}

impl TryRecvError {
    /// Whether there is no message now, and there may be one later.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (_jobs, inbox) = bounded::<u32>(1);
    /// assert!(inbox.try_recv().is_err_and(|error| error.is_empty()));
    /// # Ok(()) }) }
    /// ```
    pub fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// Whether there is no message, and no sender is left.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded::<u32>(1);
    /// drop(jobs);
    /// assert!(inbox.try_recv().is_err_and(|error| error.is_closed()));
    /// # Ok(()) }) }
    /// ```
    pub fn is_closed(&self) -> bool {
        matches!(self, Self::Closed)
    }

    /// In one word.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Empty => "empty",
            Self::Closed => "closed",
        }
    }
}

impl fmt::Display for TryRecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the channel is empty",
            Self::Closed => "the channel is empty and closed: no sender is left",
        })
    }
}

impl Error for TryRecvError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.is_closed().then_some(&ClosedMark)
    }
}

/// The other side of the channel is gone.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, inbox) = bounded::<u32>(1);
/// drop(inbox);
/// let closed = jobs.ready().await.expect_err("no receiver is left");
/// assert_eq!(closed.with(7).into_inner(), 7);         // an error like that of a send
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Closed(pub(crate) ());

impl Closed {
    /// Makes the error of a send out of the message that could not be sent. Of which channel it was is not known any more.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// let (jobs, inbox) = bounded(1);
    /// inbox.finish();
    /// let job = "a";
    /// let sent = match jobs.ready().await {
    ///     Ok(room) => room.send(job),
    ///     Err(closed) => Err(closed.with(job)),           // one kind of error for both
    /// };
    /// assert!(sent.is_err_and(|error| error.into_inner() == "a"));
    /// # Ok(()) }) }
    /// ```
    pub fn with<T>(self, message: T) -> SendError<T> {
        SendError::new(message, Origin::unknown())
    }
}

impl fmt::Display for Closed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the channel is closed: the other side is gone")
    }
}

impl Error for Closed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&ClosedMark)
    }
}
