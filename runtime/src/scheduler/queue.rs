//! Queues of runnable tasks: one local queue per worker that others steal from in batches, and a shared injector for what
//! comes from outside.
//!
//! A local queue has two parts, which take turns. What was woken runs in the order of the wakes. What is *new* runs newest
//! first, as in Cilk: a tree of processes is then walked in depth, so that few of a million are alive at a time and all they
//! touch is in the first caches, while thieves take the oldest, which are the largest parts of the tree. Every
//! [`OLDEST`]th new task is the oldest one, so none starves behind newer ones.
//!
//! The deque is crossbeam's (Chase and Lev, "Dynamic Circular Work-Stealing Deque", 2005, first-in first-out flavor). Under
//! loom, which does not know crossbeam's atomics, a locked queue takes its place: the models check our protocols around it.

use std::cell::Cell;
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

/// Of so many new tasks one is the oldest.
const OLDEST: u32 = 16;

/// The owner's side of a worker's queue.
#[derive(Debug)]
pub(crate) struct Local {
    woken: deque::Worker<Runnable>,
    new: deque::Worker<Runnable>,
    /// The far end of `new`.
    oldest: deque::Stealer<Runnable>,
    /// Counts the tasks that were taken while some were new.
    turn: Cell<u32>,
}

/// The thieves' side of a worker's queue.
#[derive(Debug)]
pub(crate) struct Thief {
    woken: deque::Stealer<Runnable>,
    new: deque::Stealer<Runnable>,
}

impl Local {
    pub(crate) fn new() -> (Self, Thief) {
        let (woken, new) = (deque::Worker::new_fifo(), deque::Worker::new_lifo());
        let thief = Thief {
            woken: woken.stealer(),
            new: new.stealer(),
        };
        let local = Self {
            oldest: new.stealer(),
            woken,
            new,
            turn: Cell::new(0),
        };
        (local, thief)
    }

    #[inline]
    pub(crate) fn push(&self, task: Runnable) {
        self.woken.push(task);
    }

    /// Adds a task that never ran.
    #[inline]
    pub(crate) fn push_new(&self, task: Runnable) {
        self.new.push(task);
    }

    #[inline]
    pub(crate) fn pop(&self) -> Option<Runnable> {
        if self.new.is_empty() {
            self.woken.pop()
        } else {
            self.take_turns()
        }
    }

    fn take_turns(&self) -> Option<Runnable> {
        let turn = self.turn.get().wrapping_add(1);
        self.turn.set(turn);
        if turn & 1 == 0
            && let Some(task) = self.woken.pop()
        {
            return Some(task);
        }
        let new = match turn % OLDEST {
            1 => take(|| self.oldest.steal()),
            _ => self.new.pop(),
        };
        // Thieves may have been faster.
        new.or_else(|| self.woken.pop())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.woken.is_empty() && self.new.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.woken.len() + self.new.len()
    }
}

impl Thief {
    /// Moves about half of the queue to `into` and returns one of the tasks.
    pub(crate) fn steal(&self, into: &Local) -> Option<Runnable> {
        take(|| self.new.steal_batch_and_pop(&into.new))
            .or_else(|| take(|| self.woken.steal_batch_and_pop(&into.woken)))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.woken.is_empty() && self.new.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.woken.len() + self.new.len()
    }
}

/// Tries until it is known whether there is a task.
fn take(steal: impl Fn() -> deque::Steal<Runnable>) -> Option<Runnable> {
    loop {
        match steal() {
            deque::Steal::Success(task) => return Some(task),
            deque::Steal::Empty => return None,
            deque::Steal::Retry => std::hint::spin_loop(),
        }
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
        take(|| self.0.steal_batch_and_pop(&into.woken))
    }

    /// Takes one task.
    pub(crate) fn pop(&self) -> Option<Runnable> {
        take(|| self.0.steal())
    }

    /// How many wait here.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
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

    /// The queue, and whether its owner takes the newest.
    #[derive(Debug)]
    pub(super) struct Worker<T>(Arc<Queue<T>>, bool);

    #[derive(Debug)]
    pub(super) struct Stealer<T>(Arc<Queue<T>>);

    #[derive(Debug)]
    pub(super) struct Injector<T>(Queue<T>);

    impl<T> Worker<T> {
        pub(super) fn new_fifo() -> Self {
            Self(Arc::new(Lock::new(VecDeque::new())), false)
        }

        pub(super) fn new_lifo() -> Self {
            Self(Arc::new(Lock::new(VecDeque::new())), true)
        }

        pub(super) fn stealer(&self) -> Stealer<T> {
            Stealer(Arc::clone(&self.0))
        }

        pub(super) fn push(&self, task: T) {
            self.0.lock().push_back(task);
        }

        pub(super) fn pop(&self) -> Option<T> {
            let mut queue = self.0.lock();
            if self.1 {
                queue.pop_back()
            } else {
                queue.pop_front()
            }
        }

        pub(super) fn is_empty(&self) -> bool {
            self.0.lock().is_empty()
        }

        pub(super) fn len(&self) -> usize {
            self.0.lock().len()
        }
    }

    impl<T> Stealer<T> {
        pub(super) fn steal_batch_and_pop(&self, into: &Worker<T>) -> Steal<T> {
            steal(&self.0, into)
        }

        pub(super) fn steal(&self) -> Steal<T> {
            let first = self.0.lock().pop_front();
            first.map_or(Steal::Empty, Steal::Success)
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

        pub(super) fn len(&self) -> usize {
            self.0.lock().len()
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
