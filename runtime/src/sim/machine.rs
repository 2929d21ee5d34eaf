//! The state of one run: what can run, what is chosen, and how one step is made. The runtime reaches it through `sim::here`.
//!
//! **Invariants**
//! - Only the thread of the run touches its machine.
//! - A process that was made to wait at a point is not asked again before that operation: the choice was made.
//! - No user code runs while a cell of the machine is borrowed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use crate::blocking::Job;
use crate::scheduler::Scheduler;
use crate::scheduler::queue::Runnable;
use crate::scheduler::worker;
use crate::sim::blocked::{Progress, Stopwatch};
use crate::sim::events::{Events, name_of, operation};
use crate::sim::faults::Active;
use crate::sim::monitor::Monitors;
use crate::sim::reason::Reason;
use crate::sim::run::Keep;
use crate::sim::tape::{Choices, Label};
use crate::sim::values::{About, Values};
use crate::task::cell::{self, Header, Step};
use crate::task::current::BUDGET;
use crate::task::registry::WaitKind;
use crate::task::waker::TaskWaker;

/// A process that could run for so many steps is chosen in any case, so that no strategy starves it.
const PATIENCE: u64 = 10_000;

/// A process that can run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) task: Runnable,
    /// The number of its slot.
    pub(crate) process: u32,
    /// The step at which it became ready.
    since: u64,
}

/// A process that could run, and does not before a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Resting {
    pub(crate) until: u64,
    pub(crate) ready: Ready,
}

/// What can run next.
pub(crate) enum Turn {
    Process(Ready),
    Job(Job),
    /// A timer that is due, while others could run too.
    Timer,
    Nobody,
}

/// The state of one run.
pub(crate) struct Machine {
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) choices: RefCell<Choices>,
    ready: RefCell<VecDeque<Ready>>,
    jobs: RefCell<VecDeque<Job>>,
    /// Processes that a fault keeps from running, in no order.
    pub(crate) resting: RefCell<Vec<Resting>>,
    /// Who runs next: it was chosen when the running process was interrupted.
    next: Cell<Option<Ready>>,
    /// The task that waits for the end of the body and of the root scope: it runs when nobody else can, and is not chosen.
    root: Cell<Option<NonNull<Header>>>,
    root_ready: Cell<Option<Ready>>,
    /// The process that runs, or ran last.
    pub(super) process: Cell<u32>,
    pub(crate) steps: Cell<u64>,
    pub(crate) max_steps: u64,
    /// Points in this step that went on.
    streak: Cell<u32>,
    /// How often somebody asked where to begin.
    pub(super) turns: Cell<u32>,
    /// By process: it was interrupted at a point, which it passes when it runs again.
    interrupted: RefCell<Vec<bool>>,
    pub(super) in_job: Cell<bool>,
    /// Until when the running process rests when it is queued again.
    put_aside: Cell<Option<u64>>,
    /// The run is being taken down: nothing is chosen any more.
    pub(crate) ending: Cell<bool>,
    /// Those who wait for everything to settle, and those who wait for time to move.
    pub(crate) settling: RefCell<Vec<TaskWaker>>,
    pub(crate) timed: RefCell<Vec<TaskWaker>>,
    pub(crate) monitors: RefCell<Monitors>,
    pub(crate) faults: RefCell<Active>,
    pub(crate) broken: RefCell<Option<Reason>>,
    pub(crate) events: RefCell<Option<Events>>,
    pub(super) values: RefCell<Values>,
    /// All that is of interest was recorded.
    pub(super) shown: Cell<bool>,
    pub(crate) seed: Option<u64>,
    progress: Arc<Progress>,
    /// In a run that is made to find out which step blocks.
    stopwatch: RefCell<Option<Stopwatch>>,
    /// Panics are not printed: the run may be one of many that fail in the same way.
    pub(super) quiet: bool,
}

