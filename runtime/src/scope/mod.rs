//! Scopes: who owns processes, when they are stopped, and what became of them.
//!
//! A scope does not end before its children. Its default meaning is errgroup's: the first failure stops the siblings and is
//! what the scope returns. `stop` says how a scope stops; `group` runs a body with a scope of its own; `home` is
//! where the processes of a scope end; `own` keeps the scope that a process has for its children; `failure` is what it says of them; `names` what it knows by name.
//!
//! **Invariants**
//! - `alive` counts the processes and child scopes that have not ended; it only grows while the scope is not `ENDED`.
//! - A process that is spawned after the scope began to stop is killed before its first poll.
//! - The first failure is recorded before the siblings learn of the stop.
//!
//! Model: `tests/loom_scope.rs`.

mod drain;
mod failure;
pub(crate) mod group;
mod home;
mod link;
pub(crate) mod look;
mod names;
mod own;
pub(crate) mod stop;
mod stopping;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::channel::waiters::Waiters;
use crate::error::Result;
use crate::observe::hooks::{self, Hooks};
use crate::observe::{Event, EventKind};
use crate::process::exit::IntoOutcome;
use crate::process::spawn::{Pool, SharedInputs, Spawn, SpawnOptions, StartTwice};
use crate::supervise::Supervisor;
use crate::sync::{AtomicUsize, Lock, Ordering};
use crate::system::{System, SystemInner};
use crate::task::cell::{self, Home};
use crate::task::current;
use crate::task::registry::{About, WaitKind};
use crate::task::waker;
use crate::task::{Task, TaskRef, Watchers};
use crate::time::clock::now;

pub use failure::ScopeError;
pub(crate) use home::{Incarnation, Isolated, Member, Owner, Whole};
pub use names::NameTaken;
pub(crate) use own::Own;
pub use stop::{ExitReport, Late};
pub use stopping::Stopping;

/// The most processes that a pool may have.
pub const MAX_POOL: usize = 1 << 20;

/// The flag in [`ScopeInner::life`] of a scope that has begun to stop.
const STOPPING: usize = 1 << (usize::BITS - 1);
/// The flag in it of a scope whose processes are looked at though it does not stop.
const WATCHED: usize = STOPPING >> 1;
/// The counter in it.
const ALIVE: usize = WATCHED - 1;

/// Owns processes: spawn into it, stop it, wait for it.
///
/// A cheap handle; clones mean the same scope.
#[derive(Clone)]
pub struct Scope {
    pub(crate) inner: Arc<ScopeInner>,
}

pub(crate) struct ScopeInner {
    pub(crate) id: u64,
    name: Box<str>,
    pub(crate) system: Arc<SystemInner>,
    parent: Option<Arc<ScopeInner>>,
    deadline: Option<Instant>,
    /// [`STOPPING`], [`WATCHED`], and the number of processes and child scopes that have not ended. One word, so that a spawn and a
    /// stop cannot miss each other: whichever comes second sees the first.
    life: AtomicUsize,
    /// Who starts, restarts and stops the children that are supervised.
    pub(crate) supervisor: OnceLock<Arc<Supervisor>>,
    pub(crate) state: Lock<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Those who wait for the last child to end.
    ended: Watchers,
    /// Those who wait for the scope to stop.
    stopping: Waiters,
    children: Vec<Weak<ScopeInner>>,
    /// The first failure, and the exits after it.
    exits: Vec<failure::Ended>,
    /// Failures are handed on to the scope around: the process whose own scope this is has ended.
    hands_on: bool,
    names: names::Names,
    pub(crate) report: ExitReport,
    /// Who was dropped while this scope stopped, here or in a scope inside it.
    late: Vec<Late>,
    /// The report is written.
    stopped: bool,
    /// When a stop was asked for, and how long it may take.
    pub(crate) stop: Option<(Instant, Duration)>,
}

#[cfg(all(test, loom))]
impl State {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }
}

impl ScopeInner {
    pub(crate) fn new(
        system: Arc<SystemInner>,
        name: &str,
        parent: Option<Arc<Self>>,
        deadline: Option<Instant>,
    ) -> Arc<Self> {
        Self::create_scope(system, name, parent, deadline, true)
    }

