//! The state of one run, and what the runtime asks of it.
//!
//! While a run is under way, its machine is the machine of its thread. The runtime calls it at the few places where something
//! could happen in several ways: before an operation ([`point`]), for a random number ([`random_below`]), for a timer
//! ([`timer_delay`]), for a job that blocks ([`submit`]). In production none of these places is reached, except [`keeps_quiet`].
//!
//! **Invariants**
//! - Only the thread of the run touches its machine.
//! - A process that was made to wait at a point is not asked again before that operation: the choice was made.
//! - No user code runs while a cell of the machine is borrowed.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt::Debug;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::blocking::Job;
use crate::channel::head::Side;
use crate::scheduler::Scheduler;
use crate::scheduler::queue::Runnable;
use crate::scheduler::worker;
use crate::sim::events::{Events, operation};
use crate::sim::faults::Active;
use crate::sim::monitor::Monitors;
use crate::sim::reason::Reason;
use crate::sim::tape::{Choices, Label};
use crate::sim::values::{About, Values};
use crate::task::cell::{self, Header, Step};
use crate::task::current::BUDGET;
use crate::task::registry::WaitKind;
use crate::task::waker::TaskWaker;

/// A process that could run for so many steps is chosen in any case, so that no strategy starves it.
const PATIENCE: u64 = 10_000;

/// More than a `select!` has arms.
const ARMS: u32 = 64;

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
    turns: Cell<u32>,
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
    values: RefCell<Values>,
    /// All that is of interest was recorded.
    pub(super) shown: Cell<bool>,
    pub(crate) seed: Option<u64>,
    /// Panics are not printed: the run may be one of many that fail in the same way.
    quiet: bool,
}

thread_local! {
    static MACHINE: RefCell<Option<Rc<Machine>>> = const { RefCell::new(None) };
    /// Whether panics on this thread are kept quiet. Apart, because it is read in the panic hook.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// Whether the run on this thread keeps what happens. Apart, because it is asked where messages pass.
    static RECORDS: Cell<bool> = const { Cell::new(false) };
}

/// While it lives, a machine is the machine of this thread.
#[derive(Debug)]
pub(crate) struct Here(());

impl Drop for Here {
    fn drop(&mut self) {
        QUIET.set(false);
        RECORDS.set(false);
        // Dropped after the borrow has ended.
        let _machine = MACHINE.take();
    }
}

/// Calls `f` with the machine of this thread, if a run is under way here.
#[inline]
pub(crate) fn with<R>(f: impl FnOnce(Option<&Rc<Machine>>) -> R) -> R {
    MACHINE.with_borrow(|machine| f(machine.as_ref()))
}

/// Before an operation of a process: whether it goes on. `None` outside of a simulation.
pub(crate) fn point(task: &Header, kind: WaitKind, object: u64, about: &About) -> Option<bool> {
    let (goes_on, throws) = with(|machine| {
        let machine = machine?;
        Some(machine.point(task, kind, object, about))
    })?;
    if throws {
        // No message of the panic hook: this is no mistake of anybody's.
        std::panic::resume_unwind(Box::new("a fault that the simulation made"));
    }
    Some(goes_on)
}

/// A number that the runtime wants at random: above all, which arm a `select!` looks at first.
///
/// There the boring choice goes round: a loop in which the first arm is always ready comes to the others too, in every run.
#[cold]
pub(crate) fn random_below(n: u32) -> u32 {
    let number = number(Label::Random, n);
    if n > ARMS {
        return number;
    }
    let turn = with(|machine| {
        machine.map_or(0, |machine| {
            machine.turns.replace(machine.turns.get().wrapping_add(1))
        })
    });
    (number + turn % n) % n
}

/// A number that the program wants at random.
pub(crate) fn user_number(n: u32) -> u32 {
    number(Label::User, n)
}

fn number(label: Label, n: u32) -> u32 {
    with(|machine| match machine {
        Some(machine) if !machine.ending.get() && n > 1 => {
            let at = machine.here();
            machine.choices.borrow_mut().number(label, n, at)
        }
        _ => 0,
    })
}

/// By how many nanoseconds the timer that is being registered is late.
#[cold]
pub(crate) fn timer_delay() -> u64 {
    with(|machine| match machine {
        Some(machine) if !machine.ending.get() => {
            let at = machine.here();
            let faults = machine.faults.borrow();
            let delay = faults.delay(&mut machine.choices.borrow_mut(), at);
            delay.map_or(0, |delay| delay.as_nanos() as u64)
        }
        _ => 0,
    })
}

