//! What can go wrong with a call.

use std::convert::Infallible;
use std::fmt;

use crate::channel::error::GoneMark;
#[cfg(doc)]
use crate::process::Reply;
use crate::process::cause;

/// Why a call gave no value.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } fn clear(&mut self) { self.n = 0; } }
/// let counter = scope.spawn(Counter { n: 0 });
/// counter.stop();
/// counter.done().await;
/// assert_eq!(counter.add(1).await, Err(CallError::Gone));
/// # Ok(()) }) }
/// ```
///
/// What the handler failed with is not lost on the way:
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// #[process]
/// struct Store;
///
/// #[handlers]
/// impl Store {
///     fn load(&self) -> std::io::Result<String> {
///         Err(std::io::Error::other("the disk is gone"))
///     }
/// }
///
/// async fn load(store: &StoreHandle) -> Result<String> {
///     store.load().await.context("loading the table")
/// }
///
/// let store = scope.spawn(Store);
/// let error = load(&store).await.expect_err("there is no disk");
/// assert_eq!(format!("{error:#}"), "loading the table: the disk is gone");
/// assert!(error.downcast_ref::<std::io::Error>().is_some());
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum CallError<E = Infallible> {
    /// The process has ended, or ended before it handled the message.
    Gone,
    /// The process panicked while it handled the message; or it is a supervised child, and was killed then.
    Crashed,
    /// The handler dropped its [`Reply`] without an answer.
    NoReply,
    /// The call would have closed a cycle of calls that wait for each other, perhaps through a full mailbox, a join or the end of a scope:
    /// the names of the processes in it.
    Cycle(Vec<String>),
    /// The time was up.
    Deadline,
    /// The mailbox was full, and the call was not to wait.
    Full,
    /// The handler returned this error. [`source`](std::error::Error::source) gives it as well, if it is an error (or, as a
    /// [`roundrock::Error`](crate::Error), `anyhow::Error` or boxed one, has one inside), so that `error.chain()` and
    /// `error.downcast_ref()` find it and its causes after a `?`.
    Failed(E),
}

impl<E: fmt::Display + 'static> fmt::Display for CallError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the called process has ended"),
            Self::Crashed => f.write_str(
                "the called process panicked or was killed while it handled the message",
            ),
            Self::NoReply => f.write_str("the handler dropped its `Reply` without an answer"),
            Self::Cycle(path) => write!(f, "the call would wait for itself: {}", path.join(" -> ")),
            Self::Deadline => f.write_str("the time was up before the call was answered"),
            Self::Full => f.write_str("the mailbox of the called process is full"),
            // What causes it has, its source tells.
            Self::Failed(error) if !f.alternate() && cause::of(error).is_some() => {
                write!(f, "{error}")
            }
            Self::Failed(error) => write!(f, "{error:#}"),
        }
    }
}

impl<E: fmt::Debug + fmt::Display + 'static> std::error::Error for CallError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Gone | Self::Crashed => Some(&GoneMark),
            Self::Failed(error) => cause::of(error),
            _ => None,
        }
    }
}
