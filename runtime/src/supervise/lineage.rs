//! What the incarnations of a child, its supervisor and those who hold a handle have in common.
//!
//! A child has a task of its own that is never polled before its end: a *promise*, which everybody awaits who wants to know when
//! the child will not come back. The lineage leads from there to the present incarnation, and from every incarnation back.
//!
//! **Invariants**
//! - `current` is the incarnation that was made last, also when it has ended already.
//! - The exit of an incarnation is told to the supervisor once, when nothing of it is left: its own scope is over, and its
//!   blocking jobs have returned. That scope has stopped then, so nothing can begin in it any more.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::child::{self, Restart};
use super::supervisor::{Event, Supervisor, now};
use crate::process::exit::{Exit, Fault};
use crate::scope::{ScopeInner, stop};
use crate::sim::told;
use crate::sync::Lock;
use crate::task::registry::WaitKind;
use crate::task::{TaskRef, current};

/// The shared part of a child.
pub(crate) struct Lineage {
    supervisor: Arc<Supervisor>,
    /// The child's place in the order of its scope.
    key: u64,
    restart: Restart,
    /// How long an incarnation may take to end, and then what it started.
    shutdown: Duration,
    state: Lock<State>,
}

#[derive(Default)]
struct State {
    /// The incarnation that was made last.
    current: Option<TaskRef>,
    /// How many were made.
    number: u32,
    /// Where the child is, for observers.
    stage: child::State,
    /// The promise. It leads here too, so it is forgotten when the child is over.
    whole: Option<TaskRef>,
    /// The present incarnation was told to stop.
    told: bool,
    /// And it is to end within its time, whatever the grace of its scope is.
    hurried: bool,
    /// It has seen that: the end of an input, or that its scope stops.
    noticed: bool,
    /// It ended although it had timers or open inputs: no handle that went was what ended it.
    left_work: bool,
    /// What of the present incarnation may outlive its future: jobs, and its own scope.
    held: u32,
    /// Its own scope, if that has not ended and its process has.
    leaving: Option<Arc<ScopeInner>>,
    /// What an incarnation had started did not end in its time after that had failed: so what the next ones start, which fail as well,
    /// does not get that time again.
    deaf: bool,
    /// The exit of the present incarnation, until nothing of it is left.
    exit: Option<Exit>,
}

/// Something of an incarnation that has not ended; see [`Lineage::hold`].
#[derive(Debug)]
pub(crate) struct Held(Arc<Lineage>);

impl Lineage {
    pub(super) fn new(
        supervisor: &Arc<Supervisor>,
        key: u64,
        restart: Restart,
        shutdown: Duration,
    ) -> Arc<Self> {
        Arc::new(Self {
            supervisor: Arc::clone(supervisor),
            key,
            restart,
            shutdown,
            state: Lock::new(State::default()),
        })
    }

    pub(crate) fn key(&self) -> u64 {
        self.key
    }

    /// The incarnation that was made last.
    pub(crate) fn current(&self) -> Option<TaskRef> {
        self.state.lock().current.clone()
    }

    /// The incarnation that was made last, or the promise.
    pub(super) fn task(&self) -> Option<TaskRef> {
        self.current().or_else(|| self.whole())
    }

    /// The promise, while the child is not over.
    pub(crate) fn whole(&self) -> Option<TaskRef> {
        self.state.lock().whole.clone()
    }

    pub(super) fn set_whole(&self, whole: TaskRef) {
        self.state.lock().whole = Some(whole);
    }

    /// Notes a new incarnation that does not run yet.
    pub(super) fn enter(&self, task: &TaskRef) {
        let mut state = self.state.lock();
        state.number += 1;
        state.told = false;
        state.hurried = false;
        state.noticed = false;
        state.left_work = false;
        let old = state.current.replace(task.clone());
        drop(state);
        drop(old);
    }

    /// Notes where the child is.
    pub(super) fn note(&self, stage: child::State) {
        self.state.lock().stage = stage;
    }

    /// Where the child is.
    pub(super) fn stage(&self) -> child::State {
        self.state.lock().stage
    }

    /// Whether the incarnation that was made last does not run yet, if it has never run: its turn has not come.
    pub(crate) fn is_held_back(&self) -> bool {
        matches!(self.stage(), child::State::Queued | child::State::Paused(_))
    }

    /// Number of incarnations so far.
    pub(super) fn number(&self) -> u32 {
        self.state.lock().number
    }

