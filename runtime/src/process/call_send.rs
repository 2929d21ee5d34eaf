//! Sending a call without waiting for its answer: until the mailbox has accepted it, with or without a limit of time.

#![expect(
    unsafe_code,
    reason = "a message is pinned while it waits for room, and its mailbox is untyped"
)]

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::channel::error::{SendError, SendTimeoutError};
use crate::channel::sender::SendOp;
use crate::channel::within::poll_limited;
use crate::process::call::{Call, Envelope, FindSlot, HandleRef, about, extra};
use crate::process::handle::Handlers;
use crate::task::{asked, current};
use crate::time::sleep::{Sleep, sleep};

/// Waits until a mailbox has accepted a message; see [`Call::send`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn clear(&mut self) { self.n = 0; } fn get(&self) -> i64 { self.n } }
/// let counter = scope.spawn(Counter { n: 5 });
/// counter.clear().send().await?;              // accepted by the mailbox
/// assert_eq!(counter.get().await?, 0);        // and handled before what comes after it
/// # Ok(()) }) }
/// ```
#[must_use = "a message is sent only when this is awaited"]
pub struct CallSend<'h, P, R, E, M> {
    handle: Option<HandleRef<'h, P>>,
    op: SendOp<Envelope<M>>,
    slot: FindSlot<M, R, E>,
    limit: Option<Duration>,
    /// Where it is awaited, and for which handler.
    asked: u32,
    later: bool,
}

impl<'h, P: Handlers, R, E> CallSend<'h, P, R, E, P::Message> {
    #[track_caller]
    pub(super) fn new(call: Call<'h, P, R, E, P::Message>) -> Self {
        let asked = asked::at(Location::caller(), P::index(&call.message));
        let Call {
            handle,
            message,
            slot,
            limit,
            trace,
            later,
        } = call;
        let op = SendOp::new(Envelope::new(message, extra(limit, trace)));
        Self {
            handle: Some(handle),
            op,
            slot,
            limit,
            asked,
            later,
        }
    }

    /// Gives up after this time.
    ///
    /// # Errors
    /// [`SendTimeoutError`] with the call, which can be made again: the time was up, or the process has ended.
    ///
    /// # Panics
    /// When awaited outside of a Roundrock system, where no timer runs, as [`sleep`](crate::time::sleep).
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// #[process(mailbox = 1)]
    /// struct Slow;
    ///
    /// #[handlers]
    /// impl Slow {
    ///     async fn work(&mut self) {
    ///         sleep(secs(60)).await;
    ///     }
    /// }
    ///
    /// let slow = scope.spawn(Slow);
    /// slow.work().send().await?;                          // this one is handled
    /// slow.work().send().await?;                          // and this one waits for its turn: the mailbox is full
    /// let late = slow.work().send().within(millis(1)).await.expect_err("there is no room");
    /// assert!(late.is_elapsed());
    /// let call = late.into_inner();                       // it comes back
    /// slow.kill();
    /// assert_eq!(call.await, Err(CallError::Gone));
    /// # Ok(()) }) }
    /// ```
    pub fn within(self, limit: Duration) -> CallSendWithin<'h, P, R, E, P::Message> {
        CallSendWithin {
            send: self,
            sleep: sleep(limit),
        }
    }

    /// The call that was not sent.
    fn back(
        &mut self,
        envelope: Envelope<P::Message>,
    ) -> Option<Call<'static, P, R, E, P::Message>> {
        Some(Call {
            handle: self.handle.take()?.owned(),
            trace: envelope.extra.trace().map(Box::new),
            message: envelope.message,
            slot: self.slot,
            limit: self.limit,
            later: self.later,
        })
    }
}

impl<P: Handlers, R, E> Future for CallSend<'_, P, R, E, P::Message> {
    type Output = Result<(), SendError<Call<'static, P, R, E, P::Message>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: `op` stays in its place and is polled pinned; the other fields are not pinned.
        let this = unsafe { self.get_unchecked_mut() };
        let Some(handle) = &this.handle else {
            return Poll::Ready(Ok(()));
        };
        // SAFETY: the mailbox of a `P` holds envelopes of its messages.
        let core = unsafe { handle.get().mailbox.core::<Envelope<P::Message>>() };
        // SAFETY: as above.
        let op = unsafe { Pin::new_unchecked(&mut this.op) };
        let Poll::Ready(sent) = op.poll(core, cx, true, about::<P>) else {
            current::waits_here_for(this.asked);
            return Poll::Pending;
        };
        let Err(error) = sent else {
            this.handle = None;
            return Poll::Ready(Ok(()));
        };
        let (envelope, origin) = error.open();
        let origin = origin.for_handler(P::index(&envelope.message));
        let back = this.back(envelope);
        Poll::Ready(back.map_or(Ok(()), |call| Err(SendError::new(call, origin))))
    }
}

impl<P, R, E, M> Drop for CallSend<'_, P, R, E, M> {
    fn drop(&mut self) {
        if let Some(handle) = &self.handle {
            self.op
                .withdraw(|node| handle.get().mailbox.withdraw_sender(node));
        }
    }
}

impl<P: Handlers, R, E> fmt::Debug for CallSend<'_, P, R, E, P::Message> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallSend").finish_non_exhaustive()
    }
}

/// Waits until a mailbox has accepted a message, with a limit of time; see [`CallSend::within`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// # #[process] struct Counter { n: i64 }
/// # #[handlers] impl Counter { fn clear(&mut self) { self.n = 0; } fn get(&self) -> i64 { self.n } }
/// let counter = scope.spawn(Counter { n: 5 });
/// counter.clear().send().within(secs(1)).await?;      // accepted by the mailbox
/// assert_eq!(counter.get().await?, 0);
/// # Ok(()) }) }
/// ```
#[must_use = "a message is sent only when this is awaited"]
pub struct CallSendWithin<'h, P, R, E, M> {
    send: CallSend<'h, P, R, E, M>,
    sleep: Sleep,
}

impl<P: Handlers, R, E> fmt::Debug for CallSendWithin<'_, P, R, E, P::Message> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallSendWithin").finish_non_exhaustive()
    }
}

impl<P: Handlers, R, E> Future for CallSendWithin<'_, P, R, E, P::Message> {
    type Output = Result<(), SendTimeoutError<Call<'static, P, R, E, P::Message>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: both fields are pinned with this future and never moved.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let send = unsafe { Pin::new_unchecked(&mut this.send) };
        // SAFETY: as above.
        let sleep = unsafe { Pin::new_unchecked(&mut this.sleep) };
        if let Some(sent) = ready!(poll_limited(send, sleep, cx)) {
            return Poll::Ready(sent);
        }
        let send = &mut this.send;
        let Some(handle) = &send.handle else {
            return Poll::Ready(Ok(()));
        };
        // SAFETY: the mailbox of a `P` holds envelopes of its messages.
        let core = unsafe { handle.get().mailbox.core::<Envelope<P::Message>>() };
        let Some(envelope) = send.op.give_up(core) else {
            return Poll::Ready(Ok(()));
        };
        core.refuse();
        let back = send.back(envelope);
        Poll::Ready(back.map_or(Ok(()), |call| Err(SendTimeoutError::Elapsed(call))))
    }
}
