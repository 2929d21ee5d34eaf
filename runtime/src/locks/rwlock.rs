//! A lock for many readers or one writer, that is waited for without blocking the thread.

#![expect(unsafe_code, reason = "a lock hands out access to what it owns")]

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::{Arc, Weak};

use super::gate::{Acquire, Gate, Holder, Lease};
use crate::process::port::{Trace, Visitor};
use crate::sync::UnsafeCell;

/// Readers at the same time; a writer takes all of these permits.
const READERS: u32 = 1 << 20;

/// Protects a value that several processes share: many may read it at the same time, or one may write it.
///
/// Fair: who asked first gets it first, so a reader that comes after a writer waits behind it, also while others still read. A
/// process that holds a guard and asks for another one may wait for itself. Not poisoned, as [`Mutex`](super::Mutex).
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// use roundrock::sync::RwLock;
///
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// let routes = RwLock::new(vec!["/"]);
/// {
///     let (one, other) = (routes.read().await, routes.read().await);
///     assert_eq!(one.len() + other.len(), 2);
///     assert!(routes.try_write().is_none());
/// }
/// routes.write().await.push("/health");
/// assert_eq!(routes.read().await.len(), 2);
/// # Ok(()) }) }
/// ```
pub struct RwLock<T> {
    gate: Arc<Gate>,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached through guards only: many that read, on several threads, or one that writes.
unsafe impl<T: Send + Sync> Sync for RwLock<T> {}
// SAFETY: the lock owns the value.
unsafe impl<T: Send> Send for RwLock<T> {}

impl<T> RwLock<T> {
    /// Makes a lock.
    #[track_caller]
    pub fn new(value: T) -> Self {
        Self {
            gate: Arc::new(Gate::of_readers(Location::caller(), READERS)),
            value: UnsafeCell::new(value),
        }
    }

    /// Waits until no writer holds the value or asked for it before.
    ///
    /// Cancellation: dropping the future gives the place in the queue back, and the lock if it was granted at that moment.
    #[track_caller]
    pub fn read(&self) -> impl Future<Output = ReadGuard<'_, T>> + Send + use<'_, T>
    where
        T: Send + Sync,
    {
        let waiting = Acquire::new(&self.gate, Location::caller(), 1);
        async move {
            ReadGuard {
                lease: waiting.await,
                lock: self,
            }
        }
    }

    /// Waits until nobody holds the value.
    ///
    /// Cancellation: as for [`read`](Self::read).
    #[track_caller]
    pub fn write(&self) -> impl Future<Output = WriteGuard<'_, T>> + Send + use<'_, T>
    where
        T: Send + Sync,
    {
        let waiting = Acquire::new(&self.gate, Location::caller(), READERS);
        async move {
            WriteGuard {
                lease: waiting.await,
                lock: self,
            }
        }
    }

    /// Returns the value for reading if nobody writes it or waits.
    #[track_caller]
    pub fn try_read(&self) -> Option<ReadGuard<'_, T>> {
        let lease = Lease::try_new(&self.gate, Location::caller(), 1)?;
        Some(ReadGuard { lease, lock: self })
    }

    /// Returns the value for writing if nobody holds it or waits.
    #[track_caller]
    pub fn try_write(&self) -> Option<WriteGuard<'_, T>> {
        let lease = Lease::try_new(&self.gate, Location::caller(), READERS)?;
        Some(WriteGuard { lease, lock: self })
    }

    /// Returns who holds it, and where it was taken.
    pub fn holders(&self) -> Vec<Holder> {
        self.gate.holders()
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

// A process that was lent the `Arc` has guards that borrow from that, so they cannot leave it; see `gate`.
impl<T: Send + Sync + 'static> Trace for Arc<RwLock<T>> {
    fn trace(&self, name: &'static str, visitor: &mut Visitor<'_>) {
        let shared = || -> Weak<dyn Send + Sync> { Arc::<RwLock<T>>::downgrade(self) };
        let (address, size) = (Arc::as_ptr(self).addr(), size_of::<RwLock<T>>());
        visitor.add_lock(name, &self.gate, (address, size), shared);
    }
}

impl<T: Default> Default for RwLock<T> {
    #[track_caller]
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> fmt::Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RwLock")
            .field("holders", &self.holders())
            .field("waiting", &self.waiting())
            .finish_non_exhaustive()
    }
}

/// Access for reading to what a [`RwLock`] protects.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::sync::RwLock;
///
/// let routes = RwLock::new(vec!["/"]);
/// let (one, other) = (routes.read().await, routes.try_read());
/// assert_eq!(one.len(), 1);
/// assert!(other.is_some(), "many may read");
/// assert_eq!(routes.holders().len(), 2);
/// # Ok(()) }) }
/// ```
pub struct ReadGuard<'a, T> {
    #[expect(dead_code, reason = "gives the lock back when it is dropped")]
    lease: Lease<&'a Arc<Gate>>,
    lock: &'a RwLock<T>,
}

/// Access for writing to what a [`RwLock`] protects.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |_scope| {
/// use roundrock::sync::RwLock;
///
/// let routes = RwLock::new(vec!["/"]);
/// let mut guard = routes.write().await;
/// guard.push("/health");
/// assert!(routes.try_read().is_none(), "one writes alone");
/// drop(guard);
/// assert_eq!(routes.into_inner(), ["/", "/health"]);
/// # Ok(()) }) }
/// ```
pub struct WriteGuard<'a, T> {
    #[expect(dead_code, reason = "gives the lock back when it is dropped")]
    lease: Lease<&'a Arc<Gate>>,
    lock: &'a RwLock<T>,
}

impl<T> Deref for ReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: a writer would have taken the permit of this lease too.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> Deref for WriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lease has all permits, so there is no other one.
        self.lock.value.with(|value| unsafe { &*value })
    }
}

impl<T> DerefMut for WriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: as above, and the guard is borrowed exclusively.
        self.lock.value.with_mut(|value| unsafe { &mut *value })
    }
}

impl<T: fmt::Debug> fmt::Debug for ReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl<T: fmt::Debug> fmt::Debug for WriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}