/// Takes a job that would run on a thread of its own; false outside of a simulation.
pub(crate) fn submit(job: Job) -> bool {
    with(|machine| match machine {
        Some(machine) => {
            machine.jobs.borrow_mut().push_back(job);
            true
        }
        None => false,
    })
}

/// Notes that the body of the test returned an error.
pub(crate) fn body_failed(error: &crate::Error) {
    with(|machine| {
        if let Some(machine) = machine {
            machine.happens(machine.process.get(), || {
                format!("returns the error: {error:#}")
            });
            machine.stop_recording();
        }
    });
}

/// Whether the run on this thread keeps what happens; false outside of a simulation.
#[inline]
pub(crate) fn records() -> bool {
    RECORDS.get()
}

/// Notes that the running process begins to handle a message of its mailbox.
#[cold]
pub(crate) fn handles(call: String) {
    with(|machine| {
        if let Some(machine) = machine {
            machine.handles(call);
        }
    });
}

/// Notes which message the running process has received, if it has one and such messages can be shown.
pub(crate) fn received<T: 'static>(object: u64, message: &T) {
    if let Some(message) = show(message) {
        with(|machine| {
            if let Some(machine) = machine {
                machine.received(object, &message);
            }
        });
    }
}

/// Lets the run show messages of this type.
#[cold]
pub(crate) fn learn<T: Debug + 'static>() {
    with(|machine| {
        if let Some(machine) = machine {
            machine.values.borrow_mut().learn::<T>();
        }
    });
}

/// A message in words, if the run knows how to show its type.
pub(crate) fn show<T: 'static>(message: &T) -> Option<String> {
    let how = with(|machine| machine?.values.borrow().how::<T>())?;
    Some(how(message))
}

/// Notes that the running process has dropped the last endpoint of one side of a channel.
#[cold]
pub(crate) fn closes(object: u64, side: Side) {
    with(|machine| {
        if let Some(machine) = machine {
            machine.closes(object, side);
        }
    });
}

/// Whether a run is under way on this thread.
pub(crate) fn is_here() -> bool {
    with(|machine| machine.is_some())
}

/// Whether this thread runs a job of a simulation.
pub(crate) fn is_in_job() -> bool {
    with(|machine| machine.is_some_and(|machine| machine.in_job.get()))
}

/// Whether the panic hook says nothing: the run may be one of many that fail in the same way.
pub(crate) fn keeps_quiet() -> bool {
    QUIET.get()
}

impl Machine {
    /// A machine for a run that begins.
    pub(crate) fn new(
        scheduler: Arc<Scheduler>,
        mut choices: Choices,
        faults: crate::sim::Faults,
        max_steps: u64,
        seed: Option<u64>,
        quiet: bool,
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
            events: RefCell::new(None),
            values: RefCell::default(),
            shown: Cell::new(false),
            seed,
            quiet,
        }
    }

    /// Makes this the machine of the thread.
    pub(crate) fn enter(self: &Rc<Self>) -> Here {
        QUIET.set(self.quiet);
        RECORDS.set(self.events.borrow().is_some());
        MACHINE.set(Some(Rc::clone(self)));
        Here(())
    }

    /// The process that runs, and the step: what a choice is noted with.
    fn here(&self) -> (u32, u64) {
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
    fn point(&self, task: &Header, kind: WaitKind, object: u64, about: &About) -> (bool, bool) {
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
        if task.lineage().is_some() && task.scope().is_some() && !std::thread::panicking() {
            let mut faults = self.faults.borrow_mut();
            if faults.throws(&mut self.choices.borrow_mut(), self.here()) {
                return (false, true);
            }
        }
        let mut ready = self.ready.borrow_mut();
        self.collect(&mut ready);
        if kind == WaitKind::Recv {
            let stall = self
                .faults
                .borrow()
                .stall(&mut self.choices.borrow_mut(), self.here());
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
                .process(Label::Point, others + 1, self.here(), |place| match place {
                    0 => process,
                    place => ready[place as usize - 1].process,
                })
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
                .process(Label::Next, all, self.here(), |place| {
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
        let outcome = cell::step_simulated(next.task.0);
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
