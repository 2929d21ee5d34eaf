//! How many clients are served at the same time.
//!
//! **Invariants.** At most `limit` places are taken at any time. A place is given back when it is dropped, however its client ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The places of one input.
#[derive(Clone, Debug)]
pub(super) struct Places {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

/// One place, while it is held.
#[derive(Debug)]
pub(super) struct Place {
    taken: Arc<AtomicUsize>,
}

impl Places {
    /// So many places, all free.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            taken: Arc::default(),
            limit,
        }
    }

    /// Takes a place, if one is free.
    pub(super) fn take(&self) -> Option<Place> {
        let one_more = |taken| (taken < self.limit).then_some(taken + 1);
        // ORDERING: Relaxed, here and below; the number guards nothing but itself.
        let before = self
            .taken
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more);
        before.is_ok().then(|| Place {
            taken: Arc::clone(&self.taken),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.taken.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.take());
        assert!(first.is_some() && second.is_some());
        assert!(places.take().is_none());
        drop(first);
        assert!(places.clone().take().is_some());
    }
}