impl Machine {
    /// A machine for a run that begins.
    pub(super) fn new(
        scheduler: Arc<Scheduler>,
        mut choices: Choices,
        faults: crate::sim::Faults,
        max_steps: u64,
        seed: Option<u64>,
        keep: Keep,
        progress: Arc<Progress>,
    ) -> Self {
        let faults = Active::choose(faults, &mut choices);
        Self {
            scheduler,
            choices: RefCell::new(choices),
            ready: RefCell::default(),
            jobs: RefCell::default(),
            resting: RefCell::default(),
            next: Cell::new(None),
            root: Cell::new(None),
            root_ready: Cell::new(None),
            process: Cell::new(0),
            steps: Cell::new(0),
            max_steps,
            streak: Cell::new(0),
            turns: Cell::new(0),
            interrupted: RefCell::default(),
            in_job: Cell::new(false),
            put_aside: Cell::new(None),
            ending: Cell::new(false),
            settling: RefCell::default(),
            timed: RefCell::default(),
            monitors: RefCell::default(),
            faults: RefCell::new(faults),
            broken: RefCell::new(None),
            events: RefCell::new(keep.events.then(Events::default)),
            values: RefCell::default(),
            shown: Cell::new(false),
            seed,
            progress,
            stopwatch: RefCell::new(keep.times.then(Stopwatch::new)),
            quiet: !keep.panics,
        }
    }

    /// The process that runs, and the step: what a choice is noted with.
    pub(super) fn place(&self) -> (u32, u64) {
        (self.process.get(), self.steps.get())
    }

    /// The virtual time in nanoseconds.
    pub(crate) fn now(&self) -> u64 {
        self.scheduler.clock.now_nanos()
    }

    /// Ends the run as failed, if it has not failed before.
    pub(crate) fn break_off(&self, reason: impl FnOnce() -> Reason) {
        if self.broken.borrow().is_none() && !self.ending.get() {
            let reason = reason();
            *self.broken.borrow_mut() = Some(reason);
        }
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.borrow().is_some()
    }

    /// Takes in a job, to be run at some later step.
    pub(super) fn take_job(&self, job: Job) {
        self.jobs.borrow_mut().push_back(job);
    }

    fn step_begins(&self) {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > self.max_steps {
            self.break_off(|| Reason::MaxSteps(self.max_steps));
        }
    }

    /// Takes in what has become ready.
    fn collect(&self, ready: &mut VecDeque<Ready>) {
        worker::with(|worker| {
            let Some(worker) = worker else { return };
            while let Some(task) = worker.take_ready() {
                let process = cell::slot_of_queued(task.0).id().index();
                let since = self.steps.get();
                let next = Ready {
                    task,
                    process,
                    since,
                };
                if self.root.get() == Some(task.0) {
                    self.root_ready.set(Some(next));
                } else {
                    ready.push_back(next);
                }
            }
        });
    }

    /// See [`point`]: whether the process goes on, and whether it panics instead.
    pub(super) fn point(
        &self,
        task: &Header,
        kind: WaitKind,
        object: u64,
        about: &About,
    ) -> (bool, bool) {
        let process = task.slot().id().index();
        if self.ending.get() || self.is_broken() {
            let streak = self.streak.get() + 1;
            self.streak.set(streak);
            return (self.ending.get() && streak < BUDGET, false);
        }
        if self.was_interrupted(process) {
            self.note(process, kind, object, about);
            return (true, false);
        }
        self.step_begins();
        if self.throws(task) {
            return (false, true);
        }
        let mut ready = self.ready.borrow_mut();
        self.collect(&mut ready);
        if kind == WaitKind::Recv {
            let stall = self
                .faults
                .borrow()
                .stall(&mut self.choices.borrow_mut(), self.place());
            if let Some(stall) = stall {
                drop(ready);
                self.interrupt(process);
                self.put_aside.set(Some(self.later(stall)));
                self.happens(process, || {
                    format!("stalls for {stall:?} before it receives")
                });
                return (false, false);
            }
        }
        let streak = self.streak.get() + 1;
        let others = ready.len() as u32;
        let starving = ready
            .front()
            .is_some_and(|first| first.since + PATIENCE < self.steps.get());
        let chosen = if others == 0 {
            0
        } else if streak >= BUDGET || starving {
            1
        } else {
            self.choices
                .borrow_mut()
                .process(
                    Label::Point,
                    others + 1,
                    self.place(),
                    |place| match place {
                        0 => process,
                        place => ready[place as usize - 1].process,
                    },
                )
        };
        if chosen != 0 {
            let before = self.next.replace(ready.remove(chosen as usize - 1));
            // The poll went on after it was interrupted before: a race of two operations, say.
            ready.extend(before);
            drop(ready);
            self.interrupt(process);
            self.happens(process, || {
                let what = operation(&self.scheduler, process, kind, object, about);
                format!("is interrupted before: {what}")
            });
            return (false, false);
        }
        self.streak.set(streak);
        drop(ready);
        self.note(process, kind, object, about);
        (true, false)
    }

