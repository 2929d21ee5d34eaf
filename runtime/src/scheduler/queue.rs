//! Queues of runnable tasks: one local queue per worker that others steal from in batches, and a shared injector for what
//! comes from outside.
//!
//! The deque is crossbeam's (Chase and Lev, "Dynamic Circular Work-Stealing Deque", 2005, first-in first-out flavor). Under
//! loom, which does not know crossbeam's atomics, a locked queue takes its place: the models check our protocols around it.

use std::ptr::NonNull;

use crate::task::cell::Header;

#[cfg(not(loom))]
use crossbeam_deque as deque;

/// A task that was notified and belongs to the queue it is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Runnable(pub(crate) NonNull<Header>);

#[expect(unsafe_code, reason = "a runnable task may move between workers")]
// SAFETY: the header is `Sync`, and a notified task belongs to one queue at a time.
unsafe impl Send for Runnable {}

/// The owner's side of a worker's queue.
#[derive(Debug)]
pub(crate) struct Local(deque::Worker<Runnable>);

/// The thieves' side of a worker's queue.
#[derive(Debug)]
pub(crate) struct Thief(deque::Stealer<Runnable>);

impl Local {
    pub(crate) fn new() -> (Self, Thief) {
        let worker = deque::Worker::new_fifo();
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

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Thief {
    /// Moves about half of the queue to `into` and returns one of the tasks.
    pub(crate) fn steal(&self, into: &Local) -> Option<Runnable> {
        loop {
            match self.0.steal_batch_and_pop(&into.0) {
                deque::Steal::Success(task) => return Some(task),
                deque::Steal::Empty => return None,
                deque::Steal::Retry => std::hint::spin_loop(),
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
pub(crate) struct Injector(deque::Injector<Runnable>);

impl Injector {
    pub(crate) fn new() -> Self {
        Self(deque::Injector::new())
    }

    pub(crate) fn push(&self, task: Runnable) {
        self.0.push(task);
    }

    /// Takes one task, and a batch more for `into`.
    pub(crate) fn steal(&self, into: &Local) -> Option<Runnable> {
        loop {
            match self.0.steal_batch_and_pop(&into.0) {
                deque::Steal::Success(task) => return Some(task),
                deque::Steal::Empty => return None,
                deque::Steal::Retry => std::hint::spin_loop(),
            }
        }
    }

    /// Takes one task.
    pub(crate) fn pop(&self) -> Option<Runnable> {
        loop {
            match self.0.steal() {
                deque::Steal::Success(task) => return Some(task),
                deque::Steal::Empty => return None,
                deque::Steal::Retry => std::hint::spin_loop(),
            }
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The interface of crossbeam's deque over one lock, for the models.
#[cfg(loom)]
mod deque {
    use std::collections::VecDeque;
    use std::sync::Arc;

    use crate::sync::Lock;

    pub(super) enum Steal<T> {
        Success(T),
        Empty,
        #[expect(dead_code, reason = "a locked queue never asks to try again")]
        Retry,
    }

    type Queue<T> = Lock<VecDeque<T>>;

    #[derive(Debug)]
    pub(super) struct Worker<T>(Arc<Queue<T>>);

    #[derive(Debug)]
    pub(super) struct Stealer<T>(Arc<Queue<T>>);

    #[derive(Debug)]
    pub(super) struct Injector<T>(Queue<T>);

    impl<T> Worker<T> {
        pub(super) fn new_fifo() -> Self {
            Self(Arc::new(Lock::new(VecDeque::new())))
        }

        pub(super) fn stealer(&self) -> Stealer<T> {
            Stealer(Arc::clone(&self.0))
        }

        pub(super) fn push(&self, task: T) {
            self.0.lock().push_back(task);
        }

        pub(super) fn pop(&self) -> Option<T> {
            self.0.lock().pop_front()
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }
    }

    impl<T> Stealer<T> {
        pub(super) fn steal_batch_and_pop(&self, into: &Worker<T>) -> Steal<T> {
            steal(&self.0, into)
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }

        pub(super) fn len(&self) -> usize {
            self.0.lock().len()
        }
    }

    impl<T> Injector<T> {
        pub(super) fn new() -> Self {
            Self(Lock::new(VecDeque::new()))
        }

        pub(super) fn push(&self, task: T) {
            self.0.lock().push_back(task);
        }

        pub(super) fn steal_batch_and_pop(&self, into: &Worker<T>) -> Steal<T> {
            steal(&self.0, into)
        }

        pub(super) fn steal(&self) -> Steal<T> {
            self.0
                .lock()
                .pop_front()
                .map_or(Steal::Empty, Steal::Success)
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }
    }

    /// Takes the first task for the caller and half of the rest for its queue.
    fn steal<T>(from: &Queue<T>, into: &Worker<T>) -> Steal<T> {
        let mut batch = {
            let mut queue = from.lock();
            let half = queue.len().div_ceil(2);
            queue.drain(..half).collect::<VecDeque<_>>()
        };
        let Some(first) = batch.pop_front() else {
            return Steal::Empty;
        };
        if !batch.is_empty() {
            into.0.lock().append(&mut batch);
        }
        Steal::Success(first)
    }
}