    /// The scope of an incarnation of a supervised child: it does not stop with its parent, but with its process.
    pub(crate) fn held(parent: &Arc<Self>, name: &str) -> Arc<Self> {
        let system = Arc::clone(&parent.system);
        Self::create_scope(system, name, Some(Arc::clone(parent)), None, false)
    }

    fn create_scope(
        system: Arc<SystemInner>,
        name: &str,
        parent: Option<Arc<Self>>,
        deadline: Option<Instant>,
        listed: bool,
    ) -> Arc<Self> {
        let deadline = match (deadline, parent.as_ref().and_then(|parent| parent.deadline)) {
            (Some(own), Some(inherited)) => Some(own.min(inherited)),
            (own, inherited) => own.or(inherited),
        };
        let scope = Arc::new(Self {
            id: system.next_scope_id(),
            name: name.into(),
            system,
            parent,
            deadline,
            life: AtomicUsize::new(0),
            supervisor: OnceLock::new(),
            state: Lock::new(State::default()),
        });
        if listed && let Some(parent) = &scope.parent {
            let mut state = parent.state.lock();
            if state.children.len() == state.children.capacity() {
                // Those that are gone are cleared away before the list would grow.
                state.children.retain(|child| child.strong_count() > 0);
            }
            state.children.push(Arc::downgrade(&scope));
            drop(state);
            if let Some((_, grace)) = parent.stop_asked() {
                scope.begin_stop(grace);
            }
        }
        scope
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// One more child. Returns whether the scope has begun to stop.
    pub(crate) fn enter(&self) -> bool {
        // ORDERING: AcqRel: what the stop did before it set the flag is visible to a spawn that sees it.
        let before = self.life.fetch_add(1, Ordering::AcqRel);
        if before & ALIVE == 0
            && let Some(parent) = &self.parent
        {
            // A scope with children is one child of its parent.
            parent.enter();
        }
        before & STOPPING != 0
    }

    /// One child less.
    pub(crate) fn leave(&self) {
        // ORDERING: AcqRel: what the child did comes before what the one who waited for it does.
        if self.life.fetch_sub(1, Ordering::AcqRel) & ALIVE == 1 {
            let watchers = std::mem::take(&mut self.state.lock().ended);
            watchers.wake_all();
            if let Some(parent) = &self.parent {
                parent.leave();
            }
        }
    }

    pub(crate) fn alive(&self) -> usize {
        // ORDERING: Acquire: pairs with the Release in `leave`.
        self.life.load(Ordering::Acquire) & ALIVE
    }

    /// How many processes have not ended, here and in the scopes inside.
    fn processes(&self) -> usize {
        let children: Vec<_> = {
            let state = self.state.lock();
            state.children.iter().filter_map(Weak::upgrade).collect()
        };
        let busy = children.iter().filter(|child| child.alive() > 0);
        let inside: usize = busy.clone().map(|child| child.processes()).sum();
        self.alive().saturating_sub(busy.count()) + inside
    }

    pub(crate) fn is_stopping(&self) -> bool {
        // ORDERING: Acquire pairs with the Release in `begin_stop`.
        self.life.load(Ordering::Acquire) & STOPPING != 0
    }

    /// Lets looks at the processes of the system see those of this scope.
    pub(crate) fn watch(&self) {
        // ORDERING: Relaxed: a look that misses it is followed by others.
        self.life.fetch_or(WATCHED, Ordering::Relaxed);
    }

    /// Whether looks at the processes of the system see those of this scope.
    pub(crate) fn is_looked_at(&self) -> bool {
        // ORDERING: Acquire: as in `is_stopping`.
        self.life.load(Ordering::Acquire) & (STOPPING | WATCHED) != 0
    }

    /// How long a stop may take: what was said when it began, or the default of the system.
    pub(crate) fn stop_grace(&self) -> Duration {
        self.stop_asked()
            .map_or(self.system.grace, |(_, grace)| grace)
    }

    pub(crate) fn stop_asked(&self) -> Option<(Instant, Duration)> {
        self.state.lock().stop
    }

    /// The scope around this one.
    pub(crate) fn parent(&self) -> Option<&Self> {
        self.parent.as_deref()
    }

    /// The scope around this one, and those inside it that observers know of.
    pub(crate) fn neighbours(&self) -> Vec<Arc<Self>> {
        let inside: Vec<Arc<Self>> = {
            let state = self.state.lock();
            state.children.iter().filter_map(Weak::upgrade).collect()
        };
        inside.into_iter().chain(self.parent.clone()).collect()
    }

    /// Tells observers what happened to a process of this scope.
    pub(crate) fn tell(&self, task: Option<TaskRef>, kind: impl FnOnce() -> EventKind) {
        if let Some(task) = task {
            let board = &self.system.scheduler.board;
            board.tell(|| Event::of(&task, kind()));
        }
    }

    /// Whether this scope is `id` or lies inside it.
    pub(crate) fn is_within(&self, id: u64) -> bool {
        let mut scope = Some(self);
        while let Some(at) = scope {
            if at.id == id {
                return true;
            }
            scope = at.parent.as_deref();
        }
        false
    }

    /// The farthest scope around this one, itself included, that has begun to stop.
    pub(crate) fn outermost_stopping(self: &Arc<Self>) -> Option<&Arc<Self>> {
        let above = self
            .parent
            .as_ref()
            .and_then(|parent| parent.outermost_stopping());
        above.or_else(|| self.is_stopping().then_some(self))
    }

    /// Says once that the scope stops: to the processes inside, and to the scopes below.
    pub(crate) fn begin_stop(self: &Arc<Self>, grace: Duration) {
        let waiters;
        let children;
        let names;
        let scheduler = &self.system.scheduler;
        let _stop = scheduler.proofs.stop_begins(scheduler);
        // Before anybody learns of the stop, for who ends by it is one of them.
        let at_start = self.processes();
        {
            let mut state = self.state.lock();
            if state.stop.is_some() {
                return;
            }
            state.stop = Some((self.system.scheduler.clock.now(), grace));
            // ORDERING: AcqRel: see `enter`; a process that was counted before is seen by the coordinator.
            self.life.fetch_or(STOPPING, Ordering::AcqRel);
            waiters = state.stopping.take_all();
            children = state.children.clone();
            names = std::mem::take(&mut state.names);
        }
        drop(names);
        tracing::info!(target: "roundrock::scope", scope = self.name(), grace_ms = grace.as_millis() as u64, "scope.stop");
        waiters.wake();
        for child in children.iter().filter_map(Weak::upgrade) {
            child.begin_stop(grace);
        }
        stop::coordinate(self, at_start);
    }

    /// Lets a stop that has begun, if one has, end after `grace` from now, if that is earlier. The coordinators read it.
    fn hasten_stop(&self, grace: Duration) {
        let children = {
            let mut state = self.state.lock();
            if let Some((begun, whole)) = &mut state.stop {
                let passed = self.system.scheduler.clock.now() - *begun;
                *whole = (*whole).min(passed.saturating_add(grace));
            }
            state.children.clone()
        };
        for child in children.iter().filter_map(Weak::upgrade) {
            child.hasten_stop(grace);
        }
    }

    /// Waits for the last child.
    pub(crate) async fn ended(&self) {
        std::future::poll_fn(|cx| self.poll_ended(cx)).await;
    }

    fn poll_ended(&self, cx: &mut Context<'_>) -> Poll<()> {
        let _spare = waker::prepare(cx);
        let mut state = self.state.lock();
        if self.alive() == 0 {
            return Poll::Ready(());
        }
        state.ended.add(cx);
        current::waits_for(WaitKind::Scope, self.id);
        Poll::Pending
    }

    /// Spawns a future.
    pub(crate) fn spawn<F>(
        self: &Arc<Self>,
        future: F,
        options: &SpawnOptions,
    ) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        let task = self.create(future, options);
        Self::launch(&task);
        task
    }