    /// Whether a process that is supervised panics here.
    fn throws(&self, task: &Header) -> bool {
        let may = task.lineage().is_some() && task.scope().is_some();
        may && !std::thread::panicking() && {
            let mut faults = self.faults.borrow_mut();
            faults.throws(&mut self.choices.borrow_mut(), self.place())
        }
    }

    fn interrupt(&self, process: u32) {
        let mut interrupted = self.interrupted.borrow_mut();
        let process = process as usize;
        if interrupted.len() <= process {
            interrupted.resize(process + 1, false);
        }
        interrupted[process] = true;
    }

    fn is_interrupted(&self, process: u32) -> bool {
        let interrupted = self.interrupted.borrow();
        interrupted.get(process as usize) == Some(&true)
    }

    fn was_interrupted(&self, process: u32) -> bool {
        let mut interrupted = self.interrupted.borrow_mut();
        match interrupted.get_mut(process as usize) {
            Some(interrupted) => std::mem::take(interrupted),
            None => false,
        }
    }

    fn later(&self, rest: Duration) -> u64 {
        self.now().saturating_add(rest.as_nanos() as u64)
    }

    /// Chooses what runs next.
    pub(crate) fn turn(&self) -> Turn {
        loop {
            let next = match self.next.take() {
                Some(next) => next,
                None => match self.choose() {
                    Turn::Process(next) => next,
                    other => return other,
                },
            };
            if !cell::is_of_scope(next.task.0) || self.ending.get() {
                return Turn::Process(next);
            }
            let rest = self.faults.borrow().rest(
                &mut self.choices.borrow_mut(),
                (next.process, self.steps.get()),
            );
            let Some(rest) = rest else {
                return Turn::Process(next);
            };
            let until = self.later(rest);
            self.resting
                .borrow_mut()
                .push(Resting { until, ready: next });
            self.happens(next.process, || format!("is slow for {rest:?}"));
        }
    }

    fn choose(&self) -> Turn {
        let mut ready = self.ready.borrow_mut();
        self.collect(&mut ready);
        let processes = ready.len() as u32;
        let jobs = self.jobs.borrow().len() as u32;
        if processes + jobs == 0 {
            return Turn::Nobody;
        }
        // What is due at this moment may come before all that others still do in it.
        let all = processes + jobs + u32::from(self.is_due());
        let starving = ready
            .front()
            .is_some_and(|first| first.since + PATIENCE < self.steps.get());
        let chosen = match all {
            1 => 0,
            _ if starving || self.ending.get() => 0,
            _ => self
                .choices
                .borrow_mut()
                .process(Label::Next, all, self.place(), |place| {
                    ready.get(place as usize).map_or(0, |ready| ready.process)
                }),
        };
        match chosen.checked_sub(processes) {
            Some(timer) if timer == jobs => Turn::Timer,
            Some(job) => {
                let job = self.jobs.borrow_mut().remove(job as usize);
                job.map_or(Turn::Nobody, Turn::Job)
            }
            None => ready
                .remove(chosen as usize)
                .map_or(Turn::Nobody, Turn::Process),
        }
    }

    fn is_due(&self) -> bool {
        let deadline = self.scheduler.timers.next_deadline();
        deadline.is_some_and(|deadline| deadline <= self.now())
    }

    /// Fires one of the timers that are due; false if there is none.
    pub(super) fn fire_what_is_due(&self) -> bool {
        /// The most timers among which is chosen.
        const MOST: usize = 8;
        let timers = &self.scheduler.timers;
        let Some(deadline) = timers.next_deadline().filter(|&at| at <= self.now()) else {
            return false;
        };
        let due = timers.count_due_at(deadline, MOST) as u32;
        let at = if due > 1 && !self.ending.get() {
            let at = (0, self.steps.get());
            self.choices.borrow_mut().number(Label::Timer, due, at)
        } else {
            0
        };
        timers.fire_one(deadline, at as usize);
        true
    }

    /// Says which task is the root.
    pub(crate) fn set_root(&self, root: NonNull<Header>) {
        self.root.set(Some(root));
    }

