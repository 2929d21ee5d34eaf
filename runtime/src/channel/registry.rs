//! The channels of a system, for observers: a list per worker, each under its own short lock.
//!
//! A channel enters the list of the worker that makes it, and leaves it when it is freed, wherever that is. Channels made
//! outside of a system are in no list.
//!
//! **Invariants**
//! - A head in a list is alive: it is freed only after it left, under the list's lock.
//! - `Place::index` is the head's index in its list; both change under the list's lock.

#![expect(
    unsafe_code,
    reason = "a list of heads that take themselves out before they are freed"
)]

use std::collections::HashSet;
use std::ptr::NonNull;
use std::sync::Arc;

use crate::channel::head::Head;
use crate::sync::{AtomicUsize, Lock, Ordering};

/// The channels that one worker made.
#[derive(Debug)]
pub(crate) struct Shard(Lock<Vec<Entry>>);

#[derive(Debug, Clone, Copy)]
struct Entry(NonNull<Head>);

// SAFETY: a head is `Sync`, and is alive while it is in the list.
unsafe impl Send for Entry {}

/// Where a channel is listed.
#[derive(Debug)]
pub(crate) struct Place {
    shard: Arc<Shard>,
    index: AtomicUsize,
}

impl Shard {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Lock::new(Vec::new())))
    }

    /// Reserves a place; [`Place::enter`] fills it.
    pub(crate) fn place(self: &Arc<Self>) -> Place {
        Place {
            shard: Arc::clone(self),
            index: AtomicUsize::new(usize::MAX),
        }
    }

    /// Visits every channel. The list is locked meanwhile: makers and breakers of channels wait.
    pub(crate) fn for_each(&self, mut visit: impl FnMut(NonNull<Head>)) {
        for entry in self.0.lock().iter() {
            visit(entry.0);
        }
    }

    /// Calls `found` with the number of each wanted channel, and the address of the task that sent there last.
    pub(crate) fn last_senders(&self, wanted: &HashSet<u64>, mut found: impl FnMut(u64, usize)) {
        self.for_each(|head| {
            let object = head.as_ptr().addr() as u64;
            if wanted.contains(&object) {
                // SAFETY: the list is locked, and its channels are alive.
                let stats = unsafe { head.as_ref() }.vtable.stats;
                // SAFETY: as above.
                found(object, unsafe { stats(head) }.sent_by);
            }
        });
    }
}

impl Place {
    pub(crate) fn enter(&self, head: NonNull<Head>) {
        let mut list = self.shard.0.lock();
        // ORDERING: Relaxed: under the lock.
        self.index.store(list.len(), Ordering::Relaxed);
        list.push(Entry(head));
    }

    pub(crate) fn leave(&self) {
        let mut list = self.shard.0.lock();
        // ORDERING: Relaxed: under the lock.
        let index = self.index.load(Ordering::Relaxed);
        list.swap_remove(index);
        if let Some(moved) = list.get(index) {
            // SAFETY: a head in the list is alive.
            let moved = unsafe { moved.0.as_ref() };
            if let Some(place) = &moved.place {
                // ORDERING: Relaxed: under the lock.
                place.index.store(index, Ordering::Relaxed);
            }
        }
    }
}
