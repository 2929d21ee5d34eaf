//! Where the scope is kept that a process was given for its own children.
//!
//! Every function has such a place, and most never ask for a scope: so it is one word, and finding it empty is one load.
//!
//! **Invariants**
//! - The word is a pointer that came from an `Arc` and owns one count of it, or null; with [`BUSY`] added while a thread uses it.
//! - Null means that there is no scope: only the process itself makes one.
//!
//! Model: `tests/loom_scope.rs`.

#![expect(unsafe_code, reason = "a pointer that owns one count of an `Arc`")]

use std::ptr;
use std::sync::Arc;

use crate::error::Error;
use crate::scope::ScopeInner;
use crate::sync::{AtomicPtr, Ordering, wait_a_moment};

/// Added to the pointer, whose lowest bit is free.
const BUSY: usize = 1;

const _: () = assert!(align_of::<ScopeInner>() > BUSY, "the lowest bit is free");

/// The place of a scope.
///
/// A failure in the scope is the failure of its process, unless that has seen it, or has one itself. What fails there later,
/// when the process has ended, is handed on to the scope of the process.
#[derive(Debug)]
pub(crate) struct Own(AtomicPtr<ScopeInner>);

impl Own {
    pub(crate) fn new() -> Self {
        Self(AtomicPtr::new(ptr::null_mut()))
    }

    /// The scope, made when its process first asks for it. By the process only.
    pub(crate) fn get_or_make(&self, make: impl FnOnce() -> Arc<ScopeInner>) -> Arc<ScopeInner> {
        self.get().unwrap_or_else(|| {
            let own = make();
            // Its process is told how it has failed.
            own.is_owned();
            let pointer = Arc::into_raw(Arc::clone(&own)).cast_mut();
            // ORDERING: AcqRel: the scope is visible to whoever sees the pointer; and what was there is seen here.
            let before = self.0.swap(pointer, Ordering::AcqRel);
            debug_assert!(before.is_null(), "only the process makes its scope");
            own
        })
    }

    #[inline]
    pub(crate) fn get(&self) -> Option<Arc<ScopeInner>> {
        let pointer = self.enter()?;
        // SAFETY: the word owns a count, which nobody takes while it is busy.
        unsafe { Arc::increment_strong_count(pointer) };
        // ORDERING: Release: who enters next sees what was done here.
        self.0.store(pointer, Ordering::Release);
        // SAFETY: counted above.
        Some(unsafe { Arc::from_raw(pointer) })
    }

    #[inline]
    pub(crate) fn take(&self) -> Option<Arc<ScopeInner>> {
        let pointer = self.enter()?;
        // ORDERING: Release: as in `get`.
        self.0.store(ptr::null_mut(), Ordering::Release);
        // SAFETY: the count of the word, which is empty now.
        Some(unsafe { Arc::from_raw(pointer) })
    }

    /// The failure that its process has not seen.
    #[inline]
    pub(crate) fn failure(&self) -> Option<Error> {
        self.get()?.unseen_failure().err()
    }

    /// The pointer, which is nobody else's until something is stored.
    #[inline]
    fn enter(&self) -> Option<*mut ScopeInner> {
        // ORDERING: Relaxed: null carries nothing.
        if self.0.load(Ordering::Relaxed).is_null() {
            return None;
        }
        self.enter_full()
    }

    #[cold]
    fn enter_full(&self) -> Option<*mut ScopeInner> {
        let mut round = 0;
        loop {
            // ORDERING: Relaxed: only the first guess, and null carries nothing.
            let seen = self.0.load(Ordering::Relaxed);
            if seen.is_null() {
                return None;
            }
            let free = seen.map_addr(|address| address & !BUSY);
            let busy = seen.map_addr(|address| address | BUSY);
            // ORDERING: Acquire pairs with the Release of whoever stored the pointer: the scope is visible.
            let entered = self
                .0
                .compare_exchange(free, busy, Ordering::Acquire, Ordering::Relaxed);
            if entered.is_ok() {
                return Some(free);
            }
            wait_a_moment(round);
            round += 1;
        }
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(self.take());
    }
}