    /// How often the child was started again.
    pub(crate) fn incarnation(&self) -> u32 {
        self.number().saturating_sub(1)
    }

    /// The child is over: what leads in a circle is let go.
    pub(super) fn clear(&self) {
        let mut state = self.state.lock();
        let old = (state.current.take(), state.whole.take());
        drop(state);
        drop(old);
    }

    /// Says that the current process has started: its `on_start` returned, or its first poll did.
    pub(crate) fn ready() {
        let lineage = current::with_task(|task| task.and_then(|task| task.lineage().cloned()));
        if let Some(lineage) = lineage {
            let event = Event::Ready(lineage.key, lineage.number());
            lineage.supervisor.tell(event);
        }
    }

    /// Whether the present incarnation was told to stop.
    pub(crate) fn is_told(&self) -> bool {
        self.state.lock().told
    }

    /// Whether the present incarnation is dropped if it does not end within its time.
    pub(crate) fn is_hurried(&self) -> bool {
        self.state.lock().hurried
    }

    /// Notes that the current process, if it is a child that was told to stop, has seen so.
    ///
    /// May be called under the lock of a channel or a scope: the lock of a lineage is the innermost one.
    #[cold]
    pub(crate) fn notice() {
        current::with_task(|task| {
            if let Some(lineage) = task.and_then(|task| task.lineage()) {
                let mut state = lineage.state.lock();
                state.noticed |= state.told;
            }
        });
    }

    /// Notes that the current process ends although it has timers or open inputs.
    #[cold]
    pub(crate) fn leaves_work() {
        current::with_task(|task| {
            if let Some(lineage) = task.and_then(|task| task.lineage()) {
                lineage.state.lock().left_work = true;
            }
        });
    }

    /// Whether the present incarnation ended although it had timers or open inputs.
    pub(super) fn left_work(&self) -> bool {
        self.state.lock().left_work
    }

    /// Lets the exit of the present incarnation wait until the result is dropped.
    pub(crate) fn hold(lineage: &Arc<Self>) -> Held {
        lineage.state.lock().held += 1;
        Held(Arc::clone(lineage))
    }

    /// The grace for the own scope of the present incarnation, if that is to stop now.
    pub(crate) fn grace(&self, scope: &ScopeInner) -> Duration {
        let grace = scope.stop_grace();
        let hurried = self.state.lock().hurried;
        if hurried {
            grace.min(self.shutdown)
        } else {
            grace
        }
    }

    /// As [`tell_to_stop`](Self::tell_to_stop) for all inputs; what the incarnation started has the time of the child to end.
    pub(super) fn hurry(&self, scope: &ScopeInner) {
        self.state.lock().hurried = true;
        self.tell_to_stop(scope, Some(0));
    }

    /// Tells the present incarnation that it stops, and the scope that it owns. If an input is given, or zero for all of them, it
    /// sees the end of that too, once it is empty.
    pub(super) fn tell_to_stop(&self, scope: &ScopeInner, input: Option<u64>) {
        let mut state = self.state.lock();
        state.told = true;
        let (task, leaving) = (state.current.clone(), state.leaving.clone());
        drop(state);
        let Some(task) = task else { return };
        // One that it asks for later is stopped at once.
        if let Some(own) = leaving.or_else(|| task.own()?.get()) {
            let grace = self.grace(scope);
            own.begin_stop(grace);
            own.hasten_stop(grace);
        }
        match input {
            Some(input) => task.end_input(input),
            None => task.mark(current::STOPPING),
        }
    }

    /// Takes back that the present incarnation is to end within its time. What it started keeps that: a stop is never lengthened.
    pub(super) fn end_hurry(&self) {
        self.state.lock().hurried = false;
    }

    /// The present incarnation, if it has not noticed its stop, and waits for something that no stop can end: a timer, a name, its
    /// caller, or a future that is not ours. One that has noticed is on its way to its end, and has its time for that.
    pub(super) fn deaf(&self) -> Option<TaskRef> {
        let state = self.state.lock();
        let task = state.current.clone().filter(|_| !state.noticed);
        drop(state);
        let task = task?;
        // A poll meanwhile only makes a kill take effect an await later.
        let kind = task.slot().wait();
        let no_stop_ends = matches!(
            kind,
            WaitKind::Timer | WaitKind::Name | WaitKind::Caller | WaitKind::Other
        );
        let is_deaf = task.state.is_parked() && no_stop_ends;
        is_deaf.then_some(task)
    }

