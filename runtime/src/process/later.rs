//! Answers that come later: [`Reply`].

use std::convert::Infallible;
use std::fmt;

use crate::process::refusal::CallError;
use crate::process::reply::ReplySlot;
use crate::sim::told;

/// The right and duty to answer a call later, from anywhere. Dropping it completes the call with `NoReply`.
///
/// A handler that takes a `Reply<T>` returns nothing; the call of it gives a `T` when the reply is sent.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// /// Answers everybody who asked when the door opens.
/// #[process]
/// struct Door { waiting: Vec<Reply<String>> }
///
/// #[handlers]
/// impl Door {
///     fn wait(&mut self, reply: Reply<String>) {
///         self.waiting.push(reply);
///     }
///     fn open(&mut self) {
///         for reply in self.waiting.drain(..) {
///             reply.send("come in".to_owned());
///         }
///     }
/// }
///
/// let door = scope.spawn(Door { waiting: Vec::new() });
/// let guest = scope.task("guest", {
///     let door = door.clone();
///     async move { door.wait().await }
/// });
/// while !guest.exit().is_some_and(|exit| exit.is_normal()) {
///     door.open().await?;
///     sleep(millis(1)).await;
/// }
/// assert_eq!(guest.await?, "come in");
/// # Ok(()) }) }
/// ```
pub struct Reply<T, E = Infallible> {
    slot: ReplySlot<T, E>,
    /// Called before the call fails.
    learner: fn(),
}

/// Makes a [`Reply`] of a slot; `learner` is what [`Cause`](super::cause::Cause) gives.
pub fn reply<R, E>(slot: ReplySlot<R, E>, learner: fn()) -> Reply<R, E> {
    Reply { slot, learner }
}

impl<T: 'static, E: 'static> Reply<T, E> {
    /// Answers the call. An answer to a caller that has gone is dropped.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Doubler;
    ///
    /// #[handlers]
    /// impl Doubler {
    ///     fn double(&mut self, n: u64, reply: Reply<u64>, cx: &mut Cx) {
    ///         // Whoever has the reply answers, and the next message is handled meanwhile.
    ///         cx.scope().task("doubles", async move { reply.send(2 * n) });
    ///     }
    /// }
    ///
    /// let doubler = scope.spawn(Doubler);
    /// assert_eq!(doubler.double(21).await?, 42);
    /// # Ok(()) }) }
    /// ```
    pub fn send(mut self, value: T) {
        told::answers::<T, E>(Ok(&value), true);
        self.slot.reply(Ok(value));
    }

    /// Answers the call with an error.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Bank;
    ///
    /// #[handlers]
    /// impl Bank {
    ///     fn pay(&mut self, amount: u32, reply: Reply<u32, String>) {
    ///         if amount > 100 {
    ///             reply.fail("too much".to_owned());
    ///         } else {
    ///             reply.send(amount);
    ///         }
    ///     }
    /// }
    ///
    /// let bank = scope.spawn(Bank);
    /// assert_eq!(bank.pay(10).await, Ok(10));
    /// assert_eq!(bank.pay(200).await, Err(CallError::Failed("too much".to_owned())));
    /// # Ok(()) }) }
    /// ```
    pub fn fail(mut self, error: E) {
        told::answers::<T, E>(Err(&error), true);
        (self.learner)();
        self.slot.reply(Err(CallError::Failed(error)));
    }

    /// Returns whether the caller still waits.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process]
    /// struct Desk { waiting: Vec<Reply<u32>> }
    ///
    /// #[handlers]
    /// impl Desk {
    ///     fn ask(&mut self, reply: Reply<u32>) { self.waiting.push(reply); }
    ///     fn wanted(&self) -> usize { self.waiting.iter().filter(|reply| reply.is_wanted()).count() }
    /// }
    ///
    /// let desk = scope.spawn(Desk { waiting: Vec::new() });
    /// assert_eq!(desk.ask().within(millis(1)).await, Err(CallError::Deadline));
    /// assert_eq!(desk.wanted().await?, 0);                // its caller has gone
    /// # Ok(()) }) }
    /// ```
    pub fn is_wanted(&self) -> bool {
        self.slot.is_wanted()
    }
}

impl<T, E> Drop for Reply<T, E> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.slot.crash();
        } else {
            self.slot.fail(CallError::NoReply);
        }
    }
}

impl<T: 'static, E: 'static> fmt::Debug for Reply<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("is_wanted", &self.is_wanted())
            .finish()
    }
}
