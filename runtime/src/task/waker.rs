//! Wakers: ours inside, the standard one towards futures that are not ours.
//!
//! A [`TaskWaker`] is what a parked wait of ours holds: a reference to the task that costs nothing to take while the task
//! polls itself, and that a wake consumes. A [`Waker`] that a foreign future cloned is counted as *outside*, because nobody
//! can know who will use it.

#![expect(unsafe_code, reason = "RawWaker is an unsafe interface")]

use std::mem::ManuallyDrop;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};
use std::task::{Context, RawWaker, RawWakerVTable, Waker};

use crate::task::TaskRef;
use crate::task::cell::{self, Header};
use crate::task::current;
use crate::task::state::Notify;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake_by_ref, drop_waker);

/// The waker of a task for the length of one poll; it holds no reference.
pub(crate) fn borrowed(header: NonNull<Header>) -> ManuallyDrop<Waker> {
    // SAFETY: the vtable upholds the contract of `RawWaker`; the reference that a drop would release was not taken, hence
    // `ManuallyDrop`.
    ManuallyDrop::new(unsafe { Waker::new(header.as_ptr().cast_const().cast(), &VTABLE) })
}

/// The task behind a waker, if it is one of ours.
#[inline]
fn task_of(waker: &Waker) -> Option<NonNull<Header>> {
    if ptr::eq(waker.vtable(), &raw const VTABLE) {
        NonNull::new(waker.data().cast_mut().cast())
    } else {
        None
    }
}

/// Whom to wake when a wait ends.
#[derive(Debug)]
pub(crate) enum TaskWaker {
    /// A process of ours.
    Task(TaskRef),
    /// Anything else that polls: another executor, or a combinator that wraps the process's waker.
    Other(Waker),
}

impl TaskWaker {
    /// Whoever polls now.
    #[inline]
    pub(crate) fn of(cx: &Context<'_>) -> Self {
        match task_of(cx.waker()) {
            Some(header) => Self::Task(current::reference(header)),
            None => Self::Other(cx.waker().clone()),
        }
    }

    /// Whether this wakes the one who polls now.
    #[inline]
    pub(crate) fn is(&self, cx: &Context<'_>) -> bool {
        match self {
            Self::Task(task) => task_of(cx.waker()) == Some(task.header()),
            Self::Other(waker) => waker.will_wake(cx.waker()),
        }
    }

    /// Tells two wakers apart; compared, and never followed.
    pub(crate) fn address(&self) -> usize {
        match self {
            Self::Task(task) => task.header().as_ptr().addr(),
            Self::Other(waker) => waker.data().addr(),
        }
    }

    /// Wakes and is used up. Never panics.
    #[inline]
    pub(crate) fn wake(self) {
        match self {
            Self::Task(task) => task.wake(),
            Self::Other(waker) => wake_foreign(waker),
        }
    }
}

/// Wakes somebody else's waker, which may be any code: its panic must not reach the worker, nor keep others from being woken.
#[cold]
fn wake_foreign(waker: Waker) {
    // UNWIND: the waker is used up either way; the panic was reported by the panic hook.
    if catch_unwind(AssertUnwindSafe(|| waker.wake())).is_err() {
        tracing::error!(target: "roundrock::process", "a waker that is not Roundrock's panicked");
    }
}

unsafe fn clone(data: *const ()) -> RawWaker {
    // SAFETY: a waker with this vtable was made by `borrowed` or by this function, over a living task.
    let header = unsafe { &*data.cast::<Header>() };
    header.state.retain_outside();
    RawWaker::new(data, &VTABLE)
}

unsafe fn wake(data: *const ()) {
    // SAFETY: the caller hands over this waker, so `wake_by_ref` and then a drop are allowed.
    unsafe { wake_by_ref(data) };
    // SAFETY: as above.
    unsafe { drop_waker(data) };
}

unsafe fn wake_by_ref(data: *const ()) {
    // SAFETY: a waker with this vtable keeps its task alive, or is borrowed from a poll that does.
    let header = unsafe { &*data.cast::<Header>() };
    if header.state.notify() == Notify::Queue {
        header.scheduler().schedule(NonNull::from(header));
    }
}

unsafe fn drop_waker(data: *const ()) {
    // SAFETY: as in `clone`.
    let header = unsafe { &*data.cast::<Header>() };
    if header.state.release_outside() {
        // SAFETY: that was the last reference.
        unsafe { cell::free(NonNull::from(header)) };
    }
}
