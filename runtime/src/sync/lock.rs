//! [`Lock`]: the short lock of what several workers use, for a critical section of a few dozen instructions. Channels have one that
//! may belong to a worker: `biased.rs`.
//!
//! Unlocking is one plain store, which is what makes it cheap; the price is that a waiter cannot be woken by the
//! holder. A waiter therefore spins for about a microsecond and then sleeps in growing steps: the only way to wait longer
//! than a spin is that the holder was preempted, and then sleeping is right.
//! Rejected: `parking_lot::Mutex`, whose unlock is a second locked instruction (+5 ns per lock here).
//!
//! **Invariants**
//! - A [`Guard`] exists exactly while `held` is 1, and there is one at a time.
//! - What was done under the lock is visible to its next holder.
//!
//! Model: `tests/loom_lock.rs`. All other models use loom's own mutex in its place, which spins in no state of the model.

#![expect(unsafe_code, reason = "a lock hands out access to what it owns")]

use std::ops::{Deref, DerefMut};

use crate::sync::{AtomicU32, Ordering, UnsafeCell, collided, wait_a_moment};

/// A short lock that owns what it protects. See the header of this file for why it is ours.
/// The word lies before the value, in the order in which they are used.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct Lock<T> {
    /// 0 = free, 1 = held.
    held: AtomicU32,
    value: UnsafeCell<T>,
}

// SAFETY: the lock hands out the value to one thread at a time, so sharing the lock is sending the value.
unsafe impl<T: Send> Sync for Lock<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send> Send for Lock<T> {}

impl<T: Default> Default for Lock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> Lock<T> {
    pub(crate) fn new(value: T) -> Self {
        Self {
            held: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Access for who is the only one to know the lock.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self` is the only way to the value.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Waits for the lock: a spin, then sleeps of 1 µs to 1 ms.
    #[inline]
    pub(crate) fn lock(&self) -> Guard<'_, T> {
        match self.try_lock() {
            Some(guard) => guard,
            None => self.lock_slow(),
        }
    }

    /// Whether somebody holds it now.
    #[cfg(feature = "tokio")]
    pub(crate) fn is_locked(&self) -> bool {
        // ORDERING: Relaxed: what was read may be past at once.
        self.held.load(Ordering::Relaxed) != 0
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
    #[inline(never)]
    fn lock_slow(&self) -> Guard<'_, T> {
        collided();
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
