//! Whether a scope lives, for those who must not keep it alive: the count of what is alive in it, apart from all that it owns.
//!
//! A channel that refuses senders from outside of a scope asks it under its own lock. The scope itself may own errors and values of the
//! user's, whose destructors may use that very channel, so the last reference to it must never go there; this owns nothing.
//!
//! **Invariant**: a scope that has stopped, and in which nothing is alive, is over for ever.

use std::sync::Arc;

use crate::sync::AtomicUsize;

/// See the header.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) scope: u64,
    around: Option<Arc<Self>>,
    /// `tree::STOPPING`, `tree::WATCHED`, and the number of processes and child scopes that have not ended. One word, so that a spawn and a
    /// stop cannot miss each other: whichever comes second sees the first.
    pub(super) word: AtomicUsize,
}

impl Life {
    pub(super) fn new(scope: u64, around: Option<Arc<Self>>) -> Arc<Self> {
        Arc::new(Self {
            scope,
            around,
            word: AtomicUsize::new(0),
        })
    }

    /// Whether this scope is the other one, or lies inside it.
    pub(crate) fn is_within(&self, other: &Self) -> bool {
        let mut scope = Some(self);
        while let Some(at) = scope {
            if at.scope == other.scope {
                return true;
            }
            scope = at.around.as_deref();
        }
        false
    }
}

#[cfg(all(test, not(loom)))]
impl Life {
    pub(crate) fn with_alive(scope: u64, around: Option<&Arc<Self>>, alive: usize) -> Arc<Self> {
        let life = Self::new(scope, around.map(Arc::clone));
        life.set_alive(alive);
        life
    }

    pub(crate) fn set_alive(&self, alive: usize) {
        // ORDERING: Relaxed: one thread.
        self.word.store(alive, crate::sync::Ordering::Relaxed);
    }
}
