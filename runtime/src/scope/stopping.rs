//! The wait for a scope to stop: what processes select on beside their work.
//!
//! **Invariants**
//! - A wait that is dropped takes its waker out of the scope's list, so that a scope which runs for long does not remember every
//!   process that ever waited.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::waiters::{Ticket, give_up};
use crate::scope::ScopeInner;
use crate::supervise::Lineage;
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker;

/// Waits until a scope begins to stop; see [`Scope::stopping`](crate::Scope::stopping).
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let parts = scope.child("parts");
/// let inner = parts.clone();
/// let polite = parts.task("polite", async move {
///     loop {
///         select! {
///             _ = sleep(secs(3600)) => {},
///             _ = inner.stopping() => break,
///         }
///     }
/// });
/// assert!(parts.stop(secs(5)).await.is_clean());
/// polite.await?;
/// # Ok(()) }) }
/// ```
#[must_use = "futures do nothing unless awaited"]
#[derive(Debug)]
pub struct Stopping {
    scope: Arc<ScopeInner>,
    ticket: Ticket,
}

impl Stopping {
    pub(super) fn of(scope: Arc<ScopeInner>) -> Self {
        Self {
            scope,
            ticket: Ticket::default(),
        }
    }

    /// What the supervisor of the current process has told it, if it is supervised in this scope: then the children of the scope
    /// stop one after another.
    fn told(&self) -> Option<bool> {
        current::with_task(|task| {
            let task = task.filter(|task| task.lineage().is_some())?;
            let here = task.scope().is_some_and(|scope| scope.id == self.scope.id);
            here.then(|| current::flags() & current::STOPPING != 0)
        })
    }

    fn poll_stopping(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _spare = waker::prepare(cx);
        let mut state = self.scope.state.lock();
        let stops = state.stop.is_some();
        // Only then it matters what the process was told itself.
        let may_stop = stops || current::flags() & current::STOPPING != 0;
        if may_stop && self.told().unwrap_or(stops) {
            Lineage::notice();
            return Poll::Ready(());
        }
        let replaced = state.stopping.park(&mut self.ticket, cx);
        drop(state);
        drop(replaced);
        current::waits_for(WaitKind::Stopping, self.scope.id);
        Poll::Pending
    }
}

impl Clone for Stopping {
    fn clone(&self) -> Self {
        Self::of(Arc::clone(&self.scope))
    }
}

impl Drop for Stopping {
    fn drop(&mut self) {
        give_up(
            &self.scope.state,
            |state| &mut state.stopping,
            &mut self.ticket,
        );
    }
}

impl Future for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(current::spend(cx, WaitKind::Stopping, || self.scope.id));
        self.poll_stopping(cx)
    }
}

impl Event for Stopping {
    type Output = ();

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<()> {
        match token.claimed(self.poll_stopping(cx)) {
            ArmPoll::Pending => ArmPoll::Passive,
            polled => polled,
        }
    }
}
