//! A number of permits that processes share.

use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::gate::{Acquire, Gate, Holder, Lease};

/// The most permits that a [`Semaphore`] can have.
pub const MAX_PERMITS: u32 = u32::MAX / 2;

/// A number of permits that processes share: a limit for what goes on at the same time.
///
/// A cheap handle; clones mean the same permits. Fair: who asked first gets them first, also if a later one wants fewer.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// use roundrock::sync::Semaphore;
///
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let connections = Semaphore::new(2);
/// for n in 0..5 {
///     let permit = connections.acquire().await;       // at most two at a time
///     scope.task("connection", async move {
///         sleep(millis(n)).await;
///         drop(permit);
///     });
/// }
/// let all = connections.acquire_many(2).await;        // waits for the rest
/// assert_eq!((connections.available(), all.count()), (0, 2));
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
pub struct Semaphore {
    gate: Arc<Gate>,
    total: u32,
}

impl Semaphore {
    /// Makes a semaphore.
    ///
    /// # Panics
    /// If `permits` is not 1 to [`MAX_PERMITS`].
    #[track_caller]
    pub fn new(permits: u32) -> Self {
        assert!(
            (1..=MAX_PERMITS).contains(&permits),
            "the `permits` of a semaphore are 1 to {MAX_PERMITS}, not {permits}"
        );
        Self {
            gate: Arc::new(Gate::of_semaphore(Location::caller(), permits)),
            total: permits,
        }
    }

    /// Waits for a permit.
    ///
    /// Cancellation: dropping the future gives the place in the queue back, and the permit if it was granted at that moment.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Permit> + Send + use<> {
        self.wait(1, Location::caller())
    }

    /// Waits for several permits at once.
    ///
    /// Cancellation: as for [`acquire`](Self::acquire).
    ///
    /// # Panics
    /// If `count` is not 1 to the number of permits that there are.
    #[track_caller]
    pub fn acquire_many(&self, count: u32) -> impl Future<Output = Permit> + Send + use<> {
        assert!(
            (1..=self.total).contains(&count),
            "the `count` of permits is 1 to {}, not {count}",
            self.total
        );
        self.wait(count, Location::caller())
    }

    fn wait(
        &self,
        count: u32,
        site: &'static Location<'static>,
    ) -> impl Future<Output = Permit> + Send + use<> {
        let waiting = Acquire::new(Arc::clone(&self.gate), site, count);
        async move {
            Permit {
                lease: waiting.await,
                count,
            }
        }
    }

    /// Returns a permit if one is free and nobody waits.
    #[track_caller]
    pub fn try_acquire(&self) -> Option<Permit> {
        let lease = Lease::try_new(Arc::clone(&self.gate), Location::caller(), 1)?;
        Some(Permit { lease, count: 1 })
    }

    /// Returns how many permits are free.
    pub fn available(&self) -> u32 {
        self.gate.free()
    }

    /// Returns who holds permits, and where they were taken.
    pub fn holders(&self) -> Vec<Holder> {
        self.gate.holders()
    }

    /// Returns how many wait.
    pub fn waiting(&self) -> usize {
        self.gate.waiting()
    }
}

/// Permits of a [`Semaphore`]; dropping them gives them to the next.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// use roundrock::sync::Semaphore;
///
/// let places = Semaphore::new(2);
/// let permit = places.acquire_many(2).await;
/// assert_eq!(permit.count(), 2);
/// assert!(places.try_acquire().is_none());
/// let worker = scope.task("worker", async move { drop(permit) });     // it may go anywhere
/// worker.await?;
/// assert_eq!(places.available(), 2);
/// # Ok(()) }) }
/// ```
#[derive(Debug)]
#[must_use = "dropped at once, it limits nothing"]
pub struct Permit {
    #[expect(dead_code, reason = "gives the permits back when it is dropped")]
    lease: Lease<Arc<Gate>>,
    count: u32,
}

impl Permit {
    /// Returns how many permits these are.
    pub fn count(&self) -> u32 {
        self.count
    }
}