    /// The root, if it can run.
    pub(crate) fn take_root(&self) -> Option<Ready> {
        self.root_ready.take()
    }

    /// Makes the step itself, and ends a run that looks for steps that block when it has found one.
    fn timed(&self, next: Ready) -> Step {
        self.progress.step_begins(next.process);
        if self.stopwatch.borrow().is_none() {
            return cell::step_simulated(next.task.0);
        }
        // Before the step, after which the process may be gone.
        let process = name_of(&self.scheduler, next.process);
        let mut stopwatch = self.stopwatch.take();
        stopwatch.as_mut().map(Stopwatch::step_begins);
        let outcome = cell::step_simulated(next.task.0);
        if let Some(took) = stopwatch.as_mut().and_then(Stopwatch::step_ends) {
            self.break_off(|| Reason::Blocked { process, took });
        }
        *self.stopwatch.borrow_mut() = stopwatch;
        outcome
    }

    /// Lets a process run until it waits, ends, or is interrupted.
    pub(crate) fn step(&self, next: Ready) {
        self.step_begins();
        self.streak.set(0);
        self.process.set(next.process);
        self.choices.borrow_mut().mix(u64::from(next.process) + 1);
        let watched = self.is_shown(next.process).then(|| {
            let slot = cell::slot_of_queued(next.task.0);
            let read = slot.read().map(|(_, about, task)| (about.name, task));
            if !slot.has_run() {
                let lineage = read.as_ref().and_then(|(_, task)| task.lineage());
                let again = lineage.map_or(0, |lineage| lineage.incarnation());
                self.happens(next.process, || match again {
                    0 => "starts".to_owned(),
                    again => format!("starts again (incarnation {again})"),
                });
            }
            read
        });
        let outcome = self.timed(next);
        match outcome {
            Step::Again => {
                let again = Ready {
                    since: self.steps.get(),
                    ..next
                };
                match self.put_aside.take() {
                    Some(until) => self.resting.borrow_mut().push(Resting {
                        until,
                        ready: again,
                    }),
                    None if self.root.get() == Some(next.task.0) => {
                        self.root_ready.set(Some(again));
                    }
                    None => {
                        if !self.is_interrupted(next.process) {
                            self.choices.borrow_mut().yields(next.process);
                        }
                        let mut ready = self.ready.borrow_mut();
                        self.collect(&mut ready);
                        ready.push_back(again);
                    }
                }
            }
            Step::Left => self.parked(next.process),
            Step::Ended => {
                self.put_aside.set(None);
                if let Some(Some((name, task))) = watched
                    && self.is_recording()
                    && let Some(exit) = task.exit()
                {
                    self.ended(next.process, name, &exit);
                }
            }
        }
    }

    /// Lets a job run to its end.
    pub(crate) fn run_job(&self, job: Job) {
        self.step_begins();
        self.in_job.set(true);
        job();
        self.in_job.set(false);
    }

    /// Lets those run again whose rest is over. True if there were some.
    pub(crate) fn end_rests(&self) -> bool {
        let now = self.now();
        let mut resting = self.resting.borrow_mut();
        let before = resting.len();
        let mut ready = self.ready.borrow_mut();
        resting.retain(|rest| {
            let over = rest.until <= now || self.ending.get();
            if over {
                ready.push_back(Ready {
                    since: self.steps.get(),
                    ..rest.ready
                });
            }
            !over
        });
        resting.len() < before
    }

    /// From now on nothing goes wrong any more, and who rests goes on: the end of a run is judged by its grace.
    pub(crate) fn end_faults(&self) {
        *self.faults.borrow_mut() = Active::default();
        for rest in &mut *self.resting.borrow_mut() {
            rest.until = 0;
        }
    }

    /// Whether another thread has woken a process: the process, if so.
    pub(crate) fn woken_from_outside(&self) -> Option<String> {
        if self.scheduler.injector.is_empty() {
            return None;
        }
        let local = crate::scheduler::queue::Local::new().0;
        let task = self.scheduler.injector.steal(&local)?;
        let slot = cell::slot_of_queued(task.0);
        let name = format!("{}#{}", slot.origin().name, slot.id().index());
        // The run is over; the process must still come to its end.
        self.ready.borrow_mut().push_back(Ready {
            task,
            process: slot.id().index(),
            since: 0,
        });
        Some(name)
    }
}
