//! Replies: the way from a handler back to its caller.
//!
//! The slot in the message and the caller share one small cell. A slot is used up by the answer, and whatever becomes of it
//! otherwise completes the call too: see [`call`](super::call).
//!
//! **Invariants**
//! - A slot is answered at most once: answering takes it by value.
//! - A caller that leaves completes the cell itself. So an answer that finds it completed has no taker, and one that came before
//!   is found by the caller: each answer that nobody takes is counted once.

#![expect(
    unsafe_code,
    reason = "slots are made for messages only, which their type does not say"
)]

use std::any::type_name;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::Context;

use crate::channel::dead::Dead;
use crate::channel::registry;
use crate::process::call::CallError;
use crate::sync::Lock;
use crate::task::current;
use crate::task::waker::TaskWaker;

pub(super) struct ReplyCell<R, E>(Lock<ReplyState<R, E>>);

struct ReplyState<R, E> {
    result: Option<Result<R, CallError<E>>>,
    waker: Option<TaskWaker>,
}

impl<R, E> ReplyCell<R, E> {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Lock::new(ReplyState {
            result: None,
            waker: None,
        })))
    }

    /// Takes the result. Without one, whoever polls now is woken when it comes.
    #[inline]
    pub(super) fn take(&self, cx: &Context<'_>) -> Option<Result<R, CallError<E>>> {
        let mut state = self.0.lock();
        if let Some(result) = state.result.take() {
            return Some(result);
        }
        match &state.waker {
            Some(waker) if waker.is(cx) => {}
            _ => {
                let old = state.waker.replace(TaskWaker::of(cx));
                drop(state);
                drop(old);
            }
        }
        None
    }

    /// Completes the call; an answer that nobody takes any more comes back.
    fn complete(&self, result: Result<R, CallError<E>>) -> Option<Result<R, CallError<E>>> {
        let mut state = self.0.lock();
        if state.result.is_some() {
            // The caller has left, and said so: a call is completed only once.
            return Some(result);
        }
        state.result = Some(result);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        None
    }

    /// Completes the call with an answer, which is dead if the caller has gone.
    fn answer(&self, result: Result<R, CallError<E>>) {
        if let Some(unwanted) = self.complete(result) {
            lose_reply::<R>(Dead::Withdrawn);
            drop(unwanted);
        }
    }

    /// The caller leaves; an answer that it has not taken is dead.
    #[cold]
    pub(super) fn leave(&self) {
        let mut state = self.0.lock();
        let answer = state.result.replace(Err(CallError::Gone));
        let waker = state.waker.take();
        drop(state);
        drop(waker);
        if let Some(Ok(_) | Err(CallError::Failed(_))) = answer {
            lose_reply::<R>(Dead::Withdrawn);
        }
        drop(answer);
    }
}

/// Counts a reply of type `R` that nobody takes, and tells of it if nobody wanted that.
#[cold]
fn lose_reply<R>(reason: Dead) {
    if let Some(shard) = registry::current() {
        shard.lose(reason);
        if reason == Dead::Withdrawn {
            shard.desk().tell_of_reply(type_name::<R>(), reason);
        }
    }
}

/// The caller's side of a reply, in the message.
pub struct ReplySlot<R, E> {
    /// Empty for messages that are sent without waiting for them.
    pub(super) cell: Option<Arc<ReplyCell<R, E>>>,
}

// SAFETY: a slot is made by `slot` only, which demands that both are messages and so `Send`; the bound is not repeated here so
// that a type that is no message is one error.
unsafe impl<R, E> Send for ReplySlot<R, E> {}

/// Makes an empty slot.
pub fn slot<R: crate::channel::Message, E: crate::channel::Message>() -> ReplySlot<R, E> {
    ReplySlot { cell: None }
}

impl<R, E> ReplySlot<R, E> {
    /// Whether the caller has gone.
    pub fn abandoned(&self) -> bool {
        // The caller is the only other owner, and nobody can make another one: so one owner means that it has gone.
        self.cell
            .as_ref()
            .is_some_and(|cell| Arc::strong_count(cell) == 1)
    }

    /// Answers the call.
    pub fn answer(mut self, result: Result<R, E>) {
        self.reply(result.map_err(CallError::Failed));
    }

    #[inline]
    fn reply(&mut self, result: Result<R, CallError<E>>) {
        match self.cell.take() {
            Some(cell) => cell.answer(result),
            // What has no content is not missed.
            None if size_of::<Result<R, E>>() > 0 => lose_reply::<R>(Dead::Discarded),
            None => {}
        }
    }

    /// Completes the call without an answer.
    fn fail(&mut self, error: CallError<E>) {
        if let Some(cell) = self.cell.take() {
            let _ = cell.complete(Err(error));
        }
    }

    /// The call will not be answered.
    #[cold]
    #[inline(never)]
    fn give_up(&mut self) {
        // What lies in the queue of a process that crashes was not begun, and may be asked of another one.
        let begun = !current::is_undelivered();
        if begun && (std::thread::panicking() || current::is_killed_child()) {
            self.crash();
        } else {
            self.fail(CallError::Gone);
        }
    }

    /// Completes the call with `Crashed`, when nothing is left of the process: who is told of the crash finds it in the ledger.
    #[cold]
    fn crash(&mut self) {
        let Some(cell) = self.cell.take() else { return };
        let complete: Box<dyn FnOnce() + '_> = Box::new(move || {
            let _ = cell.complete(Err(CallError::Crashed));
        });
        // SAFETY: `slot`, which makes all slots, demands that reply and error are messages, and messages are `'static`.
        let complete =
            unsafe { std::mem::transmute::<Box<dyn FnOnce() + '_>, Box<dyn FnOnce()>>(complete) };
        current::after_step(complete);
    }
}

impl<R, E> Drop for ReplySlot<R, E> {
    #[inline]
    fn drop(&mut self) {
        if self.cell.is_some() {
            self.give_up();
        }
    }
}

impl<R, E> fmt::Debug for ReplySlot<R, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ReplySlot")
    }
}

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
}

/// Makes a [`Reply`] of a slot.
pub fn reply<R, E>(slot: ReplySlot<R, E>) -> Reply<R, E> {
    Reply { slot }
}

impl<T, E> Reply<T, E> {
    /// Answers the call. An answer to a caller that has gone is dropped.
    pub fn send(mut self, value: T) {
        self.slot.reply(Ok(value));
    }

    /// Answers the call with an error.
    pub fn fail(mut self, error: E) {
        self.slot.reply(Err(CallError::Failed(error)));
    }

    /// Returns whether the caller still waits.
    pub fn is_wanted(&self) -> bool {
        self.slot.cell.is_some() && !self.slot.abandoned()
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

impl<T, E> fmt::Debug for Reply<T, E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("is_wanted", &self.is_wanted())
            .finish()
    }
}
