//! Where a process waits, and which handler it called: half a word in its cell.
//!
//! Reports at night name the line of the `.await`. A call knows that line, and its handler; what a whole word each would cost in every
//! call and every cell is saved by keeping how far the line's [`Location`] lies from one of our own: all of a program lie together.
//!
//! A receive and a send have no place to keep it in. Their `poll` is told by the compiler where it is called (`#[track_caller]`), which is
//! where they are awaited, and passes it on only when it returns `Pending`. Whoever polls them through a pointer, or in a combinator, is
//! told a line of ours or of the combinator's; [`read`] leaves out those of ours.
//!
//! **Invariants**
//! - A number that is not zero was made by [`at`], in this program. One that cannot be kept is zero: nothing is said then.

#![expect(
    unsafe_code,
    reason = "finds a constant of the program again by its place"
)]

use std::panic::Location;
use std::ptr;

/// Bits of the handler.
const HANDLER: u32 = 8;
/// How far a location may lie from ours, in locations' alignments.
const FAR: isize = 1 << (31 - HANDLER);

/// A location of the program, near which all others lie.
static NEAR: &Location<'static> = Location::caller();

fn near() -> isize {
    ptr::from_ref(NEAR).addr() as isize
}

/// The number of a place in the source, and of a handler that is called there, from 1; zero for none.
#[inline]
pub(crate) fn at(site: &'static Location<'static>, handler: u8) -> u32 {
    let address = ptr::from_ref(site).expose_provenance() as isize;
    let steps = address.wrapping_sub(near()) / align_of::<Location<'static>>() as isize;
    if !(-FAR..FAR).contains(&steps) {
        return 0;
    }
    (steps as u32) << HANDLER | u32::from(handler)
}

/// Whether this file is none of ours, and none of the standard library.
fn is_of_user(file: &str) -> bool {
    let own = file!().trim_end_matches("asked.rs");
    let own = own.trim_end_matches(['/', '\\']).trim_end_matches("task");
    !file.starts_with(own) && !file.contains("library/core/src/")
}

/// What [`at`] was given; `None` for a line of this crate, or of the standard library, which is no place that a user knows.
pub(crate) fn read(asked: u32) -> Option<(&'static Location<'static>, u8)> {
    if asked == 0 {
        return None;
    }
    let steps = (asked as i32 >> HANDLER) as isize;
    let address = near().wrapping_add(steps * align_of::<Location<'static>>() as isize);
    let site: *const Location<'static> = ptr::with_exposed_provenance(address as usize);
    // SAFETY: the number was made of the address of a constant, see the invariant.
    let site = unsafe { &*site };
    (cfg!(test) || is_of_user(site.file())).then_some((site, asked as u8))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::{at, read};
    use std::panic::Location;

    #[test]
    fn a_place_and_a_handler_are_found_again() {
        for handler in [0, 1, 255] {
            let here = Location::caller();
            let found = read(at(here, handler));
            assert_eq!(found, Some((here, handler)));
        }
        assert_eq!(read(0), None);
    }

    #[test]
    fn a_place_that_is_far_away_is_not_kept() {
        let far: &'static Location<'static> = Box::leak(Box::new(*Location::caller()));
        // The heap is far from the constants, or near: either way nothing wrong is said.
        assert!(read(at(far, 3)).is_none_or(|found| found == (far, 3)));
    }
}
