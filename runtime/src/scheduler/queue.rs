//! Queues of runnable tasks: one local queue per worker that others steal from in batches, and a shared injector for what
//! comes from outside.
//!
//! The deque is crossbeam's (Chase and Lev, "Dynamic Circular Work-Stealing Deque", 2005, first-in first-out flavor). Under
//! loom, which does not know crossbeam's atomics, a locked queue takes its place: the models check our protocols around it.

use std::ptr::NonNull;

use crate::task::cell::Header;

/// A task that was notified and belongs to the queue it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Runnable(pub(crate) NonNull<Header>);

#[expect(unsafe_code, reason = "a runnable task may move between workers")]
// SAFETY: the header is `Sync`, and a notified task belongs to one queue at a time.
unsafe impl Send for Runnable {}

/// The owner's side of a worker's queue.
#[derive(Debug)]
pub(crate) struct Local(crossbeam_deque::Worker<Runnable>);

/// The thieves' side of a worker's queue.
#[derive(Debug)]
pub(crate) struct Thief(crossbeam_deque::Stealer<Runnable>);

impl Local {
    pub(crate) fn new() -> (Self, Thief) {
        let worker = crossbeam_deque::Worker::new_fifo();
        let stealer = worker.stealer();
        (Self(worker), Thief(stealer))
    }

    #[inline]
    pub(crate) fn push(&self, task: Runnable) {
        self.0.push(task);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Runnable> {
        self.0.pop()
    }
}

impl Thief {
    /// Moves about half of the queue to `into` and returns one of the tasks.
    pub(crate) fn steal(&self, into: &Local) -> Option<Runnable> {
        loop {
            match self.0.steal_batch_and_pop(&into.0) {
                crossbeam_deque::Steal::Success(task) => return Some(task),
                crossbeam_deque::Steal::Empty => return None,
                crossbeam_deque::Steal::Retry => std::hint::spin_loop(),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

/// Tasks from threads that are not workers.
#[derive(Debug)]
pub(crate) struct Injector(crossbeam_deque::Injector<Runnable>);

impl Injector {
    pub(crate) fn new() -> Self {
        Self(crossbeam_deque::Injector::new())
    }

    pub(crate) fn push(&self, task: Runnable) {
        self.0.push(task);
    }

    /// Takes one task, and a batch more for `into`.
    pub(crate) fn steal(&self, into: &Local) -> Option<Runnable> {
        loop {
            match self.0.steal_batch_and_pop(&into.0) {
                crossbeam_deque::Steal::Success(task) => return Some(task),
                crossbeam_deque::Steal::Empty => return None,
                crossbeam_deque::Steal::Retry => std::hint::spin_loop(),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
