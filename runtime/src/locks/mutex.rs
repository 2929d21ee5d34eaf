//! A mutex that is waited for without blocking the thread.

#![expect(unsafe_code, reason = "a lock hands out access to what it owns")]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::{Arc, Weak};

use super::gate::{Acquire, Gate, Holder, Lease};
use crate::blocking::block_on;
use crate::process::port::{Trace, Visitor};
use crate::sync::UnsafeCell;

/// Protects a value that several processes share: for simple shared state, where a process of its own would be too much.
///
/// Fair: who asked first gets it first. The guard may be kept over an `.await`, but whoever does keeps all others waiting; a
/// process that owns the value and is asked for it is then the better way. Not poisoned: a panic while it is held gives it
/// back with the value as it was left. A process that locks twice waits for itself.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// use roundrock::sync::Mutex;
/// use std::sync::Arc;
///
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let total = Arc::new(Mutex::new(0));
/// let adders = (1..=3).map(|n| {
///     let total = Arc::clone(&total);
///     scope.task("adder", async move { *total.lock().await += n })
/// });
/// for adder in adders.collect::<Vec<_>>() {
///     adder.await?;
/// }
/// assert_eq!(*total.lock().await, 6);
/// # Ok(()) }) }
/// ```
pub struct Mutex<T> {
    gate: Arc<Gate>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through a guard only, one at a time; guards move it between threads, so it must be `Send`.
unsafe impl<T: Send> Sync for Mutex<T> {}
// SAFETY: the mutex owns the value.
unsafe impl<T: Send> Send for Mutex<T> {}

impl<T> Mutex<T> {
    /// Makes a mutex.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self {
            gate: Arc::new(Gate::of_one(Location::caller())),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits for the value.
    ///
    /// Cancellation: dropping the future gives the place in the queue back, and the lock if it was granted at that moment.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// use roundrock::sync::Mutex;
    /// use std::sync::Arc;
    ///
    /// let total = Arc::new(Mutex::new(0));
    /// let other = Arc::clone(&total);
    /// let adder = scope.task("adder", async move { *other.lock().await += 1 });
    /// adder.await?;
    /// let guard = total.lock().await;             // held until it is dropped
    /// assert!(total.try_lock().is_none());
    /// assert_eq!(*guard, 1);
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn lock(&self) -> impl Future<Output = MutexGuard<'_, T>> + Send + use<'_, T>
    where
        T: Send,
    {
        let waiting = Acquire::new(&self.gate, Location::caller(), 1);
        async move {
            MutexGuard {
                lease: waiting.await,
                mutex: self,
            }
        }
    }

    /// Returns the value if nobody holds it or waits for it.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// use roundrock::sync::Mutex;
    ///
    /// let total = Mutex::new(1);
    /// let guard = total.lock().await;
    /// assert!(total.try_lock().is_none(), "it is held");
    /// drop(guard);
    /// assert_eq!(total.try_lock().map(|total| *total), Some(1));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let lease = Lease::try_new(&self.gate, Location::caller(), 1)?;
        Some(MutexGuard { lease, mutex: self })
    }

    /// Waits for the value on a plain thread.
    ///
    /// # Panics
    /// On a worker of a Roundrock system: it would block that worker.
    #[track_caller]
    pub fn blocking_lock(&self) -> MutexGuard<'_, T>
    where
        T: Send,
    {
        crate::blocking::refuse_on_worker("`Mutex::blocking_lock`", crate::blocking::AWAIT);
        block_on(self.lock())
    }

    /// Returns who holds it, if somebody does, and where it was taken.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
    /// use roundrock::sync::Mutex;
    ///
    /// let total = Mutex::new(1);
    /// assert!(total.holder().is_none());
    /// let _guard = total.lock().await;
    /// assert!(total.holder().is_some());
    /// # Ok(()) }) }
    /// ```
    pub fn holder(&self) -> Option<Holder> {
        self.gate.holders().first().copied()
    }

    /// Returns how many wait for it.
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }

    /// Returns access to the value, which nobody else can have.
    pub fn get_mut(&mut self) -> &mut T {
        // SAFETY: `self` is borrowed exclusively, so there is no guard.
        self.value.with_mut(|value| unsafe { &mut *value })
    }

    /// Returns the value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

#[cfg(all(test, not(loom)))]
impl<T> Mutex<T> {
    pub(crate) fn gate(&self) -> &Gate {
        &self.gate
    }
}

// A process that was lent the `Arc` has guards that borrow from that, so they cannot leave it; see `gate`.
impl<T: Send + 'static> Trace for Arc<Mutex<T>> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        let shared = || -> Weak<dyn Send + Sync> { Arc::<Mutex<T>>::downgrade(self) };
        let (address, size) = (Arc::as_ptr(self).addr(), size_of::<Mutex<T>>());
        visitor.add_lock(name, &self.gate, (address, size), shared);
    }
}

impl<T: Default> Default for Mutex<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mutex")
            .field("holder", &self.holder())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

/// Access to what a [`Mutex`] protects; dropping it gives it to the next.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::sync::{Mutex, MutexGuard};
///
/// fn bump(mut value: MutexGuard<'_, u32>) {
///     *value += 1;
/// }                                           // gives it to the next
///
/// let value = Mutex::new(1);
/// bump(value.lock().await);
/// assert_eq!((value.waiting(), value.into_inner()), (0, 2));
/// # Ok(()) }) }
/// ```
pub struct MutexGuard<'a, T> {
    #[expect(dead_code, reason = "gives the lock back when it is dropped")]
    lease: Lease<&'a Arc<Gate>>,
    mutex: &'a Mutex<T>,
}

// SAFETY: a shared guard gives out `&T`.
unsafe impl<T: Sync> Sync for MutexGuard<'_, T> {}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lease is the only one, and lives as long as the guard.
        self.mutex.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        self.mutex.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T: fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
