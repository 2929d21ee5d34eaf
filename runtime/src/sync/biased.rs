//! [`BiasedLock`]: the short lock of channels, which the worker that mostly takes it takes without a locked instruction.
//!
//! Most of what has such a lock is used on one worker, and there half of what a message costs was locked instructions (about 7 ns
//! each). So a lock that one worker takes again and again *belongs* to it after a while: the owner says in a place of its own that it
//! is inside, and looks whether it is still the owner. Whoever else comes takes the lock in the usual way, takes it away from its
//! owner, and waits until that is not inside. Of the two, one at least sees what the other has stored (Dekker's way): the owner has
//! only the light half of a fence between its store and its load, and the other one, which comes once in a while, pays for both
//! (`membarrier`, some microseconds). Locks that were taken away are claimed so rarely afterwards that the fences cost next to
//! nothing (Kawachiya, Koseki, Onodera, *Lock Reservation*, 2002; Dice, Moir, Scherer, *Quickly Reacquirable Locks*, 2003).
//!
//! As with [`Lock`](super::Lock), unlocking is a plain store, and who waits spins, then sleeps.
//!
//! A program may lose the heavy fence while locks have owners: it forbids itself the call (a filter of seccomp), or it is the child of
//! a fork. Then nobody becomes an owner any more, and to take a lock away from one takes as long as a store of its may stay
//! unseen: processors empty their buffers of stores with the next interrupt at the latest (Morrison, Afek, *Temporally Bounding TSO
//! for Fence-Free Asymmetric Synchronization*, 2015).
//!
//! Rejected: a byte in the lock that says that its owner is inside. A thread that was the owner, and finds out that it is not any
//! more, would overwrite what the next owner has stored there.
//!
//! **Invariants**
//! - `owner` changes while `held` is 1 only, by who has set that.
//! - An `owner` with [`OWNS`] is the number of a thread, and a number belongs to one thread at a time, which alone writes what
//!   [`inside`] has for it: the lock that it is in as its owner, if it has seen itself as the owner since it wrote that. One at a
//!   time: a lock that is taken inside another one is taken in the usual way.
//! - A [`BiasedGuard`] exists while `held` is 1 and no other thread owns the lock, or while its thread does and is inside; there is
//!   one at a time.
//! - What was done under the lock is visible to its next holder.
//!
//! Model: `tests/loom_biased.rs`. All other models use loom's own mutex in its place.

#![expect(unsafe_code, reason = "a lock hands out access to what it owns")]

use std::cell::Cell;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::PoisonError;
use std::sync::atomic::AtomicBool;

#[cfg(loom)]
use loom::sync::Mutex;
#[cfg(not(loom))]
use std::sync::Mutex;

use crate::sync::{
    AtomicU8, AtomicU16, AtomicU32, AtomicUsize, Ordering, UnsafeCell, collided, has_heavy_fence,
    heavy_fence, light_fence, thread_local, wait_a_moment,
};

/// A worker claims one lock in about so many turns at locks that it does not own. So many cost as much as a few fences.
#[cfg(not(loom))]
const CLAIM: u32 = 256;
/// Of so many locks that were taken away before, it claims one.
#[cfg(not(loom))]
const AGAIN: u32 = 64;
// Models are short: whoever has two turns in a row owns the lock.
#[cfg(loom)]
const CLAIM: u32 = 1;
#[cfg(loom)]
const AGAIN: u32 = 1;

/// Rounds of [`wait_a_moment`] without a heavy fence, some 50 ms in all, after which time is the fence.
const FENCELESS: u32 = 104;
/// There is no heavy fence any more. Not loom's: a model has one.
static NO_FENCE: AtomicBool = AtomicBool::new(false);

/// So many threads may own locks at a time, less one.
#[cfg(not(loom))]
const THREADS: usize = 1 << 10;
#[cfg(loom)]
const THREADS: usize = 1 << 2;