    /// Makes a process that does not run yet; [`launch`](Self::launch) must follow.
    pub(crate) fn create<F>(
        self: &Arc<Self>,
        future: F,
        options: &SpawnOptions,
    ) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        self.enter();
        let member = Member::of(self);
        if options.isolated {
            self.create_at(future, options, Isolated(member))
        } else {
            self.create_at(future, options, member)
        }
    }

    /// As [`create`](Self::create), for a process that may ask for a scope of its own.
    pub(crate) fn create_owner<F>(
        self: &Arc<Self>,
        future: F,
        options: &SpawnOptions,
    ) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        self.enter();
        let member = Member::of(self);
        if options.isolated {
            self.create_at(future, options, Owner::<_, false>::new(Isolated(member)))
        } else {
            self.create_at(future, options, Owner::<_, true>::new(member))
        }
    }

    /// Makes a process that does not run yet, in a home that counts it.
    pub(crate) fn create_at<F>(
        &self,
        future: F,
        options: &SpawnOptions,
        home: impl Home,
    ) -> Task<<F::Output as IntoOutcome>::Value>
    where
        F: Future + Send + 'static,
        F::Output: IntoOutcome,
    {
        cell::create(future, home, |about: &mut About| options.tell(about))
    }

    /// Lets a process run that was just created.
    pub(crate) fn launch<T>(task: &Task<T>) {
        let task = task.task();
        if task.scope().is_some_and(|scope| scope.is_stopping()) {
            // Its future is dropped instead of polled.
            task.kill();
            if task.scheduler().is_shut_down() {
                // No worker is left to do it.
                cell::step(task.header(), task.scheduler());
                return;
            }
        }
        Self::launch_child(task);
    }

    /// Lets a process run whether its scope stops or not: its supervisor knows.
    pub(crate) fn launch_child(task: &TaskRef) {
        tracing::debug!(
            target: "roundrock::process", process = task.slot().origin().name, process.id = task.id().raw(), "process.spawn"
        );
        hooks::tell_of(Hooks::SPAWN, task);
        task.schedule_new();
    }
}

