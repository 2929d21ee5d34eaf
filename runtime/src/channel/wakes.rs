//! Wakers that were taken out of a channel under its lock, and are called when it is released.

use crate::task::waker::TaskWaker;

/// Wakers that are called after the lock is released.
#[derive(Debug, Default)]
pub(crate) struct Wakes {
    first: Option<TaskWaker>,
    #[expect(
        clippy::box_collection,
        reason = "almost always none: one word to look at"
    )]
    more: Option<Box<Vec<TaskWaker>>>,
}

impl Wakes {
    #[inline]
    pub(crate) fn add(&mut self, waker: Option<TaskWaker>) {
        if let Some(waker) = waker {
            match self.first {
                None => self.first = Some(waker),
                Some(_) => self.more.get_or_insert_default().push(waker),
            }
        }
    }

    #[inline]
    pub(crate) fn wake(self) {
        if let Some(waker) = self.first {
            waker.wake();
        }
        if let Some(more) = self.more {
            more.into_iter().for_each(TaskWaker::wake);
        }
    }

    /// Marks the processes among them as woken, while the lock is held: for room that comes from somebody who holds no receiver, and
    /// whom the search for leaks does not know. Nobody is queued before [`Marked::wake`].
    #[must_use = "woken after unlocking"]
    pub(crate) fn mark(self) -> Marked {
        let more = self.more.into_iter().flat_map(|more| *more);
        let wakers = self.first.into_iter().chain(more);
        Marked(wakers.map(|waker| (waker.notify(), waker)).collect())
    }
}

/// Wakers that are called after the lock is released, of processes that are marked as woken.
#[derive(Debug)]
pub(crate) struct Marked(Vec<(bool, TaskWaker)>);

impl Marked {
    pub(crate) fn wake(self) {
        for (is_mine, waker) in self.0 {
            waker.wake_notified(is_mine);
        }
    }
}
