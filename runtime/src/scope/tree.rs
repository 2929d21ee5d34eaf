//! The tree of scopes: what is alive in each, and how a stop begins.
//!
//! **Invariants**
//! - `alive` counts the processes and child scopes that have not ended; it only grows while the scope is not `ENDED`.
//! - A process that is spawned after the scope began to stop is killed before its first poll, unless a process inside spawns it, and the
//!   grace is not over.
//! - The first failure is recorded before the siblings learn of the stop.
//!
//! Model: `tests/loom_scope.rs`.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, OnceLock, Weak};
use std::time::{Duration, Instant};

use super::ended::Ended;
use super::failure;
use super::home::{Isolated, Member, Owner};
use super::life::Life;
use super::stop::{self, ExitReport, Late};
use crate::channel::waiters::Waiters;
use crate::observe::hooks::{self, Hooks};
use crate::observe::{Event, EventKind, Name};
use crate::process::exit::{IntoOutcome, contain};
use crate::process::spawn::SpawnOptions;
use crate::supervise::Supervisor;
use crate::sync::{Lock, Ordering};
use crate::system::SystemInner;
use crate::task::cell::{self, Home};
use crate::task::registry::About;
use crate::task::{Task, TaskRef, current};

/// The flag in [`ScopeInner::life`] of a scope that has begun to stop.
const STOPPING: usize = 1 << (usize::BITS - 1);
/// The flag in it of a scope whose processes are looked at though it does not stop.
const WATCHED: usize = STOPPING >> 1;
/// The counter in it.
const ALIVE: usize = WATCHED - 1;

/// A scope.
pub(crate) struct ScopeInner {
    pub(crate) id: u64,
    pub(super) name: Box<str>,
    pub(crate) system: Arc<SystemInner>,
    pub(super) parent: Option<Arc<ScopeInner>>,
    deadline: Option<Instant>,
    /// It does not stop with its parent; see [`held`](Self::held).
    held: bool,
    /// [`STOPPING`], [`WATCHED`], and the number of processes and child scopes that have not ended.
    life: Arc<Life>,
    /// Who starts, restarts and stops the children that are supervised.
    pub(crate) supervisor: OnceLock<Arc<Supervisor>>,
    pub(crate) state: Lock<State>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    /// Those who wait for the last child to end.
    pub(super) ended: Waiters,
    /// Those who wait for the scope to stop.
    pub(super) stopping: Waiters,
    /// The scopes inside, also those that are held.
    pub(super) children: Vec<Weak<ScopeInner>>,
    /// The first failure, and the exits after it.
    pub(super) exits: failure::Exits,
    /// Failures are handed on to the scope around: the process whose own scope this is has ended.
    pub(super) hands_on: bool,
    /// The directory of names has heard of this scope.
    pub(super) uses_names: bool,
    pub(crate) report: ExitReport,
    /// Who was dropped while this scope stopped, here or in a scope inside it.
    pub(super) late: Vec<Late>,
    /// A process of it was killed, whose failure would have counted.
    pub(super) lost: bool,
    /// The report is written.
    pub(super) stopped: bool,
    /// And it was not waited for all that is alive: what is stuck may never end.
    pub(super) left_behind: bool,
    /// When a stop was asked for, and how long it may take.
    pub(crate) stop: Option<(Instant, Duration)>,
}

#[cfg(all(test, loom))]
impl State {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped
    }
}

impl Life {
    pub(crate) fn alive(&self) -> usize {
        // ORDERING: Acquire: pairs with the Release in `leave`.
        self.word.load(Ordering::Acquire) & ALIVE
    }
}

impl ScopeInner {
    pub(crate) fn new(
        system: Arc<SystemInner>,
        name: &str,
        parent: Option<Arc<Self>>,
        deadline: Option<Instant>,
    ) -> Arc<Self> {
        Self::create_scope(system, name, parent, deadline, false)
    }