/// The number of a thread begins above these bits.
const NUMBER: u16 = 4;
/// The thread owns the lock; without this bit it only had the last turn.
const OWNS: u16 = 1;
/// The lock was taken away from an owner before. Never together with [`OWNS`].
const WAS_TAKEN: u16 = 2;
/// The number of all threads that own no locks.
const NOBODY: u16 = OWNS;

/// What a thread knows of itself.
struct Me {
    /// With [`OWNS`], as it stands in the locks that it owns.
    number: Cell<u16>,
    /// Turns until the next claim.
    countdown: Cell<u32>,
    random: Cell<u32>,
}

impl Me {
    /// Whether the thread claims the lock at which its countdown has ended.
    fn may_claim(&self, was_taken: bool) -> bool {
        // A linear congruential generator (Numerical Recipes): no rhythm of a program meets the countdown for long.
        let random = self
            .random
            .get()
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        self.random.set(random);
        self.countdown.set(1 + CLAIM / 2 + (random >> 8) % CLAIM);
        let is_chosen = !was_taken || (random >> 20).is_multiple_of(AGAIN);
        // ORDERING: Relaxed: who claims one more does no harm.
        is_chosen && self.number.get() != NOBODY && !NO_FENCE.load(Ordering::Relaxed)
    }
}

thread_local! {
    static ME: Me = const {
        Me { number: Cell::new(NOBODY), countdown: Cell::new(CLAIM), random: Cell::new(1) }
    };
}

/// The address of a lock, or zero.
#[derive(Debug)]
#[repr(align(64))]
struct Inside(AtomicUsize);

#[cfg(not(loom))]
static INSIDE: [Inside; THREADS] = [const { Inside(AtomicUsize::new(0)) }; THREADS];
#[cfg(loom)]
loom::lazy_static! {
    static ref INSIDE: [Inside; THREADS] = [(); THREADS].map(|()| Inside(AtomicUsize::new(0)));
}

/// The lock that the thread with this number is in as its owner, or is about to see that it is not the owner any more.
#[inline]
fn inside(number: u16) -> &'static AtomicUsize {
    &INSIDE[usize::from(number / NUMBER) % THREADS].0
}

/// The numbers that no thread has. Whoever gets the number of a thread that is gone owns what that one owned, and must have seen what
/// that one did: by this lock.
#[cfg(not(loom))]
static NUMBERS: Mutex<Numbers> = Mutex::new(Numbers::NEW);
#[cfg(loom)]
loom::lazy_static! {
    static ref NUMBERS: Mutex<Numbers> = Mutex::new(Numbers::NEW);
}

struct Numbers {
    free: Vec<u16>,
    last: u16,
}

impl Numbers {
    const NEW: Self = Self {
        free: Vec::new(),
        last: NOBODY,
    };
}

/// While it lives, this thread may own locks.
#[derive(Debug)]
pub(crate) struct Owning(u16);

/// Lets this thread own locks, if the system has a [`heavy_fence`] and there is a number left; `None` if it may already.
pub(crate) fn may_own_locks() -> Option<Owning> {
    ME.with(|me| {
        if me.number.get() != NOBODY || !has_heavy_fence() {
            return None;
        }
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        let number = match numbers.free.pop() {
            Some(number) => number,
            None => {
                let next = numbers.last + NUMBER;
                if usize::from(next / NUMBER) >= THREADS {
                    return None;
                }
                numbers.last = next;
                next
            }
        };
        me.number.set(number);
        me.random.set(u32::from(number));
        Some(Owning(number))
    })
}

impl Drop for Owning {
    fn drop(&mut self) {
        ME.with(|me| me.number.set(NOBODY));
        let mut numbers = NUMBERS.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.free.push(self.0);
    }
}

/// A short lock that owns what it protects. See the header of this file.
/// The words lie before the value, in the order in which they are used.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct BiasedLock<T> {
    word: Word,
    /// See [`count_beside`](Self::count_beside). These bytes would be empty.
    beside: AtomicU32,
    value: UnsafeCell<T>,
}

