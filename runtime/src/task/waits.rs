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
use crate::task::flags::KINDS;
use crate::task::registry::{Line, WaitKind};

/// Waits of one poll that are kept apart: as many as can be counted, less one. A process that has more waits for something unknown as
/// well.
pub(crate) const MOST: usize = 126;
/// Waits in one piece of a list.
const PIECE: usize = 4;

/// One wait, as the poll noted it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) struct Noted {
    pub(crate) kind: WaitKind,
    pub(crate) object: u64,
}

/// What a poll has said of its waits, laid out as the low half of the wait word: `kinds:16 | kept:4 | kind:4 | edge:1 | noted:7`.
/// The edge is the one process that a wait is for, if that is known. Kept are timers that the loop of a struct process has beside its
/// handlers; never of a `select!`.
///
/// One word also while the process runs: parts of it that are written one by one, and read together a moment later, would have to
/// leave the store buffer of the processor first.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Said(u32);

impl Said {
    pub(crate) const NOTHING: Self = Self(0);
    /// The largest number of waits that it counts.
    const MOST: u8 = (1 << 7) - 1;
    const KEPT: u32 = 0xf000;

    /// One bit for each kind of wait, by its number, and what else there is to say.
    #[inline]
    pub(crate) fn kinds(self) -> u16 {
        (self.0 >> 16) as u16
    }

    /// The kind of the wait that was noted last.
    #[inline]
    pub(crate) fn kind(self) -> WaitKind {
        WaitKind::from_u8((self.0 >> 8) as u8)
    }

    /// The same, with so many timers that the loop of the process keeps; more than fit are as many as fit.
    #[cold]
    #[must_use]
    pub(crate) fn keeps(self, timers: usize) -> Self {
        if self.kind() == WaitKind::Select {
            return self;
        }
        Self(self.0 & !Self::KEPT | (timers.min(15) as u32) << Self::KEPT.trailing_zeros())
    }

    /// How many timers the loop of a process keeps, as its last poll has said in this wait word.
    pub(crate) fn kept_in(word: u64) -> usize {
        ((word as u32 & Self::KEPT) >> Self::KEPT.trailing_zeros()) as usize
    }

    /// How many waits were noted, up to 127.
    #[inline]
    pub(crate) fn noted(self) -> usize {
        usize::from(self.0 as u8 & Self::MOST)
    }

    /// Whether one word does not tell all: there are several waits, or one for any of several objects.
    #[inline]
    pub(crate) fn needs_list(self) -> bool {
        self.noted() > 1 || (self.0 >> 8) as u8 == WaitKind::Select as u8
    }

    /// One wait more.
    #[inline]
    #[must_use]
    pub(crate) fn and(self, kind: WaitKind) -> Self {
        let noted = u32::from(self.noted() < usize::from(Self::MOST));
        self.last(kind).and_kinds(kind.bit()).plus(noted)
    }

    /// The same, with a wait for the process with this id only; zero: that is not known.
    #[inline]
    #[must_use]
    pub(crate) fn and_edge(self, to: u64) -> Self {
        // The id of a process that lives is odd in its upper half, see `registry::Line`.
        const { assert!(Line::EDGE == 1 << 7) };
        Self(self.0 | (to >> (32 - 7)) as u32 & Line::EDGE as u32)
    }

    /// Whether one of the waits is for one process only.
    #[inline]
    pub(crate) fn has_edge(self) -> bool {
        self.0 & Line::EDGE as u32 != 0
    }

    /// What was said that is not of a wait.
    #[inline]
    #[must_use]
    pub(crate) fn without_waits(self) -> Self {
        Self::NOTHING.and_kinds(self.kinds() & !KINDS)
    }

    #[inline]
    fn plus(self, noted: u32) -> Self {
        Self(self.0 + noted)
    }

    /// The same with another kind as the last one.
    #[inline]
    #[must_use]
    pub(crate) fn last(self, kind: WaitKind) -> Self {
        Self(self.0 & !0xff00 | (kind as u32) << 8)
    }

    /// The same with more kinds.
    #[inline]
    #[must_use]
    pub(crate) fn and_kinds(self, kinds: u16) -> Self {
        Self(self.0 | u32::from(kinds) << 16)
    }

    /// The same with these kinds instead.
    #[must_use]
    pub(crate) fn only_kinds(self, kinds: u16) -> Self {
        Self(self.0 & 0xffff | u32::from(kinds) << 16)
    }

    /// The wait word of a process that has waited since this tick of the coarse clock.
    #[inline]
    pub(crate) fn word(self, since_ms: u32) -> u64 {
        u64::from(since_ms) << 32 | u64::from(self.0)
    }
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
            // ORDERING: Release: see `registry::Line`.
            piece.kinds[at % PIECE].store(wait.kind as u64, Ordering::Release);
            piece.objects[at % PIECE].store(wait.object, Ordering::Release);
        }
    }

    /// Calls `found` with the first `count` waits.
    pub(crate) fn read(&self, count: usize, mut found: impl FnMut(Noted)) {
        let mut piece = Some(self);
        let mut left = count;
        while let Some(at) = piece.filter(|_| left > 0) {
            for (kind, object) in at.kinds.iter().zip(&at.objects).take(left) {
                // ORDERING: Relaxed: see `registry::Line`; the reader fences before it looks at `seq` again.
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
    use super::{Noted, Said, Waits};
    use crate::task::registry::{Line, WaitKind};

    #[test]
    fn what_was_said_is_in_the_word() {
        let said = Said::NOTHING.and(WaitKind::Send).and(WaitKind::Recv);
        assert_eq!((said.kind(), said.noted()), (WaitKind::Recv, 2));
        assert_eq!(said.kinds(), WaitKind::Send.bit() | WaitKind::Recv.bit());
        assert_eq!(said.word(7), 7 << 32 | 0b110 << 16 | 1 << 8 | 2);
        let said = (0..300).fold(said.and_kinds(1 << 15), |said, _| said.and(WaitKind::Recv));
        assert_eq!((said.noted(), said.kinds() >> 15), (127, 1));
        let any = said.only_kinds(0).last(WaitKind::Select);
        assert_eq!(
            (any.kinds(), any.kind(), any.noted()),
            (0, WaitKind::Select, 127)
        );
        assert!(any.needs_list() && !Said::NOTHING.and(WaitKind::Timer).needs_list());
        assert!(Said::NOTHING.last(WaitKind::Select).needs_list());
        let any = any.keeps(3);
        assert_eq!(
            (any.kind(), Said::kept_in(any.word(0))),
            (WaitKind::Select, 0)
        );
        let call = Said::NOTHING.and(WaitKind::Reply);
        for (timers, kept) in [(0, 0), (3, 3), (200, 15)] {
            let keeps = call.keeps(7).keeps(timers);
            assert_eq!((keeps.kind(), keeps.noted()), (WaitKind::Reply, 1));
            assert_eq!(Said::kept_in(keeps.word(u32::MAX)), kept);
        }
        assert_eq!(
            call.and_edge(5 << 32 | 6).word(0),
            call.word(0) | Line::EDGE
        );
        assert_eq!(call.and_edge(0).word(0), call.word(0));
    }

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
