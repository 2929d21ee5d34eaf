//! The wait of a handler for the end of its caller: what it selects on beside work that only the caller wants.
//!
//! Before a handler that has a context runs, its process makes a [`Presence`] and leaves a share of it in the cell of the call.
//! The caller marks that when it goes. A message whose handler has no context pays nothing, and neither does its caller.
//!
//! **Invariants**
//! - The side of the caller marks a presence once: when it leaves, or when it has taken the answer.
//! - A wait that is dropped takes its waker out.
//!
//! Rejected: a pointer to the cell itself, which goes with the answer, while a wait may be kept for as long as one likes.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::waiters::{Ticket, Waiters};
use crate::process::context::Cx;
use crate::process::reply::ReplySlot;
use crate::sync::Lock;
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker;

/// Whether somebody waits for the answer to one message, for those who want to know.
pub(crate) struct Presence(Lock<Seen>);

#[derive(Default)]
struct Seen {
    /// The caller has gone.
    gone: bool,
    /// Who waits for that.
    waiters: Waiters,
}

impl Presence {
    /// One for the next message: the last one's, if nobody looks at it any more.
    pub(super) fn next(last: Option<Arc<Self>>) -> Arc<Self> {
        last.and_then(Self::again)
            .unwrap_or_else(|| Arc::new(Self(Lock::new(Seen::default()))))
    }

    fn again(mut last: Arc<Self>) -> Option<Arc<Self>> {
        Arc::get_mut(&mut last)?.0.lock().gone = false;
        Some(last)
    }

    /// The caller has gone.
    pub(crate) fn leave(&self) {
        let mut seen = self.0.lock();
        seen.gone = true;
        let waiters = seen.waiters.take_all();
        drop(seen);
        waiters.wake();
    }

    fn poll(&self, ticket: &mut Ticket, cx: &Context<'_>) -> Poll<()> {
        let _spare = waker::prepare(cx);
        let mut seen = self.0.lock();
        if seen.gone {
            return Poll::Ready(());
        }
        let replaced = seen.waiters.park(ticket, cx);
        drop(seen);
        drop(replaced);
        Poll::Pending
    }

    fn withdraw(&self, ticket: &mut Ticket) {
        let mut seen = self.0.lock();
        let waker = seen.waiters.leave(ticket);
        drop(seen);
        drop(waker);
    }
}

/// Shows the context who waits for the answer to the message that is about to be handled.
pub fn answers<P, R, E>(cx: &mut Cx<P>, mut slot: ReplySlot<R, E>) -> ReplySlot<R, E> {
    let last = cx.take_present();
    cx.set_present(slot.watch(last));
    slot
}

/// What is about to run answers nobody.
#[inline]
pub fn answers_nobody<P>(cx: &mut Cx<P>) {
    drop(cx.take_present());
}

/// Waits until nobody waits for the answer to a message any more; see [`Cx::caller_gone`](super::Cx::caller_gone).
#[must_use = "futures do nothing unless awaited"]
pub struct CallerGone {
    /// `None` if nobody ever waited.
    caller: Option<Arc<Presence>>,
    /// Who that is; zero if it is no process.
    process: u64,
    ticket: Ticket,
}

impl CallerGone {
    pub(crate) fn of(caller: Option<Arc<Presence>>, process: u64) -> Self {
        Self {
            caller,
            process,
            ticket: Ticket::default(),
        }
    }

    fn poll_gone(&mut self, cx: &Context<'_>) -> Poll<()> {
        match &self.caller {
            Some(caller) => caller.poll(&mut self.ticket, cx),
            None => Poll::Pending,
        }
    }
}

impl Clone for CallerGone {
    fn clone(&self) -> Self {
        Self::of(self.caller.clone(), self.process)
    }
}

impl Drop for CallerGone {
    fn drop(&mut self) {
        if self.ticket.is_used()
            && let Some(caller) = &self.caller
        {
            caller.withdraw(&mut self.ticket);
        }
    }
}

impl Future for CallerGone {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(current::spend(cx, WaitKind::Other, || 0));
        let polled = self.poll_gone(cx);
        if polled.is_pending() {
            current::waits_for(WaitKind::Caller, self.process);
        }
        polled
    }
}

impl Event for CallerGone {
    type Output = ();

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<()> {
        match token.claimed(self.poll_gone(cx)) {
            ArmPoll::Pending => {
                current::waits_for(WaitKind::Caller, self.process);
                ArmPoll::Passive
            }
            polled => polled,
        }
    }
}

impl fmt::Debug for CallerGone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waited = self.caller.is_some();
        f.debug_struct("CallerGone")
            .field("was_waited_for", &waited)
            .finish_non_exhaustive()
    }
}