/// What does not depend on the value.
#[derive(Debug)]
#[repr(C)]
struct Word {
    /// 1: somebody has the lock in the usual way.
    held: AtomicU8,
    /// The number of the thread that owns the lock or, without [`OWNS`], had the last turn.
    owner: AtomicU16,
}

#[cfg(not(loom))]
const _: () = assert!(size_of::<Word>() == 4, "every channel has one");

// SAFETY: the lock hands out the value to one thread at a time, so sharing the lock is sending the value.
unsafe impl<T: Send> Sync for BiasedLock<T> {}
// SAFETY: moving the lock moves the value.
unsafe impl<T: Send> Send for BiasedLock<T> {}

impl<T> BiasedLock<T> {
    #[inline]
    pub(crate) fn new(value: T) -> Self {
        // Who makes something is often who uses it first.
        let last = ME.with(|me| me.number.get()) & !OWNS;
        Self {
            word: Word {
                held: AtomicU8::new(0),
                owner: AtomicU16::new(last),
            },
            beside: AtomicU32::new(0),
            value: UnsafeCell::new(value),
        }
    }

    /// Access for who is the only one to know the lock.
    #[inline]
    pub(crate) fn get_mut(&mut self) -> &mut T {
        // SAFETY: `&mut self` is the only way to the value.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Counts something that is done without the lock, by one thread at a time; of what two do at once, one may not be counted.
    #[inline]
    pub(crate) fn count_beside(&self) {
        // ORDERING: Relaxed (both): it orders nothing. No locked operation, which would cost as much as the lock itself.
        let count = self.beside.load(Ordering::Relaxed);
        self.beside.store(count.wrapping_add(1), Ordering::Relaxed);
    }

    /// How much was counted by now, or less.
    pub(crate) fn beside(&self) -> u32 {
        // ORDERING: Acquire: what it is compared with, under the lock, is read afterwards.
        self.beside.load(Ordering::Acquire)
    }

    /// Waits for the lock: a spin, then sleeps of 1 µs to 1 ms.
    #[inline]
    pub(crate) fn lock(&self) -> BiasedGuard<'_, T> {
        let inside = self.word.enter_own();
        if inside.is_none() {
            self.word.enter();
        }
        BiasedGuard {
            lock: self,
            inside,
            here: PhantomData,
        }
    }
}

