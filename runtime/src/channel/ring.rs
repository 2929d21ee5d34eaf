//! The buffer of a channel: a ring of messages, whose memory is made when the first one comes.
//!
//! A `VecDeque` is four words in every channel; this is three, for numbers of messages have 32 bits here, and finds its places with
//! a mask, for its room is a power of two.
//!
//! **Invariants**
//! - `room` is zero or a power of two, and `first < room` unless `room` is zero.
//! - The places from `first` on, `len` of them and round the end, hold messages; the others do not.
//! - `places` are `room` places that belong to the ring; it dangles while `room` is zero.

#![expect(unsafe_code, reason = "places that hold a message or do not")]

use std::alloc::{self, Layout};
use std::iter;
use std::mem::needs_drop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::NonNull;
use std::thread::panicking;

use crate::process::exit::contain;

/// Messages, first in, first out.
pub(super) struct Ring<T> {
    places: NonNull<T>,
    room: u32,
    first: u32,
    len: u32,
}

impl<T> Ring<T> {
    /// Places that are made for the first message.
    const FIRST_ROOM: u32 = 4;

    pub(super) const fn new() -> Self {
        Self {
            places: NonNull::dangling(),
            room: 0,
            first: 0,
            len: 0,
        }
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.len as usize
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The place of the message with this number, from the oldest, or of the next ones to come. There is room.
    #[inline]
    fn place(&self, number: u32) -> NonNull<T> {
        let at = self.first.wrapping_add(number) & (self.room - 1);
        // SAFETY: `at` is below `room`.
        unsafe { self.places.add(at as usize) }
    }

    /// Returns how many there are then.
    #[inline]
    pub(super) fn push_back(&mut self, message: T) -> u32 {
        if self.len == self.room {
            self.grow();
        }
        // SAFETY: there is room behind the last message, so the place is free.
        unsafe { self.place(self.len).write(message) };
        self.len += 1;
        self.len
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> Option<T> {
        if self.len == 0 {
            return None;
        }
        let place = self.place(0);
        self.first = (self.first + 1) & (self.room - 1);
        self.len -= 1;
        // SAFETY: the first place held a message, and is free from now on.
        Some(unsafe { place.read() })
    }

    /// Puts a message before the one with this number; those before it move.
    #[cold]
    pub(super) fn insert(&mut self, number: usize, message: T) {
        debug_assert!(number <= self.len(), "a place in the ring or behind it");
        if self.len == self.room {
            self.grow();
        }
        self.first = self.first.wrapping_sub(1) & (self.room - 1);
        self.len += 1;
        let number = number as u32;
        for before in 0..number {
            let (from, to) = (self.place(before + 1), self.place(before));
            // SAFETY: a message lies there, and the place is free from now on.
            let message = unsafe { from.read() };
            // SAFETY: the first place is free, and each message that moves frees the next one.
            unsafe { to.write(message) };
        }
        // SAFETY: the place was freed above.
        unsafe { self.place(number).write(message) };
    }

    /// The messages, the oldest first.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> + Clone {
        // SAFETY: the places below `len` hold messages, and nobody changes them while this is borrowed.
        (0..self.len).map(|number| unsafe { self.place(number).as_ref() })
    }

    /// How many messages lie before the end of the memory; the others lie at its beginning.
    fn until_end(&self) -> u32 {
        (self.room - self.first).min(self.len)
    }

    /// Moves the messages to twice the room, in order.
    #[cold]
    #[inline(never)]
    fn grow(&mut self) {
        let room = match self.room {
            0 => Some(Self::FIRST_ROOM),
            room => room.checked_mul(2),
        };
        let layout = room.and_then(|room| Layout::array::<T>(room as usize).ok());
        // More than 2³¹ messages, or than memory has addresses for.
        let (Some(room), Some(layout)) = (room, layout) else {
            panic!("a channel has {} messages, and cannot hold more", self.len)
        };
        let places = if layout.size() == 0 {
            NonNull::dangling()
        } else {
            // SAFETY: the layout is not empty.
            let places = unsafe { alloc::alloc(layout) };
            let places = NonNull::new(places.cast::<T>());
            places.unwrap_or_else(|| alloc::handle_alloc_error(layout))
        };
        let (until_end, len) = (self.until_end() as usize, self.len as usize);
        // SAFETY: `first` is at most `room`.
        let oldest = unsafe { self.places.add(self.first as usize) };
        // SAFETY: these places hold messages; the new ones are more, and others.
        unsafe { oldest.copy_to_nonoverlapping(places, until_end) };
        // SAFETY: those before the end are at most all, and the new room is larger.
        let behind = unsafe { places.add(until_end) };
        // SAFETY: as above, for those round the end.
        unsafe { self.places.copy_to_nonoverlapping(behind, len - until_end) };
        free(self.places, self.room);
        self.places = places;
        self.room = room;
        self.first = 0;
    }
}

/// Gives memory back whose messages are gone.
fn free<T>(places: NonNull<T>, room: u32) {
    if let Ok(layout) = Layout::array::<T>(room as usize)
        && layout.size() > 0
    {
        // SAFETY: places with a size were allocated with this layout, and the ring that had them does not use them any more.
        unsafe { alloc::dealloc(places.as_ptr().cast(), layout) };
    }
}

impl<T> Default for Ring<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// The messages are dropped in order, the others also when some panic.
impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        struct Memory<T>(NonNull<T>, u32);
        impl<T> Drop for Memory<T> {
            fn drop(&mut self) {
                free(self.0, self.1);
            }
        }
        // No message is added any more, so the places stay where they are.
        let _memory = Memory(self.places, self.room);
        if needs_drop::<T>() && !self.is_empty() {
            drop_each(iter::from_fn(|| self.pop_front()));
        }
    }
}