    /// The scope of an incarnation of a supervised child: it does not stop with its parent, but with its process.
    pub(crate) fn held(parent: &Arc<Self>, name: &str) -> Arc<Self> {
        let system = Arc::clone(&parent.system);
        Self::create_scope(system, name, Some(Arc::clone(parent)), None, true)
    }

    fn create_scope(
        system: Arc<SystemInner>,
        name: &str,
        parent: Option<Arc<Self>>,
        deadline: Option<Instant>,
        held: bool,
    ) -> Arc<Self> {
        let deadline = match (deadline, parent.as_ref().and_then(|parent| parent.deadline)) {
            (Some(own), Some(inherited)) => Some(own.min(inherited)),
            (own, inherited) => own.or(inherited),
        };
        let id = system.next_scope_id();
        let around = parent.as_ref().map(|parent| Arc::clone(&parent.life));
        let scope = Arc::new(Self {
            id,
            name: name.into(),
            system,
            parent,
            deadline,
            held,
            life: Life::new(id, around),
            supervisor: OnceLock::new(),
            state: Lock::new(State::default()),
        });
        if scope.parent.is_none() {
            // Whoever runs the system is told how it ended.
            scope.is_owned();
        }
        if let Some(parent) = &scope.parent {
            let mut state = parent.state.lock();
            if state.children.len() == state.children.capacity() {
                // Those that are gone are cleared away before the list would grow.
                state.children.retain(|child| child.strong_count() > 0);
            }
            state.children.push(Arc::downgrade(&scope));
            drop(state);
            if !held && let Some((_, grace)) = parent.stop_asked() {
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
        let before = self.life.word.fetch_add(1, Ordering::AcqRel);
        if before & ALIVE == 0
            && let Some(parent) = &self.parent
        {
            // A scope with children is one child of its parent.
            parent.enter();
        }
        before & STOPPING != 0
    }

    /// One more child here, or if this scope has stopped and is over, in the nearest one around it that is not.
    pub(crate) fn enter_what_lives(self: &Arc<Self>) -> Option<Arc<Self>> {
        let mut scopes = std::iter::successors(Some(self), |scope| scope.parent.as_ref());
        scopes.find(|scope| scope.enter_alive()).map(Arc::clone)
    }

    /// As [`enter`](Self::enter), unless this scope has begun to stop and nothing is left in it: then it is over for ever.
    fn enter_alive(&self) -> bool {
        let one_more = |word| (word & STOPPING == 0 || word & ALIVE != 0).then_some(word + 1);
        let word = &self.life.word;
        // ORDERING: as in `enter`. Relaxed: only a guess, or nothing was done.
        let before = word.fetch_update(Ordering::AcqRel, Ordering::Relaxed, one_more);
        if let (Ok(before), Some(parent)) = (before, &self.parent)
            && before & ALIVE == 0
        {
            parent.enter();
        }
        before.is_ok()
    }

    /// One child less.
    pub(crate) fn leave(&self) {
        // ORDERING: AcqRel: what the child did comes before what the one who waited for it does.
        if self.life.word.fetch_sub(1, Ordering::AcqRel) & ALIVE == 1 {
            let waiters = self.state.lock().ended.take_all();
            waiters.wake();
            if let Some(parent) = &self.parent {
                parent.leave();
            }
        }
    }

    pub(crate) fn alive(&self) -> usize {
        self.life.alive()
    }

    /// How many processes and child scopes have not ended in this scope, and beside it in those around it that stop as well.
    pub(crate) fn alive_in_stop(&self) -> usize {
        let around = std::iter::successors(self.parent(), |scope| scope.parent());
        let around = around.take_while(|scope| scope.is_stopping());
        let beside = around.map(|scope| scope.alive().saturating_sub(1));
        self.alive() + beside.sum::<usize>()
    }

    pub(crate) fn life(&self) -> &Arc<Life> {
        &self.life
    }

    /// How many processes have not ended, here and in the scopes inside. A supervised child is one, and what it started are others.
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
        self.life.word.load(Ordering::Acquire) & STOPPING != 0
    }

    /// Lets looks at the processes of the system see those of this scope.
    pub(crate) fn watch(&self) {
        // ORDERING: Relaxed: a look that misses it is followed by others.
        self.life.word.fetch_or(WATCHED, Ordering::Relaxed);
    }

    /// Whether looks at the processes of the system see those of this scope.
    pub(crate) fn is_looked_at(&self) -> bool {
        // ORDERING: Acquire: as in `is_stopping`.
        self.life.word.load(Ordering::Acquire) & (STOPPING | WATCHED) != 0
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
        let known = inside.into_iter().filter(|child| !child.held);
        known.chain(self.parent.clone()).collect()
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

    /// The name of the scope with this number, if it is this one or lies around it.
    pub(crate) fn name_around(&self, id: u64) -> Option<Name> {
        let mut scopes = std::iter::successors(Some(self), |scope| scope.parent.as_deref());
        let found = scopes.find(|scope| scope.id == id)?;
        Some(found.name.to_string().into())
    }

    /// The numbers of this scope and of all around it, from the inside out.
    pub(crate) fn around(&self) -> impl Iterator<Item = u64> {
        let scopes = std::iter::successors(Some(self), |scope| scope.parent.as_deref());
        scopes.map(|scope| scope.id)
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
        let scheduler = &self.system.scheduler;
        let _stop = scheduler.proofs.stop_begins(scheduler);
        // Before anybody learns of the stop, for who ends by it is one of them.
        let jobs = self.system.jobs.count(self.id);
        let at_start = self.processes().saturating_sub(jobs);
        {
            let mut state = self.state.lock();
            if state.stop.is_some() {
                return;
            }
            state.stop = Some((self.system.scheduler.clock.now(), grace));
            // ORDERING: AcqRel: see `enter`; a process that was counted before is seen by the coordinator.
            self.life.word.fetch_or(STOPPING, Ordering::AcqRel);
            waiters = state.stopping.take_all();
            children = state.children.clone();
        }
        // What was registered may have destructors of its own.
        contain("a destructor", || self.forget_names());
        if let Some(supervisor) = self.supervisor.get() {
            supervisor.forget_past();
        }
        tracing::info!(target: "roundrock::scope", scope = self.name(), grace_ms = grace.as_millis() as u64, "scope.stop");
        waiters.wake();
        let children = children.iter().filter_map(Weak::upgrade);
        for child in children.filter(|child| !child.held) {
            child.begin_stop(grace);
        }
        stop::coordinate(self, at_start);
    }

    /// Lets a stop that has begun, if one has, end after `grace` from now, if that is earlier. The coordinators read it.
    pub(crate) fn hasten_stop(&self, grace: Duration) {
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
    pub(crate) fn ended(&self) -> Ended<'_> {
        Ended::of(self)
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

    /// Whether a process may start here now. While a scope stops, those inside may still need others for what was accepted: one for each
    /// message, say. They have what is left of the grace for that; nobody else has anything to start.
    fn admits(self: &Arc<Self>) -> bool {
        if !self.is_stopping() {
            return true;
        }
        let outermost = self.outermost_stopping();
        outermost.is_some_and(|stops| {
            let now = stops.system.scheduler.clock.now();
            let in_time = |(begun, grace)| now.saturating_duration_since(begun) < grace;
            current::is_within(stops.id) && stops.stop_asked().is_some_and(in_time)
        })
    }

    /// Lets a process run that was just created.
    pub(crate) fn launch<T>(task: &Task<T>) {
        let task = task.task();
        if task.scope().is_some_and(|scope| !scope.admits()) {
            tracing::warn!(
                target: "roundrock::process", process = task.slot().origin().name, process.id = task.id().raw(),
                "process.refused: its scope stops"
            );
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
        task.scheduler().schedule_new(task.header());
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
