//! What production uses: the standard library, with loom's interface where the two differ.

use std::cell::Cell;
use std::time::{Duration, Instant};

pub(crate) use std::sync::atomic::{
    AtomicPtr, AtomicU8, AtomicU16, AtomicU32, AtomicU64, AtomicUsize, Ordering, fence,
};
pub(crate) use std::{thread, thread_local};

/// `std`'s cell with loom's interface.
#[derive(Debug, Default)]
#[repr(transparent)]
pub(crate) struct UnsafeCell<T: ?Sized>(std::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(std::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with a pointer for reading.
    #[inline]
    pub(crate) fn with<R>(&self, f: impl FnOnce(*const T) -> R) -> R {
        f(self.0.get())
    }

    /// Calls `f` with a pointer for writing.
    #[inline]
    pub(crate) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }

    #[inline]
    pub(crate) fn into_inner(self) -> T {
        self.0.into_inner()
    }
}

/// A fence of sequential consistency, directly after a read-modify-write of this thread.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
pub(crate) fn fence_after_exchange() {
    // ORDERING: SeqCst: said by the caller.
    fence(Ordering::SeqCst);
}

/// A fence of sequential consistency, directly after a read-modify-write of this thread. On this processor every locked
/// instruction is one (Intel, *Software Developer's Manual* 3A, 8.2.2); only the compiler must be kept from reordering.
#[cfg(target_arch = "x86_64")]
#[inline]
pub(crate) fn fence_after_exchange() {
    // ORDERING: SeqCst for the compiler: said by the caller.
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// The clock.
#[inline]
pub(crate) fn now() -> Instant {
    Instant::now()
}

/// One step of waiting for a lock: spins for about a microsecond in all, then sleeps of 1 µs to 1 ms.
pub(crate) fn wait_a_moment(round: u32) {
    match round {
        // The holder is running and will be done.
        0..40 => {
            for _ in 0..8 {
                std::hint::spin_loop();
            }
        }
        40..44 => thread::yield_now(),
        // The holder was preempted.
        _ => thread::sleep(Duration::from_micros(1 << (round - 44).min(10))),
    }
}

/// Asks the system for [`heavy_fence`]; false where it has none.
pub(crate) fn has_heavy_fence() -> bool {
    #[cfg(target_os = "linux")]
    {
        crate::sync::kernel::register_membarrier()
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// One half of a sequentially consistent fence, for the side that runs often; [`heavy_fence`] is the other. Costs nothing.
#[inline]
pub(crate) fn light_fence() {
    // ORDERING: SeqCst for the compiler: the processor is told by `heavy_fence`.
    std::sync::atomic::compiler_fence(Ordering::SeqCst);
}

/// Makes every thread of the program pass a fence before it returns, so that a [`light_fence`] is enough on the other side.
/// Takes some microseconds. False if there was none.
pub(crate) fn heavy_fence() -> bool {
    #[cfg(target_os = "linux")]
    {
        crate::sync::kernel::membarrier()
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// How long this thread has run on a processor; `None` where the system does not say.
pub(crate) fn thread_time() -> Option<Duration> {
    #[cfg(target_os = "linux")]
    {
        crate::sync::kernel::thread_time()
    }
    #[cfg(not(target_os = "linux"))]
    None
}

thread_local! {
    static COLLISIONS: Cell<u32> = const { Cell::new(0) };
}

/// Counts that this thread had to wait for a short lock.
pub(crate) fn collided() {
    COLLISIONS.with(|count| count.set(count.get().saturating_add(1)));
}

/// How often this thread had to wait for a short lock since it last asked.
pub(crate) fn take_collisions() -> u32 {
    COLLISIONS.with(|count| count.replace(0))
}
