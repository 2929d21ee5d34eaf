//! The waits of a process that waits for several things at once, where the search for leaks can read them.
//!
//! A process that waits for one thing, as most do, says so in its line of counters and has nothing here. The others get a short
//! list with their slot when they first need one, and keep it: the memory of a list is never given to anything else while the
//! system lives, so a reader may look at any time, and finds out from the `seq` of the line whether what it read belongs together.
//!
//! **Invariants**
//! - Only the worker that polls the process writes its list, before it parks.

use std::sync::OnceLock;

use crate::sync::{AtomicU64, Ordering};
use crate::task::registry::WaitKind;

/// Waits of one poll that are kept apart. A process that has more waits for something unknown as well.
pub(crate) const MOST: usize = 16;
/// Waits in one piece of a list.
const PIECE: usize = 4;

/// One wait, as the poll noted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Noted {
    pub(crate) kind: WaitKind,
    pub(crate) object: u64,
}

/// A piece of the list of one slot.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    kinds: [AtomicU64; PIECE],
    objects: [AtomicU64; PIECE],
    next: OnceLock<Box<Self>>,
}

impl Waits {
    /// Writes the waits of a poll that is about to park.
    pub(crate) fn write(&self, waits: impl Iterator<Item = Noted>) {
        let mut piece = self;
        for (at, wait) in waits.enumerate() {
            if at > 0 && at % PIECE == 0 {
                piece = piece.next.get_or_init(Box::default);
            }
            // ORDERING: Relaxed: see `registry::Line`; the state word publishes them when the process parks.
            piece.kinds[at % PIECE].store(wait.kind as u64, Ordering::Relaxed);
            piece.objects[at % PIECE].store(wait.object, Ordering::Relaxed);
        }
    }

    /// Calls `found` with the first `count` waits.
    pub(crate) fn read(&self, count: usize, mut found: impl FnMut(Noted)) {
        let mut piece = Some(self);
        let mut left = count;
        while let Some(at) = piece.filter(|_| left > 0) {
            for (kind, object) in at.kinds.iter().zip(&at.objects).take(left) {
                // ORDERING: Relaxed: as in `write`.
                found(Noted {
                    kind: WaitKind::from_u8(kind.load(Ordering::Relaxed) as u8),
                    object: object.load(Ordering::Relaxed),
                });
            }
            left = left.saturating_sub(PIECE);
            piece = at.next.get().map(|next| &**next);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Noted, Waits};
    use crate::task::registry::WaitKind;

    #[test]
    fn a_list_gives_back_what_was_written_last() {
        let list = Waits::default();
        for count in [1, 4, 5, 16, 2] {
            let waits: Vec<_> = (0..count)
                .map(|object| Noted {
                    kind: WaitKind::Recv,
                    object,
                })
                .collect();
            list.write(waits.iter().copied());
            let mut found = Vec::new();
            list.read(waits.len(), |wait| found.push(wait));
            assert_eq!(found, waits);
        }
    }
}
