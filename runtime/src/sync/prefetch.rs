//! Asking for a cache line before it is needed.
//!
//! Most of what a message touches lies in no cache where processes are many, and a locked instruction waits for all loads before
//! it: lines that are asked for one after the other cost about 100 ns each, asked for at once they cost that together.

/// Bytes of a cache line.
const LINE: usize = 64;

/// Asks for the line of this address. A hint, and never a fault: the address may be any.
#[cfg_attr(
    all(target_arch = "x86_64", not(any(miri, loom))),
    expect(unsafe_code, reason = "an instruction that is a hint")
)]
#[inline(always)]
pub(crate) fn prefetch<T>(place: *const T) {
    #[cfg(all(target_arch = "x86_64", not(any(miri, loom))))]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: every processor of this architecture has the instruction, which neither loads nor faults.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(place.cast()) };
    }
    #[cfg(not(all(target_arch = "x86_64", not(any(miri, loom)))))]
    let _ = place;
}

/// Asks for the lines behind the one in which something begins that has so many bytes.
#[inline(always)]
pub(crate) fn prefetch_rest<T>(place: *const T, size: usize) {
    let mut offset = LINE;
    while offset < size {
        prefetch(place.wrapping_byte_add(offset));
        offset += LINE;
    }
}

/// Asks for the two lines before the one of this address.
#[inline(always)]
pub(crate) fn prefetch_before<T>(place: *const T) {
    prefetch(place.wrapping_byte_sub(LINE));
    prefetch(place.wrapping_byte_sub(2 * LINE));
}