impl Word {
    /// Takes the lock if this thread owns it, and returns where it says so.
    #[inline]
    fn enter_own(&self) -> Option<&'static AtomicUsize> {
        let me = ME.with(|me| me.number.get());
        // ORDERING: Relaxed: only this thread makes itself the owner; whether it still is, is asked again below.
        if self.owner.load(Ordering::Relaxed) != me {
            return None;
        }
        let inside = inside(me);
        // ORDERING: Relaxed: only this thread writes it.
        if inside.load(Ordering::Relaxed) != 0 {
            return None;
        }
        // ORDERING: Release, as at the end of a turn: whoever reads this at another lock sees what was done inside that one before.
        // Then the fence: either `take_away` sees this, or what it has stored is seen below.
        inside.store(self.address(), Ordering::Release);
        light_fence();
        // ORDERING: Acquire: what the owner does inside stays behind.
        if self.owner.load(Ordering::Acquire) == me {
            return Some(inside);
        }
        // ORDERING: Release: whoever reads this instead of the end of an earlier turn sees what that one did.
        inside.store(0, Ordering::Release);
        None
    }

    fn address(&self) -> usize {
        ptr::from_ref(self).addr()
    }

    /// Takes the lock in the usual way.
    #[inline]
    fn enter(&self) {
        if !self.try_hold() {
            self.wait();
        }
        ME.with(|me| {
            // ORDERING: Relaxed: it changes under the lock only.
            let owner = self.owner.load(Ordering::Relaxed);
            if (owner ^ me.number.get()) & !WAS_TAKEN == OWNS {
                // This thread had the last turn too.
                let left = me.countdown.get() - 1;
                me.countdown.set(left);
                if left > 0 {
                    return;
                }
            }
            self.change_owner(owner, me);
        });
    }

    #[inline]
    fn try_hold(&self) -> bool {
        // ORDERING: Acquire pairs with the Release store in the drop of a guard: what the last holder wrote is visible. Relaxed
        // on failure: nothing is read then.
        self.held
            .compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[cold]
    #[inline(never)]
    fn wait(&self) {
        collided();
        let mut round = 0_u32;
        loop {
            // ORDERING: Relaxed: a hint before the real attempt.
            if self.held.load(Ordering::Relaxed) == 0 && self.try_hold() {
                return;
            }
            wait_a_moment(round);
            round += 1;
        }
    }

    /// Another thread had the last turn, somebody owns the lock, or this thread may claim it. The caller has it now.
    #[cold]
    #[inline(never)]
    fn change_owner(&self, owner: u16, me: &Me) {
        let number = me.number.get();
        if owner == number {
            // It is inside another one.
        } else if owner & OWNS != 0 {
            // ORDERING: Relaxed: as in `enter`; the fence of `take_away` shows it to the owner.
            self.owner
                .store(number & !OWNS | WAS_TAKEN, Ordering::Relaxed);
            self.take_away(owner);
        } else if (owner ^ number) & !WAS_TAKEN != OWNS {
            // ORDERING: Relaxed: as in `enter`.
            self.owner
                .store(number & !OWNS | owner & WAS_TAKEN, Ordering::Relaxed);
        } else if me.may_claim(owner & WAS_TAKEN != 0) {
            // ORDERING: Relaxed: as in `enter`.
            self.owner.store(number, Ordering::Relaxed);
        }
    }

    /// Waits until the thread with this number is not inside. The caller has just stored that it is not the owner any more.
    fn take_away(&self, owner: u16) {
        collided();
        let mut round = 0_u32;
        // Only threads with a heavy fence own locks. For a moment the kernel may have no memory for one; a child of a fork asks for it
        // anew; if there is none any more, time is the fence.
        while !heavy_fence() && round < FENCELESS {
            wait_a_moment(round);
            round += 1;
            has_heavy_fence();
        }
        if round == FENCELESS {
            // ORDERING: Relaxed: a hint.
            NO_FENCE.store(true, Ordering::Relaxed);
        }
        // ORDERING: Acquire pairs with the Release of the owner: what it did inside is visible.
        while inside(owner).load(Ordering::Acquire) == self.address() {
            wait_a_moment(round);
            round += 1;
        }
    }
}

/// Access to what a [`BiasedLock`] protects; dropping it unlocks.
#[derive(Debug)]
pub(crate) struct BiasedGuard<'a, T> {
    lock: &'a BiasedLock<T>,
    /// Where this thread says that it is inside, if it owns the lock.
    inside: Option<&'static AtomicUsize>,
    /// So it stays on this thread.
    here: PhantomData<*const ()>,
}

impl<T> BiasedGuard<'_, T> {
    /// Unlocks for as long as `between` takes. What it returns comes second, so that a caller's pattern can name it.
    #[cold]
    pub(crate) fn unlocked<R>(this: Self, between: impl FnOnce() -> R) -> (Self, R) {
        let lock = this.lock;
        drop(this);
        let result = between();
        (lock.lock(), result)
    }
}

impl<T> Deref for BiasedGuard<'_, T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard exists, so this thread has the lock.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for BiasedGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard exists, so this thread has the lock, and `&mut self` is the only way to the value.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T> Drop for BiasedGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        // ORDERING: Release (both) pairs with the Acquire of the next holder, in `take_away` or in `try_hold`.
        match self.inside {
            Some(inside) => inside.store(0, Ordering::Release),
            None => self.lock.word.held.store(0, Ordering::Release),
        }
    }
}
