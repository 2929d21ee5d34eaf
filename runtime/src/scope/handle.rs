//! [`Scope`]: what users have in their hands.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::stop::{self, ExitReport};
use super::tree::ScopeInner;
use super::{Stopping, group};
use crate::error::Result;
use crate::process::exit::IntoOutcome;
use crate::process::spawn::{Pool, SharedInputs, Spawn, SpawnOptions, StartMany};
use crate::sim::told;
use crate::supervise::Lineage;
use crate::system::System;
use crate::task::{Task, asked, current};
use crate::time::clock::now;

/// The most processes that a pool may have: 131072. Each process of a pool of structs has endpoints of its own on the one mailbox,
/// and a channel has room for no more than half a million of a kind.
pub const MAX_POOL: usize = 1 << 17;

/// Owns processes: spawn into it, stop it, wait for it.
///
/// A cheap handle; clones mean the same scope.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let parts = scope.child("parts");
/// let numbers: Vec<_> = (0..3).map(|n| parts.task("number", async move { roundrock::Ok(n) })).collect();
/// parts.join().await?;                        // a scope does not end before its children
/// for (n, number) in (0..).zip(numbers) {
///     assert_eq!(number.await?, n);
/// }
/// assert_eq!((parts.name(), parts.alive(), parts.is_stopping()), ("parts", 0, false));
/// # Ok(()) }) }
/// ```
#[derive(Clone)]
pub struct Scope {
    pub(crate) inner: Arc<ScopeInner>,
}

impl Scope {
    pub(crate) fn from_inner(inner: Arc<ScopeInner>) -> Self {
        Self { inner }
    }

    /// Starts a process and returns what leads to it: a handle for a struct, a [`Task`] for a function.
    ///
    /// A failure of the process fails the scope. In a scope that is stopping the process ends at once, and an event of `tracing` says so;
    /// unless one inside starts it before the grace is over, which may need it to handle what was accepted. In the own scope of a
    /// process, in which another one has failed, nothing starts any more either: [`stopping()`](Self::stopping) says so.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Counter { n: i64 }
    /// # #[handlers] impl Counter { fn add(&mut self, by: i64) -> i64 { self.n += by; self.n } }
    /// # #[process] async fn count_to(end: &i64, counter: &CounterHandle) -> Result<i64> {
    /// #     while counter.add(1).await? < *end {}
    /// #     Ok(*end)
    /// # }
    /// let counter = scope.spawn(Counter { n: 0 });       // a handle
    /// let task = scope.spawn(count_to(3, counter));      // a `Task<i64>`
    /// assert_eq!(task.await?, 3);
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn spawn<P: Spawn>(&self, process: P) -> P::Spawned {
        process.spawn_in(self, SpawnOptions::here())
    }

    /// Starts a process whose failure is reported, but does not fail the scope.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn reads(path: &String) -> Result<()> { bail!("no such file: {path}") }
    /// let task = scope.spawn_isolated(reads("a.txt".to_owned()));
    /// assert_eq!(task.done().await.kind(), "failed");
    /// assert!(!scope.is_stopping());                  // its failure is its own
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn spawn_isolated<P: Spawn>(&self, process: P) -> P::Spawned {
        process.spawn_in(self, SpawnOptions::here().isolated())
    }

