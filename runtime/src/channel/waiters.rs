//! Operations that wait for something that concerns all of them: a value for everybody, a change, an end.
//!
//! A peer wakes all of them and completes none, and each looks again: so nothing has to be handed back when one is dropped,
//! and no `unsafe` is needed. The lists of [`wait`](super::wait), where a peer completes the oldest, are for channels whose
//! messages go to one receiver.
//!
//! **Invariants**
//! - A waker is registered under the ticket of one operation, which takes it out when it is dropped: what waits and gives up,
//!   again and again, leaves nothing behind.
//! - Wakers are used and dropped by the caller, after it has released the lock that these lists lie under.

use std::task::Context;

use crate::numbered::Numbered;
use crate::sync::Lock;
use crate::task::waker::TaskWaker;

/// Wakers of waiting operations, by ticket: the oldest has the lowest.
#[derive(Debug, Default)]
pub(crate) struct Waiters {
    /// The first one has a place of its own, because most of the time it is the only one.
    first: Option<(u64, TaskWaker)>,
    /// The others, made when there are any: most places for waiters never have one, and are made and dropped all the time.
    more: Option<Box<Numbered<TaskWaker>>>,
    tickets: u64,
}

/// Says which waker is an operation's own; zero if it never registered one.
#[derive(Debug, Default)]
pub(crate) struct Ticket(u64);

impl Waiters {
    /// Registers whoever polls now. The waker that it replaces, if any, is to be dropped after unlocking.
    #[must_use = "dropped after unlocking"]
    pub(crate) fn park(&mut self, ticket: &mut Ticket, cx: &Context<'_>) -> Option<TaskWaker> {
        if let Some(waker) = self.find(ticket) {
            return if waker.is(cx) {
                None
            } else {
                Some(std::mem::replace(waker, TaskWaker::of(cx)))
            };
        }
        self.tickets += 1;
        ticket.0 = self.tickets;
        let waker = TaskWaker::of(cx);
        if self.is_empty() {
            self.first = Some((ticket.0, waker));
        } else {
            let old = self.more.get_or_insert_default().insert(ticket.0, waker);
            debug_assert!(old.is_none(), "a ticket is given once");
        }
        None
    }

    fn find(&mut self, ticket: &Ticket) -> Option<&mut TaskWaker> {
        match &mut self.first {
            Some((holder, waker)) if *holder == ticket.0 => Some(waker),
            _ => self.more.as_mut()?.get_mut(ticket.0),
        }
    }

    /// Takes out the waker of an operation that ends.
    #[must_use = "dropped after unlocking"]
    pub(crate) fn leave(&mut self, ticket: &mut Ticket) -> Option<TaskWaker> {
        let ticket = std::mem::take(ticket).0;
        match &self.first {
            Some((holder, _)) if *holder == ticket => self.first.take().map(|(_, waker)| waker),
            _ => self.more.as_mut()?.remove(ticket),
        }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.as_ref().is_none_or(|more| more.is_empty())
    }

    /// The wakers of those who wait.
    pub(crate) fn wakers(&self) -> impl Iterator<Item = &TaskWaker> {
        let first = self.first.iter().map(|(_, waker)| waker);
        first.chain(self.more.iter().flat_map(|more| more.values()))
    }

    /// Takes all wakers out, to be woken after unlocking.
    #[must_use = "woken after unlocking"]
    pub(crate) fn take_all(&mut self) -> WakeAll {
        WakeAll {
            first: self.first.take().map(|(_, waker)| waker),
            more: self.more.take(),
        }
    }
}

/// Ends an operation that may wait in a list under this lock: its waker is dropped after unlocking.
pub(crate) fn give_up<S>(
    lock: &Lock<S>,
    list: impl FnOnce(&mut S) -> &mut Waiters,
    ticket: &mut Ticket,
) {
    if ticket.is_used() {
        let mut state = lock.lock();
        let waker = list(&mut state).leave(ticket);
        drop(state);
        drop(waker);
    }
}

impl Ticket {
    /// Whether the operation has ever waited.
    pub(crate) fn is_used(&self) -> bool {
        self.0 != 0
    }
}

/// Wakers that were taken out of their list.
#[derive(Debug)]
pub(crate) struct WakeAll {
    first: Option<TaskWaker>,
    more: Option<Box<Numbered<TaskWaker>>>,
}

impl WakeAll {
    pub(crate) fn wake(self) {
        if let Some(waker) = self.first {
            waker.wake();
        }
        for waker in self.more.into_iter().flat_map(|more| more.into_values()) {
            waker.wake();
        }
    }
}
