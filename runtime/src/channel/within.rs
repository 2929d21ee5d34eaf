//! A send with a limit of time, into a channel or to all receivers of a broadcast.

#![expect(unsafe_code, reason = "structural pinning of two futures")]

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use crate::channel::Message;
use crate::channel::broadcast::BroadcastSending;
use crate::channel::error::{SendError, SendTimeoutError};
use crate::channel::sender::{Route, Sending};
use crate::sim::told;
use crate::task::current;
use crate::time::{Sleep, sleep};

/// Polls a send and its limit. `None`: the time is over, and the send is to give up.
pub(crate) fn poll_limited<T>(
    send: Pin<&mut impl Future<Output = Result<(), SendError<T>>>>,
    sleep: Pin<&mut Sleep>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<(), SendTimeoutError<T>>>> {
    let before = current::waits_so_far();
    if let Poll::Ready(sent) = send.poll(cx) {
        let sent = sent.map_err(|error| SendTimeoutError::Closed(error.into_inner()));
        return Poll::Ready(Some(sent));
    }
    ready!(sleep.poll_sleep(cx));
    told::does(|| "gives up: the time is over".to_owned());
    current::wait_no_more(before);
    Poll::Ready(None)
}

/// A send with a limit of time; see [`Sending::within`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (jobs, _inbox) = bounded(1);
/// jobs.send(1).await?;
/// let late = jobs.send(2).within(millis(2)).await.expect_err("there is no room");
/// assert!(late.is_elapsed());
/// assert_eq!(late.into_inner(), 2);           // what could not be sent comes back
/// # Ok(()) }) }
/// ```
#[must_use = "a message is sent only when this is awaited"]
#[derive(Debug)]
pub struct SendingWithin<'a, T> {
    send: Sending<'a, T>,
    sleep: Sleep,
}

impl<'a, T> SendingWithin<'a, T> {
    pub(super) fn new(send: Sending<'a, T>, limit: Duration) -> Self {
        Self {
            send,
            sleep: sleep(limit),
        }
    }
}

impl<T: Message> Future for SendingWithin<'_, T> {
    type Output = Result<(), SendTimeoutError<T>>;

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
        Poll::Ready(match this.send.op.give_up(this.send.sender) {
            Some(message) => {
                this.send.sender.refuse();
                Err(SendTimeoutError::Elapsed(message))
            }
            None => Ok(()),
        })
    }
}

/// A send to all receivers with a limit of time; see [`BroadcastSending::within`].
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (news, reader) = broadcast(1).overflow(Overflow::Wait);
/// news.send(1).within(secs(1)).await?;
/// assert_eq!(reader.recv().await, Some(Ok(1)));
/// # Ok(()) }) }
/// ```
#[must_use = "a message is sent only when this is awaited"]
#[derive(Debug)]
pub struct BroadcastSendingWithin<'a, T> {
    send: BroadcastSending<'a, T>,
    sleep: Sleep,
}

impl<'a, T> BroadcastSendingWithin<'a, T> {
    pub(super) fn new(send: BroadcastSending<'a, T>, limit: Duration) -> Self {
        let sleep = sleep(limit);
        Self { send, sleep }
    }
}

impl<T: 'static> Future for BroadcastSendingWithin<'_, T> {
    type Output = Result<(), SendTimeoutError<T>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // SAFETY: the sleep is pinned with this future and never moved; the send need not be.
        let this = unsafe { self.get_unchecked_mut() };
        // SAFETY: as above.
        let sleep = unsafe { Pin::new_unchecked(&mut this.sleep) };
        if let Some(sent) = ready!(poll_limited(Pin::new(&mut this.send), sleep, cx)) {
            return Poll::Ready(sent);
        }
        let message = this.send.give_up();
        Poll::Ready(message.map_or(Ok(()), |message| Err(SendTimeoutError::Elapsed(message))))
    }
}