    /// Whether the child is started again after a normal end.
    pub(crate) fn is_permanent(&self) -> bool {
        self.restart == Restart::Permanent
    }

    /// Ends the present incarnation when it has handled what is queued now, and the child with it unless it is permanent.
    pub(crate) fn stop(&self) {
        if !self.is_permanent() {
            self.supervisor.tell(Event::Stop(self.key));
        } else if let Some(task) = self.current() {
            task.end_input(0);
        }
    }

    /// Kills the present incarnation, at the wish of a user. Of one that has ended, what it has started, and what holds up the next one,
    /// is dropped at once.
    pub(crate) fn kill(&self) {
        // The supervisor hears of it before it can hear of the exit that comes of it.
        self.supervisor.tell(Event::Kill(self.key));
        let state = self.state.lock();
        let (task, leaving) = (state.current.clone(), state.leaving.clone());
        drop(state);
        if let Some(task) = task {
            told::ends("kills", &task);
            task.kill();
        }
        if let Some(leaving) = leaving {
            leaving.hasten_stop(Duration::ZERO);
        }
    }

    /// Asks the supervisor to let the child end for good.
    pub(crate) fn remove(&self) {
        self.supervisor.tell(Event::Remove(self.key));
    }

    /// The future of the present incarnation is gone; `own` is the scope that it asked for.
    pub(crate) fn exited(
        lineage: &Arc<Self>,
        scope: &Arc<ScopeInner>,
        own: Option<Arc<ScopeInner>>,
        exit: &Exit,
    ) {
        let mut state = lineage.state.lock();
        state.exit = Some(exit.clone());
        state.held += 1;
        // In one step with the exit: a kill that finds the process gone finds this.
        state.leaving.clone_from(&own);
        drop(state);
        let held = Held(Arc::clone(lineage));
        let Some(own) = own else { return };
        // Nobody who holds up a restart has longer than the child itself. If they used that up the last time, the child would fail again
        // and again and never too often in any window.
        let fails = !exit.is_normal() && !scope.is_stopping();
        let grace = scope.stop_grace();
        let grace = match scope.is_stopping() {
            true => grace,
            false if fails && lineage.state.lock().deaf => grace.min(lineage.shutdown).min(DEAF),
            false => grace.min(lineage.shutdown),
        };
        let begun = now(scope);
        // Also if nothing is in it: a clone of it may be with somebody else, or with a job of the incarnation, and what is spawned
        // there from now on would be beside the next one.
        own.begin_stop(grace);
        if own.alive() == 0 {
            let leaving = lineage.state.lock().leaving.take();
            drop(leaving);
            return held.blame(&own);
        }
        let scope_of = Arc::clone(scope);
        // The children of an incarnation end before the next one begins.
        let _ = scope.system.run_internally("clear", async move {
            stop::over(&own).await;
            let took = now(&scope_of).saturating_duration_since(begun);
            let mut state = held.0.state.lock();
            state.deaf = fails && took >= grace;
            let leaving = state.leaving.take();
            drop(state);
            drop(leaving);
            held.blame(&own);
        });
    }
}

impl Held {
    /// What failed in the own scope of an incarnation that returned is the failure of that incarnation.
    fn blame(self, own: &ScopeInner) {
        let failure = own.unseen_failure();
        own.owner_is_gone();
        let Err(error) = failure else { return };
        let mut state = self.0.state.lock();
        if let Some(exit) = state.exit.as_mut().filter(|exit| exit.is_normal()) {
            *exit = Exit::Failed(Arc::new(Fault::Error(error)));
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let mut state = self.0.state.lock();
        state.held -= 1;
        let exit = if state.held == 0 {
            state.exit.take()
        } else {
            None
        };
        let number = state.number;
        drop(state);
        if let Some(exit) = exit {
            self.0
                .supervisor
                .tell(Event::Exited(self.0.key, number, exit));
        }
    }
}

impl fmt::Debug for Lineage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lineage")
            .field("key", &self.key)
            .field("number", &self.number())
            .finish_non_exhaustive()
    }
}

/// How long a function that was told to stop, because another child failed, may wait for something else before it is dropped, if nothing
/// is said of its time.
pub(super) const DEAF: Duration = Duration::from_millis(100);
