//! Memory of cells that are gone, which each worker keeps for the next ones.
//!
//! The allocator of the C library has seven blocks of a size at hand; behind them it searches, splits and merges, which were
//! 250 of the 1,600 instructions of a process that does nothing. Here a cell's memory is two loads and a store away, and the
//! one that was freed last, which is in the caches, is used first.
//!
//! **Invariants**
//! - A block belongs to a class by its size, and was allocated with the layout of that class: so any of them fits any cell of it.
//! - A worker keeps at most [`KEPT`] bytes; what is more goes back to the allocator.

#![expect(unsafe_code, reason = "blocks without a value, which list each other")]

use std::alloc::{self, Layout};
use std::fmt;
use std::ptr::NonNull;

/// Sizes are rounded up to this, less the word that the allocator of the C library adds to each block: as it does itself.
const STEP: usize = 16;
const ADDED: usize = size_of::<usize>();
/// Larger cells than so many steps are left to the allocator.
const CLASSES: usize = 32;
/// Bytes that a worker keeps. None under Miri, which is to see what is used after it was freed.
const KEPT: usize = if cfg!(miri) { 0 } else { 1 << 20 };

/// A block that is free.
struct Block {
    next: Option<NonNull<Self>>,
}

const _: () = assert!(size_of::<Block>() <= STEP - ADDED && align_of::<Block>() <= STEP);

/// The free blocks of one worker.
#[derive(Default)]
pub(crate) struct Cells {
    /// For each class the block that was freed last.
    last: [Option<NonNull<Block>>; CLASSES],
    bytes: usize,
}

// SAFETY: the blocks belong to the list, and nobody else knows them.
unsafe impl Send for Cells {}

impl fmt::Debug for Cells {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cells")
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// The memory of one kind of cell. A constant of the kind, so that nothing is computed for each cell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Room {
    /// The layout of its blocks.
    block: Layout,
    /// Which list they are in; `None` for those that are left to the allocator.
    class: Option<usize>,
}

impl Room {
    /// The room for a value of this layout.
    pub(crate) const fn of(layout: Layout) -> Self {
        let class = (layout.size() + ADDED).div_ceil(STEP);
        if layout.align() <= STEP
            && class < CLASSES
            && let Some(block) = block(class)
        {
            return Self {
                block,
                class: Some(class),
            };
        }
        Self {
            block: layout,
            class: None,
        }
    }
}

/// The layout of the blocks of a class.
const fn block(class: usize) -> Option<Layout> {
    let Some(size) = (class * STEP).checked_sub(ADDED) else {
        return None;
    };
    match Layout::from_size_align(size, STEP) {
        Ok(layout) => Some(layout),
        Err(_) => None,
    }
}

/// Memory for a cell; `cells` are those of the worker, if the caller is one.
#[inline]
pub(crate) fn take(cells: Option<&mut Cells>, room: Room) -> NonNull<u8> {
    if let Some(class) = room.class
        && let Some(cells) = cells
        && let Some(last) = cells.last[class]
    {
        // SAFETY: a block in the list is free, and holds a `Block`.
        cells.last[class] = unsafe { last.as_ref() }.next;
        cells.bytes -= room.block.size();
        return last.cast();
    }
    allocate(room.block)
}

/// Takes memory back.
///
/// # Safety
/// It came from [`take`] with the same room, and nobody uses it any more.
#[inline]
pub(crate) unsafe fn give(cells: Option<&mut Cells>, place: NonNull<u8>, room: Room) {
    if let Some(class) = room.class
        && let Some(cells) = cells
        && cells.bytes + room.block.size() <= KEPT
    {
        let free = place.cast::<Block>();
        let next = cells.last[class].replace(free);
        // SAFETY: by contract the memory is free, and it is large enough and aligned for a `Block`.
        unsafe { free.write(Block { next }) };
        cells.bytes += room.block.size();
        return;
    }
    // SAFETY: by contract; `take` has used this layout.
    unsafe { alloc::dealloc(place.as_ptr(), room.block) };
}

fn allocate(layout: Layout) -> NonNull<u8> {
    debug_assert!(layout.size() > 0, "a cell has a header");
    // SAFETY: a cell is not empty.
    let place = unsafe { alloc::alloc(layout) };
    NonNull::new(place).unwrap_or_else(|| alloc::handle_alloc_error(layout))
}

impl Drop for Cells {
    fn drop(&mut self) {
        for (class, last) in self.last.iter_mut().enumerate() {
            let Some(layout) = block(class) else {
                continue;
            };
            while let Some(block) = *last {
                // SAFETY: a block in the list is free, and holds a `Block`.
                *last = unsafe { block.as_ref() }.next;
                // SAFETY: it was allocated with the layout of its class, and is in no list any more.
                unsafe { alloc::dealloc(block.as_ptr().cast(), layout) };
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{Cells, KEPT, Room, give, take};
    use std::alloc::Layout;

    fn room(size: usize) -> Room {
        Room::of(Layout::from_size_align(size, 8).expect("a layout"))
    }

    #[test]
    fn what_was_freed_last_is_used_first_and_by_its_class_only() {
        let mut cells = Cells::default();
        let [first, second] = [(); 2].map(|()| take(Some(&mut cells), room(100)));
        for place in [first, second] {
            // SAFETY: taken above with this room.
            unsafe { give(Some(&mut cells), place, room(100)) };
        }
        let other = take(Some(&mut cells), room(88));
        assert!(other != first && other != second);
        // 97 and 104 bytes are of the same class as 100.
        assert_eq!(take(Some(&mut cells), room(104)), second);
        assert_eq!(take(Some(&mut cells), room(97)), first);
        for (place, size) in [(first, 97), (second, 104), (other, 88)] {
            // SAFETY: taken above with this room.
            unsafe { give(None, place, room(size)) };
        }
    }

    #[test]
    fn a_worker_keeps_no_more_than_the_limit() {
        let mut cells = Cells::default();
        let count = 2 * KEPT / 512;
        let places: Vec<_> = (0..count).map(|_| take(None, room(480))).collect();
        for place in places {
            // SAFETY: taken above with this room.
            unsafe { give(Some(&mut cells), place, room(480)) };
        }
        assert!(cells.bytes <= KEPT && cells.bytes + 480 > KEPT);
    }

    #[test]
    fn large_and_strictly_aligned_cells_are_left_to_the_allocator() {
        let mut cells = Cells::default();
        for room in [
            room(4_000),
            Room::of(Layout::from_size_align(64, 64).expect("a layout")),
        ] {
            let place = take(Some(&mut cells), room);
            // SAFETY: taken above with this room.
            unsafe { give(Some(&mut cells), place, room) };
            assert_eq!(cells.bytes, 0);
        }
    }
}
