//! What the models use: loom, with our own interface where the two differ.

use std::cell::Cell;
use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;
use std::time::{Duration, Instant};

pub(crate) use loom::cell::UnsafeCell;
pub(crate) use loom::sync::atomic::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
#[cfg(test)]
pub(crate) use loom::sync::atomic::{AtomicU8, AtomicU16};

/// `std::thread` as far as the crate's protocols use it.
pub(crate) mod thread {
    use std::sync::Arc;
    use std::time::Duration;

    pub(crate) use loom::thread::{Builder, yield_now};

    /// The handle of a thread. Not loom's own: unparking that one also ends a wait for a mutex.
    #[derive(Debug, Clone)]
    pub(crate) struct Thread(Arc<loom::sync::Notify>);

    loom::thread_local! {
        static CURRENT: Thread = Thread(Arc::new(loom::sync::Notify::new()));
    }

    pub(crate) fn current() -> Thread {
        CURRENT.with(Clone::clone)
    }

    pub(crate) fn park() {
        current().0.wait();
    }

    /// Time stands still in a model: a limit that is farther than a second is none.
    pub(crate) fn park_timeout(limit: Duration) {
        if limit > Duration::from_secs(1) {
            park();
        } else {
            yield_now();
        }
    }

    impl Thread {
        pub(crate) fn unpark(&self) {
            self.0.notify();
        }
    }
}

/// The threads of a model take turns on one thread of the system, so their locals are loom's too.
macro_rules! thread_local_of_the_model {
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = const { $init:expr };) => {
        loom::thread_local! { $(#[$attribute])* $vis static $name: $type = $init; }
    };
    ($(#[$attribute:meta])* $vis:vis static $name:ident: $type:ty = const $init:block;) => {
        loom::thread_local! { $(#[$attribute])* $vis static $name: $type = $init; }
    };
}
pub(crate) use thread_local_of_the_model as thread_local;

/// [`lock::Lock`](super::lock::Lock) as every other model sees it: a mutex that blocks, so that waiting costs no states.
#[derive(Debug)]
pub(crate) struct Lock<T>(loom::sync::Mutex<T>);

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn lock(&self) -> Guard<'_, T> {
        Guard(self.0.lock().unwrap_or_else(PoisonError::into_inner), self)
    }

    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        self.0.try_lock().ok().map(|guard| Guard(guard, self))
    }
}

/// As [`Lock`], for [`biased::BiasedLock`](super::biased::BiasedLock). What it counts beside orders nothing, so it is no state of a model.
#[derive(Debug)]
pub(crate) struct BiasedLock<T> {
    lock: Lock<T>,
    beside: std::sync::atomic::AtomicU32,
}

impl<T> BiasedLock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            lock: Lock::new(value),
            beside: 0.into(),
        }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.lock.get_mut()
    }

    pub(crate) fn lock(&self) -> BiasedGuard<'_, T> {
        self.lock.lock()
    }

    pub(crate) fn count_beside(&self) {
        // ORDERING: Relaxed: see the type.
        self.beside.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn beside(&self) -> u32 {
        // ORDERING: Relaxed: see the type.
        self.beside.load(Ordering::Relaxed)
    }
}

/// As [`Guard`].
pub(crate) type BiasedGuard<'a, T> = Guard<'a, T>;

/// In the models nobody owns a lock, but in that of the biased lock itself.
pub(crate) fn may_own_locks() -> Option<Owning> {
    None
}

/// As [`biased::Owning`](super::biased::Owning).
#[derive(Debug)]
pub(crate) enum Owning {}

/// Access to what a [`Lock`] protects; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct Guard<'a, T>(loom::sync::MutexGuard<'a, T>, &'a Lock<T>);

impl<T> Guard<'_, T> {
    /// Unlocks for as long as `between` takes.
    pub(crate) fn unlocked<R>(this: Self, between: impl FnOnce() -> R) -> (Self, R) {
        let lock = this.1;
        drop(this);
        let result = between();
        (lock.lock(), result)
    }
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

std::thread_local! {
    static TIME: Cell<(Option<Instant>, Duration)> = const { Cell::new((None, Duration::ZERO)) };
}

/// The clock of a model, which stands still unless the model moves it. The threads of a model share it.
pub(crate) fn now() -> Instant {
    TIME.with(|time| {
        let (start, passed) = time.get();
        let start = start.unwrap_or_else(Instant::now);
        time.set((Some(start), passed));
        start + passed
    })
}

/// Moves the clock of the model.
#[cfg(test)]
pub(crate) fn advance(by: Duration) {
    TIME.with(|time| {
        let (start, passed) = time.get();
        time.set((start, passed + by));
    });
}

/// Starts the clock of the model anew.
#[cfg(test)]
pub(crate) fn reset_clock() {
    TIME.with(|time| time.set((time.get().0, Duration::ZERO)));
}

/// A fence of sequential consistency, directly after a read-modify-write of this thread.
pub(crate) fn fence_after_exchange() {
    // ORDERING: SeqCst: said by the caller.
    fence(Ordering::SeqCst);
}

/// One step of waiting for a lock: lets the others go on.
pub(crate) fn wait_a_moment(_round: u32) {
    thread::yield_now();
}

/// A model has no time.
pub(crate) fn thread_time() -> Option<Duration> {
    None
}

/// A model has one.
pub(crate) fn has_heavy_fence() -> bool {
    true
}

std::thread_local! {
    /// See [`without_light_fences`]. Not loom's: all threads of a model are one outside of it.
    static FENCELESS: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

/// Leaves the light fences out of the models of this test. Outside of a model they are no instruction, so nothing else may lean on
/// them; what a model of something else sees must not depend on loom's whole ones.
#[cfg(test)]
pub(crate) fn without_light_fences() {
    FENCELESS.set(true);
}

/// Loom knows one kind of fence: on both sides it is a whole one.
pub(crate) fn light_fence() {
    if FENCELESS.get() {
        return;
    }
    // ORDERING: SeqCst: the one order of both sides, as with the real ones.
    fence(Ordering::SeqCst);
}

/// As [`light_fence`].
pub(crate) fn heavy_fence() -> bool {
    // ORDERING: as in `light_fence`.
    fence(Ordering::SeqCst);
    true
}

/// Models count no collisions: how long they wait means nothing.
#[cfg(test)]
pub(crate) fn collided() {}

/// None.
pub(crate) fn take_collisions() -> u32 {
    0
}