/// Drops messages in order, all of them. The first panic of a destructor goes on when they are gone; one more in between would end
/// the program, and so would this one if the thread unwinds already: those go no further.
pub(super) fn drop_each<T>(mut messages: impl Iterator<Item = T>) {
    let mut first = None;
    // UNWIND: the message whose destructor panicked is gone, and the iterator is at the next one.
    while let Err(payload) = catch_unwind(AssertUnwindSafe(|| messages.by_ref().for_each(drop))) {
        let other = if first.is_none() {
            first.replace(payload)
        } else {
            Some(payload)
        };
        contain("a destructor", || drop(other));
    }
    match first {
        Some(payload) if !panicking() => resume_unwind(payload),
        payload => contain("a destructor", || drop(payload)),
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::Ring;
    use std::collections::VecDeque;
    use std::panic::{AssertUnwindSafe, catch_unwind};
    use std::rc::Rc;

    /// Does the same to a ring and to a `VecDeque`, as a small generator chooses.
    #[test]
    fn a_ring_is_a_queue() {
        let (mut ring, mut queue) = (Ring::new(), VecDeque::new());
        let mut random = 1_u32;
        for number in 0..if cfg!(miri) { 300 } else { 20_000 } {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            // More come than go for a while, and then the other way round.
            let comes = if number / 100 % 2 == 0 { 11 } else { 4 };
            let message = Rc::new(number);
            match random >> 28 {
                15 if !queue.is_empty() => {
                    let at = random as usize % queue.len();
                    ring.insert(at, Rc::clone(&message));
                    queue.insert(at, message);
                }
                choice if choice < comes => {
                    ring.push_back(Rc::clone(&message));
                    queue.push_back(message);
                }
                _ => assert_eq!(ring.pop_front(), queue.pop_front()),
            }
            assert_eq!(ring.len(), queue.len());
            assert_eq!(ring.is_empty(), queue.is_empty());
            if number % 16 == 0 {
                assert!(ring.iter().eq(queue.iter()));
            }
        }
        drop(ring);
        assert!(queue.iter().all(|message| Rc::strong_count(message) == 1));
    }

    #[test]
    fn messages_of_any_size_and_alignment_stay_what_they_are() {
        #[derive(Debug, PartialEq, Clone, Copy)]
        #[repr(align(64))]
        struct Wide(u8);
        let (mut wide, mut none) = (Ring::new(), Ring::new());
        for number in 0..100 {
            wide.push_back(Wide(number));
            none.push_back(());
        }
        assert!(wide.iter().copied().eq((0..100).map(Wide)));
        assert!(
            wide.iter()
                .all(|wide| std::ptr::from_ref(wide).addr() % 64 == 0)
        );
        assert_eq!(none.len(), 100);
        assert_eq!(std::iter::from_fn(|| none.pop_front()).count(), 100);
    }

    #[test]
    fn a_message_that_panics_when_it_is_dropped_does_not_keep_the_others() {
        struct Loud {
            is_loud: bool,
            _held: Rc<()>,
        }
        impl Drop for Loud {
            fn drop(&mut self) {
                assert!(!self.is_loud, "loud");
            }
        }
        for loud in 0..6 {
            let count = Rc::new(());
            let mut ring = Ring::new();
            for number in 0..8 {
                ring.push_back(Loud {
                    is_loud: number == loud + 2,
                    _held: Rc::clone(&count),
                });
                // So that the rest lies round the end.
                if number < 2 {
                    drop(ring.pop_front());
                }
            }
            let dropped = catch_unwind(AssertUnwindSafe(|| drop(ring)));
            assert!(dropped.is_err());
            assert_eq!(Rc::strong_count(&count), 1);
        }
    }

    #[test]
    fn messages_that_all_panic_are_all_dropped() {
        struct Loud(#[expect(dead_code, reason = "held")] Rc<()>);
        impl Drop for Loud {
            fn drop(&mut self) {
                panic!("loud");
            }
        }
        let count = Rc::new(());
        let ring = || {
            let mut ring = Ring::new();
            for _ in 0..5 {
                ring.push_back(Loud(Rc::clone(&count)));
            }
            ring
        };
        let dropped = catch_unwind(AssertUnwindSafe(|| drop(ring())));
        assert!(dropped.is_err());
        assert_eq!(Rc::strong_count(&count), 1);
        // While the thread unwinds already.
        let dropped = catch_unwind(AssertUnwindSafe(|| {
            let _ring = ring();
            panic!("another reason");
        }));
        let payload = dropped.expect_err("it panics");
        assert_eq!(payload.downcast_ref(), Some(&"another reason"));
        assert_eq!(Rc::strong_count(&count), 1);
    }

    #[test]
    fn an_empty_ring_is_small_and_holds_nothing() {
        assert!(size_of::<Ring<[u64; 4]>>() <= size_of::<VecDeque<[u64; 4]>>());
        assert!(Ring::<u8>::new().pop_front().is_none());
        assert_eq!(std::mem::take(&mut Ring::<u8>::default()).iter().count(), 0);
    }
}