    /// Starts a future that is not worth a function of its own.
    ///
    /// The future returns what a process may return: `()` or a `Result`. In a block that uses `?`, say [`roundrock::Ok`](crate::Ok)
    /// in the last line, because nothing else names the type of the error.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let (lines, inbox) = rendezvous();
    /// scope.task("greeter", async move {
    ///     lines.send("hello".to_owned()).await?;
    ///     roundrock::Ok(())
    /// });
    /// assert_eq!(inbox.recv().await.as_deref(), Some("hello"));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn task<F>(&self, name: &'static str, future: F) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        self.inner.spawn(future, &SpawnOptions::here().named(name))
    }

    /// Starts `workers` processes that share their lent arguments, and returns what leads to all of them.
    ///
    /// A message to a pool of structs goes to whoever is free. [`PoolPolicy`](crate::process::PoolPolicy) chooses another way, before
    /// the pool starts: `process.by_key()` takes equal [`#[key]`](macro@crate::key) arguments to the same worker, and
    /// `process.round_robin()` goes to each in turn.
    ///
    /// # Panics
    /// If `workers` is not 1 to [`MAX_POOL`].
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn square(numbers: &Receiver<u64>, squares: &Sender<u64>) -> Result<()> {
    /// #     while let Some(n) = numbers.recv().await { squares.send(n * n).await?; }
    /// #     Ok(())
    /// # }
    /// let (jobs, numbers) = bounded(4);
    /// let (squares, results) = bounded(4);
    /// let workers = scope.pool(3, square(numbers, squares));
    /// for n in 1..=3 {
    ///     jobs.send(n).await?;
    /// }
    /// jobs.finish();
    /// workers.await?;         // all three have ended
    /// let squares = results.recv_many(4).await;
    /// assert_eq!(squares.iter().sum::<u64>(), 14);
    /// # Ok(()) }) }
    /// ```
    ///
    /// Each worker has a part of the keys, and what it knows of them:
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # use std::collections::HashMap;
    /// #[process]
    /// #[derive(Clone, Default)]
    /// struct Count { words: HashMap<String, u32> }
    ///
    /// #[handlers]
    /// impl Count {
    ///     fn count(&mut self, #[key] word: String) -> u32 {
    ///         let count = self.words.entry(word).or_default();
    ///         *count += 1;
    ///         *count
    ///     }
    /// }
    ///
    /// let counts = scope.pool(4, Count::default().by_key());
    /// counts.count("a".to_owned()).await?;
    /// counts.count("b".to_owned()).await?;
    /// assert_eq!(counts.count("a".to_owned()).await?, 2);
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn pool<P: Pool>(&self, workers: usize, process: P) -> P::Pooled
    where
        P::Function: StartMany<P::Argument, P::Taken>,
        P::Inputs: SharedInputs,
    {
        assert!(
            (1..=MAX_POOL).contains(&workers),
            "the `workers` of a pool are 1 to {MAX_POOL}, not {workers}"
        );
        process.pool_in(self, workers, SpawnOptions::here())
    }

    /// Makes a scope inside this one. This scope does not end before it, and stops it when it stops itself.
    ///
    /// A failure in it stops it, and does not fail this scope: its [`join`](Self::join) returns the failure to whoever asks. If
    /// nobody does, a `tracing` event is all that tells of it; except that a scope which [gave up](crate::supervise::GaveUp)
    /// restarting a child does not do so in silence: then `run` returns the first such failure, when everything else went well.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let ingest = scope.child("ingest");
    /// ingest.task("reader", async { sleep(millis(1)).await });
    /// ingest.join().await?;       // waits for what was spawned in it
    /// assert_eq!(ingest.name(), "ingest");
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        let inner = ScopeInner::new(
            Arc::clone(&self.inner.system),
            name,
            Some(Arc::clone(&self.inner)),
            None,
        );
        Self { inner }
    }

    /// Makes a scope inside this one with a deadline that calls made in it inherit.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] struct Slow;
    /// # #[handlers] impl Slow { async fn work(&self) { sleep(secs(60)).await; } }
    /// let slow = scope.spawn(Slow);
    /// let hurried = scope.within(millis(5));
    /// let caller = slow.clone();
    /// let asks = hurried.task("asks", async move { roundrock::Ok(caller.work().await) });
    /// assert_eq!(asks.await?, Err(CallError::Deadline));
    /// # slow.kill();
    /// # Ok(()) }) }
    /// ```
    #[must_use]
    pub fn within(&self, limit: Duration) -> Self {
        let deadline = now().checked_add(limit);
        let inner = ScopeInner::new(
            Arc::clone(&self.inner.system),
            self.name(),
            Some(Arc::clone(&self.inner)),
            deadline,
        );
        Self { inner }
    }

    /// Runs `body` with a scope of its own and waits for everything that was spawned there: a nursery.
    ///
    /// Children own what they use; clone an `Arc` for what is shared. Cancellation: dropping the future stops the group's scope,
    /// which this scope still waits for.
    ///
    /// # Errors
    /// The error of the body, or the first failure of a child.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let group = scope.group(async |group| {
    ///     group.task("broken", async { Err::<(), _>(Error::msg("no such host")) });
    ///     group.stopping().await;         // the failure stops the others
    ///     Ok(())
    /// });
    /// let error = group.await.expect_err("a process of the group failed");
    /// assert!(format!("{error:#}").ends_with("no such host"));
    /// # Ok(()) }) }
    /// ```
    pub async fn group<T, F>(&self, body: impl FnOnce(Self) -> F) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        group::run(self, body).await
    }

    /// Returns the deadline that calls made in this scope inherit.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// assert_eq!(scope.deadline(), None);
    /// let hurried = scope.within(secs(5));
    /// assert!(hurried.deadline().is_some_and(|at| at <= Instant::now() + secs(5)));
    /// assert_eq!(hurried.child("below").deadline(), hurried.deadline());     // it is inherited
    /// # Ok(()) }) }
    /// ```
    pub fn deadline(&self) -> Option<Instant> {
        self.inner.deadline()
    }

    /// Returns the name of the scope.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// assert_eq!(scope.child("ingest").name(), "ingest");
    /// # Ok(()) }) }
    /// ```
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// Returns the system that this scope belongs to.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let system = scope.system();
    /// let idle = scope.task("idle", async { sleep(secs(60)).await });
    /// assert!(system.snapshot().processes.iter().any(|process| &*process.name == "idle"));
    /// idle.kill();
    /// # Ok(()) }) }
    /// ```
    pub fn system(&self) -> System {
        System::from_inner(Arc::clone(&self.inner.system))
    }

    /// Returns how many processes and child scopes have not ended.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let parts = scope.child("parts");
    /// let (go, wait) = oneshot::<()>();
    /// let part = parts.task("part", async move { wait.recv().await; });
    /// assert_eq!(parts.alive(), 1);
    /// go.finish();
    /// part.done().await;
    /// parts.join().await?;
    /// assert_eq!(parts.alive(), 0);
    /// # Ok(()) }) }
    /// ```
    pub fn alive(&self) -> usize {
        self.inner.alive()
    }

    /// Returns whether the scope has begun to stop.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let parts = scope.child("parts");
    /// assert!(!parts.is_stopping());
    /// parts.stop(secs(1)).await;
    /// assert!(parts.is_stopping());
    /// # Ok(()) }) }
    /// ```
    pub fn is_stopping(&self) -> bool {
        let stops = self.inner.is_stopping();
        if stops {
            Lineage::notice();
        }
        stops
    }

    /// Waits until the scope begins to stop. May be a branch of `select!`.
    ///
    /// Waiting may be given up at any moment: nothing else changes.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let parts = scope.child("parts");
    /// let inner = parts.clone();
    /// let beats = parts.task("beats", async move {
    ///     let mut beats = 0;
    ///     let mut tick = interval(millis(1));
    ///     loop {
    ///         select! {
    ///             _ = tick.next() => beats += 1,
    ///             _ = inner.stopping() => return roundrock::Ok(beats),    // the only end of such a loop
    ///         }
    ///     }
    /// });
    /// sleep(millis(5)).await;
    /// assert!(parts.stop(secs(5)).await.is_clean());
    /// assert!(beats.await? > 0);
    /// # Ok(()) }) }
    /// ```
    pub fn stopping(&self) -> Stopping {
        Stopping::of(Arc::clone(&self.inner))
    }

    /// Waits until everything in the scope has ended. Its names are forgotten, so that they keep nothing alive.
    ///
    /// A process of this very scope that awaits it waits for itself, which is reported as a leak; one that wants to end the others tells
    /// the scope to [`stop`](Self::stop), or puts them into a [`child`](Self::child).
    ///
    /// Waiting may be given up at any moment: the processes run on.
    ///
    /// # Errors
    /// The first failure of a process in it. Everybody who joins the scope is told, and so is who owns it: [`run`](crate::system::Builder::run), or a
    /// [`group`](Self::group). Whoever joins after all others were told gets the error as text, without its type.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let parts = scope.child("parts");
    /// parts.task("one", async { sleep(millis(1)).await });
    /// parts.task("other", async { Err::<(), _>(Error::msg("no disk")) });
    /// let error = parts.join().await.expect_err("one of them failed");
    /// assert!(format!("{error:#}").ends_with("no disk"));
    /// # Ok(()) }) }
    /// ```
    #[track_caller]
    pub fn join(&self) -> impl Future<Output = Result<()>> + Send {
        let asked = asked::at(Location::caller(), 0);
        async move {
            let asker = self.inner.ask();
            self.inner.forget_names();
            stop::over_at(&self.inner, asked).await;
            asker.told()
        }
    }

    /// Stops the scope: no new input from outside, what was accepted is drained stage by stage, and what has not ended after
    /// `grace` is dropped at its current await and named in the report.
    ///
    /// Whoever waits for a lock of [`sync`](crate::sync), or for room, goes on when a process of the scope lets it. The grace is not used
    /// up by processes that are proven to wait for each other in a circle: they are dropped as soon as nothing else moves.
    ///
    /// A process whose sender somebody outside keeps sees the end of its input when no process of the scope can feed it any more. One that
    /// waits for a timer, a socket or another future may do anything, so it holds that back until the grace is over, and then the others have
    /// half of the grace to finish, or a second if that is more, but not more than the grace. Let it end: with a branch `scope.stopping()`
    /// beside its wait. A receive with a limit of time (`recv().within(..)`, or a timer beside it)
    /// sees the end of its input as others do. It does so when half of the grace is over if it feeds its own input through others, as a queue for
    /// another try does, if it feeds others whenever its limit is over, or if those that feed it have inputs with several senders.
    ///
    /// Who feeds whom is known of what a process was lent (`&Sender`, `&XHandle`, fields of a struct), and of who sent into a channel last.
    /// For all others it is a guess: those whose input was used from outside see its end first, and those whose input was never used last.
    ///
    /// May be called again, and by several: all get the report of the one stop, and the grace that ends first holds for all.
    /// Called by a process of this scope, it begins the stop and returns at once, since that process cannot wait for its own end. Cancellation: dropping the future
    /// does not end the stop.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// # #[process] async fn double(numbers: &Receiver<u32>, doubles: &Sender<u32>) -> Result<()> {
    /// #     while let Some(n) = numbers.recv().await { doubles.send(2 * n).await?; }
    /// #     Ok(())
    /// # }
    /// let stages = scope.child("stages");
    /// let (numbers, to_double) = bounded(8);
    /// let (doubles, results) = bounded(8);
    /// stages.spawn(double(to_double, doubles));
    /// for n in 0..4 {
    ///     numbers.send(n).await?;
    /// }
    ///
    /// let report = stages.stop(secs(5)).await;
    /// assert!(report.is_clean());
    /// assert_eq!(results.recv_many(8).await, [0, 2, 4, 6]);       // nothing was lost
    /// let refused = numbers.send(4).await.expect_err("the input is closed");
    /// assert_eq!(refused.into_inner(), 4);                        // and nothing is taken any more
    /// # Ok(()) }) }
    /// ```
    pub async fn stop(&self, grace: Duration) -> ExitReport {
        told::does(|| format!("stops scope `{}`", self.inner.name));
        self.inner.begin_stop(grace);
        self.inner.hasten_stop(grace);
        if !current::is_within(self.inner.id) {
            stop::over(&self.inner).await;
        }
        self.inner.state.lock().report.clone()
    }
}

impl fmt::Debug for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.inner, f)
    }
}