impl fmt::Debug for ScopeInner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Scope")
            .field("name", &self.name)
            .field("alive", &self.alive())
            .field("stopping", &self.is_stopping())
            .finish()
    }
}

impl Scope {
    pub(crate) fn from_inner(inner: Arc<ScopeInner>) -> Self {
        Self { inner }
    }

    /// Starts a process and returns what leads to it: a handle for a struct, a [`Task`] for a function.
    ///
    /// A failure of the process fails the scope. In a scope that is stopping the process ends at once.
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
    #[track_caller]
    pub fn pool<P: Pool>(&self, workers: usize, process: P) -> P::Pooled
    where
        P::Function: StartTwice<P::Argument>,
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
    /// nobody does, a `tracing` event is all that tells of it.
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
    pub fn deadline(&self) -> Option<Instant> {
        self.inner.deadline()
    }

    /// Returns the name of the scope.
    pub fn name(&self) -> &str {
        self.inner.name()
    }

    /// Returns the system that this scope belongs to.
    pub fn system(&self) -> System {
        System::from_inner(Arc::clone(&self.inner.system))
    }

    /// Returns how many processes and child scopes have not ended.
    pub fn alive(&self) -> usize {
        self.inner.alive()
    }

    /// Returns whether the scope has begun to stop.
    pub fn is_stopping(&self) -> bool {
        self.inner.is_stopping()
    }

    /// Waits until the scope begins to stop. May be a branch of `select!`.
    pub fn stopping(&self) -> Stopping {
        Stopping::of(Arc::clone(&self.inner))
    }

    /// Waits until everything in the scope has ended. Its names are forgotten, so that they keep nothing alive.
    ///
    /// # Errors
    /// The first failure of a process in it. Reported once.
    pub async fn join(&self) -> Result<()> {
        self.inner.forget_names();
        stop::over(&self.inner).await;
        self.inner.result()
    }

    /// Stops the scope: no new input from outside, what was accepted is drained stage by stage, and what has not ended after
    /// `grace` is dropped at its current await and named in the report.
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
