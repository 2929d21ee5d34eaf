//! Where a parked operation keeps its message, for its peer to take it out or put one in.
//!
//! **Invariant**: one side touches a place at a time: the owner, and while the operation is parked its peer; see `wait`.

#![expect(
    unsafe_code,
    reason = "messages in places that a peer knows by address"
)]

use std::ptr::NonNull;

use crate::sync::UnsafeCell;

/// Where an operation keeps its message. While the operation is parked, only the peer that completes it comes here, under the
/// lock; before and after, only its owner.
pub(crate) type Place<T> = UnsafeCell<Option<T>>;

/// Puts a message into a place.
///
/// # Safety
/// `place` is a living `Place<T>` that nobody else touches now.
#[inline]
pub(crate) unsafe fn fill<T>(place: NonNull<()>, message: T) {
    // SAFETY: by contract.
    let place = unsafe { place.cast::<Place<T>>().as_ref() };
    // SAFETY: as above.
    place.with_mut(|place| unsafe { *place = Some(message) });
}

/// Takes the message out of a place.
///
/// # Safety
/// As for [`fill`].
#[inline]
pub(crate) unsafe fn empty<T>(place: NonNull<()>) -> Option<T> {
    // SAFETY: by contract.
    let place = unsafe { place.cast::<Place<T>>().as_ref() };
    // SAFETY: as above.
    place.with_mut(|place| unsafe { (*place).take() })
}
