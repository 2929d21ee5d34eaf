//! The waits at a [`latest`](super::latest()) channel: for a change, for a value, for the last receiver to go.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use crate::channel::error::Closed;
use crate::channel::latest::{LatestReceiver, LatestSender, State};
use crate::channel::overdue::Overdue;
use crate::channel::select::{ArmPoll, Event, Token};
use crate::channel::waiters::{Ticket, give_up};
use crate::sim::{here, told};
use crate::task::current;
use crate::task::registry::WaitKind;
use crate::task::waker;

impl<T> State<T> {
    /// Who waits in vain: a value, and the end of either side, take everybody along.
    pub(super) fn overdue(&self) -> Option<Overdue> {
        let why = match (self.parked_at < self.version, self.senders) {
            (true, _) => Some("the value has changed"),
            (false, 0) => Some("no sender of it is left"),
            (false, _) => None,
        };
        if let Some(why) = why.filter(|_| !self.receiving.is_empty()) {
            return Overdue::of(true, self.receiving.wakers(), why);
        }
        let gone = (self.receivers == 0).then_some("no receiver of it is left")?;
        Overdue::of(false, self.closing.wakers(), gone)
    }
}

/// Waits for a change; see [`LatestReceiver::changed`](super::LatestReceiver::changed). May be a branch of `select!`.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct LatestChanged<'a, T> {
    pub(super) receiver: &'a LatestReceiver<T>,
    pub(super) ticket: Ticket,
}

impl<T> LatestChanged<'_, T> {
    fn poll_changed(
        &mut self,
        cx: &mut Context<'_>,
        token: Option<&Token>,
    ) -> Poll<Option<Arc<T>>> {
        self.receiver.poll_changed(&mut self.ticket, cx, token)
    }
}

impl<T> Future for LatestChanged<'_, T> {
    type Output = Result<(), Closed>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Closed>> {
        ready!(self.receiver.shared.spend(cx, WaitKind::Recv));
        let value = ready!(current::placed(self.poll_changed(cx, None)));
        Poll::Ready(value.map(drop).ok_or(Closed(())))
    }
}

impl<T> Event for LatestChanged<'_, T> {
    type Output = ();

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<()> {
        ArmPoll::or_disabled(self.poll_changed(cx, Some(token))).map(drop)
    }
}

impl<T> Drop for LatestChanged<'_, T> {
    fn drop(&mut self) {
        give_up(
            &self.receiver.shared.state,
            |state| &mut state.receiving,
            &mut self.ticket,
        );
    }
}

/// Receives a value that was not seen; see [`LatestReceiver::recv`](super::LatestReceiver::recv). May be a branch of `select!`.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let (level, gauge) = latest(1);
/// level.set(2);
/// select! {
///     value = gauge.recv() => assert_eq!(value, 2),
///     _ = sleep(secs(60)) => panic!("too slow"),
/// }
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "a value is received only when this is awaited"]
pub struct LatestRecv<'a, T> {
    pub(super) changed: LatestChanged<'a, T>,
}

impl<T: Clone + 'static> LatestRecv<'_, T> {
    fn poll_recv(&mut self, cx: &mut Context<'_>, token: Option<&Token>) -> Poll<Option<T>> {
        let value = ready!(self.changed.poll_changed(cx, token));
        if here::records() {
            let site = self.changed.receiver.shared.listing.site;
            told::takes("recv", site, value.as_deref().ok_or("closed"));
        }
        Poll::Ready(value.map(|value| T::clone(&value)))
    }
}

impl<T: Clone + 'static> Future for LatestRecv<'_, T> {
    type Output = Option<T>;

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<T>> {
        ready!(self.changed.receiver.shared.spend(cx, WaitKind::Recv));
        current::placed(self.poll_recv(cx, None))
    }
}

impl<T: Clone + 'static> Event for LatestRecv<'_, T> {
    type Output = T;

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<T> {
        ArmPoll::or_disabled(self.poll_recv(cx, Some(token)))
    }
}

/// Waits until no receiver is left; see [`LatestSender::closed`](super::LatestSender::closed). May be a branch of `select!`.
#[derive(Debug)]
#[must_use = "futures do nothing unless awaited"]
pub struct LatestClosed<'a, T> {
    pub(super) sender: &'a LatestSender<T>,
    pub(super) ticket: Ticket,
}

impl<T> LatestClosed<'_, T> {
    fn poll_closed(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let _spare = waker::prepare(cx);
        let mut state = self.sender.shared.state.lock();
        if state.receivers == 0 {
            return Poll::Ready(());
        }
        let replaced = state.closing.park(&mut self.ticket, cx);
        drop(state);
        drop(replaced);
        current::waits_for(WaitKind::Send, self.sender.object());
        Poll::Pending
    }
}

impl<T> Future for LatestClosed<'_, T> {
    type Output = ();

    #[track_caller]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        ready!(self.sender.shared.spend(cx, WaitKind::Send));
        current::placed(self.poll_closed(cx))
    }
}

impl<T> Event for LatestClosed<'_, T> {
    type Output = ();

    fn poll_arm(mut self: Pin<&mut Self>, cx: &mut Context<'_>, token: &Token) -> ArmPoll<()> {
        token.claimed(self.poll_closed(cx))
    }
}

impl<T> Drop for LatestClosed<'_, T> {
    fn drop(&mut self) {
        give_up(
            &self.sender.shared.state,
            |state| &mut state.closing,
            &mut self.ticket,
        );
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Arc;
    use crate::channel::{latest, registry};

    /// Who looks at a channel keeps the channel meanwhile, and not what is in it.
    #[test]
    fn value_goes_with_the_last_endpoint_also_while_somebody_looks() {
        let run = crate::System::builder().workers(1).run(async |_scope| {
            let value = Arc::new(());
            let (sender, receiver) = latest(Arc::clone(&value));
            let channels = registry::current().expect("this is a worker");
            let looks = channels.wanted_accounts(|_| true);
            assert_eq!(looks.len(), 1);
            drop((sender, receiver));
            assert_eq!(Arc::strong_count(&value), 1);
            drop(looks);
            crate::Ok(())
        });
        assert!(run.is_ok());
    }
}
