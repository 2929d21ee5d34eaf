//! The wait for the end of a scope: of its last child, and of its stop.
//!
//! **Invariants**
//! - A wait that is dropped leaves no waker behind: what waits for a scope that lives on, and goes on by something else, again and
//!   again, is not woken when it ends.

use std::future::Future;
use std::iter;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use crate::channel::waiters::{Ticket, give_up};
use crate::scope::ScopeInner;
use crate::task::cell::Header;
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker;

/// Waits until nothing in a scope is alive.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub(crate) struct Ended<'a> {
    scope: &'a ScopeInner,
    /// Of a scope that stops, the report is awaited, and not the last child.
    reported: bool,
    /// Where it is awaited.
    asked: u32,
    ticket: Ticket,
}

impl<'a> Ended<'a> {
    /// Waits for the last child.
    pub(super) fn of(scope: &'a ScopeInner) -> Self {
        Self::new(scope, false, 0)
    }

    /// Waits for the last child, and for the report, if the scope was stopped; it is awaited at this place, see `asked.rs`.
    pub(super) fn with_report(scope: &'a ScopeInner, asked: u32) -> Self {
        Self::new(scope, true, asked)
    }

    fn new(scope: &'a ScopeInner, reported: bool, asked: u32) -> Self {
        Self {
            scope,
            reported,
            asked,
            ticket: Ticket::default(),
        }
    }
}

impl Future for Ended<'_> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.reported {
            ready!(current::spend(cx, WaitKind::Scope, || self.scope.id));
        }
        let _spare = waker::prepare(cx);
        let Self {
            scope,
            reported,
            asked,
            ticket,
        } = &mut *self;
        let mut state = scope.state.lock();
        let is_written = !*reported || state.stop.is_none() || state.stopped;
        // What is spawned after the report is dropped by a worker, and counts until then.
        let over = is_written && (scope.alive() == 0 || *reported && state.left_behind);
        if over {
            return Poll::Ready(());
        }
        let replaced = state.ended.park(ticket, cx);
        drop(state);
        drop(replaced);
        // Any process inside may close a cycle with this one, which its edge to itself says; the runtime's own are in none.
        let own = |task: &Header| task.scope().map(|_| task.slot().id().raw());
        let own = current::with_task(|task| task.and_then(own));
        current::waits_for_process(WaitKind::Scope, scope.id, own.unwrap_or(0));
        current::waits_in(iter::once(&*scope.system.scheduler));
        current::waits_at(*asked);
        Poll::Pending
    }
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        give_up(
            &self.scope.state,
            |state| &mut state.ended,
            &mut self.ticket,
        );
    }
}
