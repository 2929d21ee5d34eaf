//! Atomics, cells, locks and threads: the standard library's, or loom's under `cfg(loom)`.
//!
//! Everything that several threads share goes through this module, so that each protocol can be checked by a loom model.
//!
//! [`Lock`] is the short lock of channels and timer shards: a critical section of a few dozen instructions.
//! Unlocking is one plain store, which is what makes a message cheap; the price is that a waiter cannot be woken by the
//! holder. A waiter therefore spins for about a microsecond and then sleeps in growing steps: the only way to wait longer
//! than a spin is that the holder was preempted, and then sleeping is right.
//! Rejected: `parking_lot::Mutex` in the channel core, whose unlock is a second locked instruction (+5 ns per lock here).

#![expect(unsafe_code, reason = "a lock hands out access to what it owns")]

#[cfg(loom)]
pub(crate) use modelled::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, UnsafeCell, fence,
};
#[cfg(not(loom))]
pub(crate) use real::{AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, UnsafeCell, fence};

use std::ops::{Deref, DerefMut};

#[cfg(not(loom))]
mod real {
    pub(crate) use std::sync::atomic::{
        AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };

    /// `std`'s cell with loom's interface.
    #[derive(Debug, Default)]
    #[repr(transparent)]
    pub(crate) struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

    impl<T> UnsafeCell<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::cell::UnsafeCell::new(value))
        }

        /// Calls `f` with a pointer for reading.
        #[inline]
        pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
            f(self.0.get())
        }

        /// Calls `f` with a pointer for writing.
        #[inline]
        pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
            f(self.0.get())
        }
    }
}

#[cfg(loom)]
mod modelled {
    pub(crate) use loom::cell::UnsafeCell;
    pub(crate) use loom::sync::atomic::{
        AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
    };
}

/// A short lock that owns what it protects. See the module's header for why it is ours.
#[derive(Debug)]
pub(crate) struct Lock<T> {
    /// 0 = free, 1 = held.
    held: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out the value to one thread at a time, so sharing the lock is sending the value.
unsafe impl<T: Send> Sync for Lock<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send> Send for Lock<T> {}

impl<T> Lock<T> {
    #[cfg(not(loom))]
    pub(crate) const fn new(value: T) -> Self {
        Self {
            held: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    #[cfg(loom)]
    pub(crate) fn new(value: T) -> Self {
        Self {
            held: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the lock: a spin, then sleeps of 1 µs to 1 ms.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.lock_slow(),
        }
    }

    /// Takes the lock if it is free.
    #[inline]
    pub(crate) fn try_lock(&self) -> Option<Guard<'_, T>> {
        // ORDERING: Acquire pairs with the Release store in `Guard::drop`: what the last holder wrote is visible. Relaxed on
        // failure: nothing is read then.
        match self
            .held
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
        {
            Ok(_) => Some(Guard { lock: self }),
            Err(_) => None,
        }
    }

    #[cold]
    fn lock_slow(&self) -> Guard<'_, T> {
        let mut round = 0_u32;
        loop {
            // ORDERING: Relaxed: a hint before the real attempt.
            if self.held.load(Ordering::Relaxed) == 0
                && let Some(guard) = self.try_lock()
            {
                return guard;
            }
            wait_a_moment(round);
            round += 1;
        }
    }
}

#[cfg(not(loom))]
fn wait_a_moment(round: u32) {
    match round {
        // About a microsecond in all: the holder is running and will be done.
        0..40 => {
            for _ in 0..8 {
                std::hint::spin_loop();
            }
        }
        40..44 => std::thread::yield_now(),
        // The holder was preempted.
        _ => std::thread::sleep(std::time::Duration::from_micros(1 << (round - 44).min(10))),
    }
}

#[cfg(loom)]
fn wait_a_moment(_round: u32) {
    loom::thread::yield_now();
}

/// Access to what a [`Lock`] protects; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct Guard<'a, T> {
    lock: &'a Lock<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so this thread holds the lock.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists, so this thread holds the lock, and `&mut self` is the only way to the value.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release pairs with the Acquire in `try_lock` of the next holder.
        self.lock.held.store(0, Ordering::Release);
    }
}
