//! Atomics, cells, locks, threads and the clock: the standard library's, or loom's under `cfg(loom)`.
//!
//! Everything that several threads share goes through this module, so that each protocol can be checked by a loom model in
//! `src/tests/`. The two twins have the same interface; nothing else in the crate needs to know which one it uses.
//!
//! Read [`lock`] for the lock that everything here uses.
//!
//! Limit: loom models fences of sequential consistency, but takes sequentially consistent loads and stores for weaker than
//! they are. Where two sides must see each other, write a relaxed store, `fence(SeqCst)`, a relaxed load.

#[cfg(any(not(loom), test))]
pub(crate) mod lock;
#[cfg(loom)]
mod modelled;
#[cfg(not(loom))]
mod real;

#[cfg(not(loom))]
pub(crate) use lock::{Guard, Lock};
#[cfg(loom)]
pub(crate) use modelled::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Guard, Lock, Ordering, UnsafeCell, fence, now,
    thread, thread_local, wait_a_moment,
};
#[cfg(all(loom, test))]
pub(crate) use modelled::{advance, reset_clock};
#[cfg(not(loom))]
pub(crate) use real::{
    AtomicPtr, AtomicU32, AtomicU64, AtomicUsize, Ordering, UnsafeCell, fence, now, thread,
    thread_local, wait_a_moment,
};
