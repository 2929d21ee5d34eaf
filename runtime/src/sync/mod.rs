//! Locks for simple shared state, which processes wait for without blocking their thread.
//!
//! All are fair and cancel-safe, and know who holds them and where they were taken. Prefer a process that owns its state and is
//! asked for it; a lock is for state that has no behaviour of its own.

// For the crate itself this is also the home of atomics, cells, locks, threads and the clock: the standard library's, or loom's
// under `cfg(loom)`. Everything that several threads share goes through here, so that each protocol can be checked by a loom
// model in `src/tests/`. The two twins have the same interface; nothing else in the crate needs to know which one it uses.
// `lock` is the lock that everything here uses, `biased` that of channels.
//
// Limit: loom models fences of sequential consistency, but takes sequentially consistent loads and stores for weaker than they
// are. Where two sides must see each other, write a relaxed store, `fence(SeqCst)`, a relaxed load.

use std::time::Duration;

#[cfg(any(not(loom), test))]
pub(crate) mod biased;
#[cfg(all(target_os = "linux", not(loom)))]
pub(crate) mod kernel;
#[cfg(any(not(loom), test))]
pub(crate) mod lock;
#[cfg(loom)]
mod modelled;
mod prefetch;
#[cfg(not(loom))]
mod real;

#[cfg(not(loom))]
pub(crate) use biased::{BiasedGuard, BiasedLock, Owning, may_own_locks};
#[cfg(not(loom))]
pub(crate) use lock::{Guard, Lock};
#[cfg(loom)]
pub(crate) use modelled::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, BiasedGuard, BiasedLock, Guard, Lock, Ordering,
    Owning, UnsafeCell, fence, fence_after_exchange, has_heavy_fence, heavy_fence, light_fence,
    may_own_locks, now, take_collisions, thread, thread_local, thread_time, wait_a_moment,
};
#[cfg(all(loom, test))]
pub(crate) use modelled::{
    AtomicU8, AtomicU16, advance, collided, reset_clock, without_light_fences,
};
#[cfg(not(loom))]
pub(crate) use real::{
    AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, UnsafeCell,
    collided, fence, fence_after_exchange, has_heavy_fence, heavy_fence, light_fence, now,
    take_collisions, thread, thread_local, thread_time, wait_a_moment,
};

pub(crate) use prefetch::{prefetch, prefetch_before, prefetch_rest};

pub use crate::locks::{
    Holder, MAX_PERMITS, Mutex, MutexGuard, Permit, ReadGuard, RwLock, Semaphore, WriteGuard,
};

/// How long this thread has run since [`thread_time`] said `before`. Where the system does not say, what went by counts.
pub(crate) fn ran_since(before: Option<Duration>, went_by: Duration) -> Duration {
    match (before, thread_time()) {
        (Some(before), Some(now)) => now.saturating_sub(before),
        _ => went_by,
    }
}

/// A body of a thread. Boxed, so that what the standard library does around it is built once and not for each of them.
pub(crate) type Body = Box<dyn FnOnce() + Send>;

/// Starts a thread of the operating system, in models too.
pub(crate) fn start_thread(
    name: String,
    body: Body,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    std::thread::Builder::new().name(name).spawn(body)
}
