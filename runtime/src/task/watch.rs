//! Waiting for the end of a task: who is told, and how a wait is taken back.
//!
//! **Invariants**
//! - A [`Registration`] enters a task at most once, and its owner takes it back when it is dropped: what waits for a long-lived process
//!   with a limit, again and again, leaves nothing behind.
//! - Wakers are used and dropped outside of the lock.

use std::iter;
use std::task::{Context, Poll};

use crate::process::exit::Exit;
use crate::task::TaskRef;
use crate::task::current;
use crate::task::ending::Watch;
use crate::task::registry::WaitKind;
use crate::task::waker::TaskWaker;

/// Those who wait for an end.
#[derive(Debug, Default)]
pub(crate) enum Watchers {
    #[default]
    None,
    One(TaskWaker),
    // Boxed, so that the common cases keep the cell small.
    #[expect(
        clippy::box_collection,
        reason = "one word in every task cell instead of three"
    )]
    Many(Box<Vec<TaskWaker>>),
}

impl Watchers {
    /// Adds whoever polls now, once.
    pub(crate) fn add(&mut self, cx: &Context<'_>) {
        let known = match self {
            Self::None => false,
            Self::One(waker) => waker.is(cx),
            Self::Many(wakers) => wakers.iter().any(|waker| waker.is(cx)),
        };
        if !known {
            self.enter(TaskWaker::of(cx));
        }
    }

    /// Adds a registration, to be taken back with [`leave`](Self::leave).
    fn enter(&mut self, waker: TaskWaker) {
        match self {
            Self::None => *self = Self::One(waker),
            Self::Many(wakers) => wakers.push(waker),
            Self::One(_) => {
                if let Self::One(first) = std::mem::take(self) {
                    *self = Self::Many(Box::new(vec![first, waker]));
                }
            }
        }
    }

    /// Takes back one registration of the one with this address.
    #[must_use = "dropped after unlocking"]
    fn leave(&mut self, whose: usize) -> Option<TaskWaker> {
        match self {
            Self::None => None,
            Self::One(waker) => {
                if waker.address() != whose {
                    return None;
                }
                match std::mem::take(self) {
                    Self::One(waker) => Some(waker),
                    _ => None,
                }
            }
            Self::Many(wakers) => {
                let at = wakers.iter().position(|waker| waker.address() == whose)?;
                Some(wakers.swap_remove(at))
            }
        }
    }

    pub(crate) fn wake_all(self) {
        match self {
            Self::None => {}
            Self::One(waker) => waker.wake(),
            Self::Many(wakers) => wakers.into_iter().for_each(TaskWaker::wake),
        }
    }
}

/// One registration for the end of a task, of an owner who knows the task and takes it back with [`leave`](Self::leave).
#[derive(Debug, Default)]
pub(crate) struct Registration {
    /// The address of the waker that is registered; zero if there is none.
    waker: usize,
    /// Where the end is awaited.
    asked: u32,
}

impl Registration {
    /// A wait that was begun at this place.
    pub(crate) fn at(asked: u32) -> Self {
        Self { waker: 0, asked }
    }

    /// Waits for the end of the task.
    pub(crate) fn poll_done(&mut self, task: &TaskRef, cx: &Context<'_>) -> Poll<Exit> {
        let polled = self.register(task, cx);
        if polled.is_pending() {
            let id = task.slot().id().raw();
            current::waits_for_process(WaitKind::Join, id, id);
            current::waits_in(iter::once(task.scheduler()));
            current::waits_at(self.asked);
        }
        polled
    }

    /// Registers whoever polls now for the end of the task.
    fn register(&mut self, task: &TaskRef, cx: &Context<'_>) -> Poll<Exit> {
        if let Some(exit) = task.ending.exit() {
            self.waker = 0;
            return Poll::Ready(exit);
        }
        // Before anything is locked: another executor's waker is cloned by its own code.
        let waker = TaskWaker::of(cx);
        let mut watch = task.ending.change();
        let watchers = match &mut *watch {
            Watch::Ended(kind, fault) => {
                self.waker = 0;
                let exit = Exit::new(*kind, fault.clone());
                drop(watch);
                drop(waker);
                return Poll::Ready(exit);
            }
            Watch::Awaited(watchers) => watchers,
        };
        let address = waker.address();
        let unused = if self.waker == address {
            Some(waker)
        } else {
            let old = std::mem::replace(&mut self.waker, address);
            let old = (old != 0).then(|| watchers.leave(old)).flatten();
            watchers.enter(waker);
            old
        };
        drop(watch);
        drop(unused);
        Poll::Pending
    }

    /// Takes the registration back, if there is one.
    pub(crate) fn leave(&mut self, task: &TaskRef) {
        let registered = std::mem::take(&mut self.waker);
        if registered != 0 && !task.state.is_done() {
            let waker = match &mut *task.ending.change() {
                Watch::Awaited(watchers) => watchers.leave(registered),
                Watch::Ended(..) => None,
            };
            drop(waker);
        }
    }
}

/// One wait for the end of a task.
#[derive(Debug)]
pub(crate) struct Wait {
    task: TaskRef,
    registration: Registration,
}

impl Wait {
    pub(crate) fn new(task: TaskRef) -> Self {
        Self::at(task, 0)
    }

    /// A wait that was begun at this place.
    pub(crate) fn at(task: TaskRef, asked: u32) -> Self {
        Self {
            task,
            registration: Registration::at(asked),
        }
    }

    /// The number that reports know the task by.
    pub(crate) fn object(&self) -> u64 {
        self.task.id().raw()
    }

    /// Waits for the end of the task.
    pub(crate) fn poll_done(&mut self, cx: &Context<'_>) -> Poll<Exit> {
        self.registration.poll_done(&self.task, cx)
    }

    /// Registers whoever polls now for the end of the task.
    pub(crate) fn register(&mut self, cx: &Context<'_>) -> Poll<Exit> {
        self.registration.register(&self.task, cx)
    }
}

impl Clone for Wait {
    fn clone(&self) -> Self {
        Self::at(self.task.clone(), self.registration.asked)
    }
}

impl Drop for Wait {
    fn drop(&mut self) {
        self.registration.leave(&self.task);
    }
}
