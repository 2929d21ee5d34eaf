//! The state of one run: what can run, what is chosen, and how one step is made. The runtime reaches it through `sim::here`.
//!
//! **Invariants**
//! - Only the thread of the run touches its machine.
//! - A process that was made to wait at a point is not asked again before that operation: the choice was made.
//! - No user code runs while a cell of the machine is borrowed.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::scheduler::Scheduler;
use crate::sim::aside::{Aside, Resting};
use crate::sim::blocked::{Progress, Stopwatch};
use crate::sim::events::{Events, name_of, operation};
use crate::sim::faults::Active;
use crate::sim::here::Named;
use crate::sim::labels::Labels;
use crate::sim::monitor::Monitors;
use crate::sim::ready::{Pending, Ready, TIMER, Turn, number_of, who_is};
use crate::sim::reason::Reason;
use crate::sim::run::Keep;
use crate::sim::tape::{Choices, HOLD, Label, Point};
use crate::sim::values::{About, Values};
use crate::task::cell::{self, Header, Step};
use crate::task::current::BUDGET;
use crate::task::registry::WaitKind;
use crate::task::waker::TaskWaker;

/// A process that could run for so many steps is chosen in any case, so that no strategy starves it.
const PATIENCE: u64 = 10_000;

/// Draws in a run, and in one step of it, from which on the boring choice is not zero any more: see `here::user_number`.
const ZEROS: (u64, u64) = (256, 32);

/// The state of one run.
pub(crate) struct Machine {
    pub(crate) scheduler: Arc<Scheduler>,
    pub(crate) choices: RefCell<Choices>,
    pub(super) ready: RefCell<VecDeque<Ready>>,
    pub(super) jobs: RefCell<VecDeque<Pending>>,
    /// Processes and jobs that a fault keeps from running, in no order.
    pub(crate) resting: RefCell<Vec<Resting>>,
    /// What runs next: it was chosen when the running process was interrupted.
    pub(super) next: Cell<Option<Turn>>,
    /// Since which step a job or a timer could have had its turn, if one could.
    passed_over: Cell<Option<u64>>,
    /// A process has given others a turn since a job or a timer had one.
    yielded: Cell<bool>,
    /// The task that waits for the end of the body and of the root scope: it runs when nobody else can, and is not chosen.
    pub(super) root: Cell<Option<NonNull<Header>>>,
    pub(super) root_ready: Cell<Option<Ready>>,
    /// The process that runs, or ran last.
    pub(super) process: Cell<u32>,
    pub(crate) steps: Cell<u64>,
    pub(crate) max_steps: u64,
    /// The step in which time has moved last.
    moved_at: Cell<u64>,
    /// Points in this step that went on.
    pub(super) streak: Cell<u32>,
    /// What was tried in this step in vain.
    pub(super) vain: Cell<u32>,
    /// How often somebody asked where to begin.
    pub(super) turns: Cell<u32>,
    /// The last one who asked does not begin where it would have in the boring run.
    pub(super) turned: Cell<bool>,
    /// A timer was chosen to fire before this process runs, whose turn it was.
    timer_first: Cell<Option<u32>>,
    /// How many numbers the program has drawn; how many of them in this step, and which step that is.
    drawn: Cell<(u64, u64, u64)>,
    /// Polls of processes that have begun.
    polls: Cell<u64>,
    /// The one that goes on.
    pub(super) poll: Cell<u64>,
    /// By process: the poll in which it was interrupted at a point, which it passes when it runs again; zero if it was not.
    pub(super) interrupted: RefCell<Vec<u64>>,
    /// In the middle of a step others run.
    pub(super) others_run: Cell<bool>,
    pub(super) in_job: Cell<bool>,
    /// How many jobs there were.
    pub(super) jobs_taken: Cell<u32>,
    /// How long jobs took, by the clock on the wall.
    pub(super) in_jobs: Cell<Duration>,
    /// Where the running process goes when it is queued again, if not among those that can run.
    pub(super) put_aside: Cell<Option<Aside>>,
    /// Processes that run when all others wait, one after the other.
    pub(super) held: RefCell<VecDeque<Ready>>,
    /// See `Outcome::unjudged`.
    pub(super) unjudged: Cell<bool>,
    /// The run is being taken down: nothing is chosen any more.
    pub(crate) ending: Cell<bool>,
    /// Those who wait for everything to settle, and those who wait for time to move.
    pub(crate) settling: RefCell<Vec<TaskWaker>>,
    pub(crate) timed: RefCell<Vec<TaskWaker>>,
    pub(crate) monitors: RefCell<Monitors>,
    pub(crate) faults: RefCell<Active>,
    /// Something may go wrong in this run. Apart, because it is asked at each point.
    pub(super) faulty: Cell<bool>,
    pub(crate) broken: RefCell<Option<Reason>>,
    /// The error that the body returned.
    pub(super) body_error: RefCell<Option<Reason>>,
    pub(crate) events: RefCell<Option<Events>>,
    /// The places that the events name.
    pub(super) labels: RefCell<Labels>,
    pub(super) values: RefCell<Values>,
    /// The names that keep senders.
    pub(super) names: RefCell<Vec<Named>>,
    /// See `takes_over`.
    pub(super) sent_before: RefCell<HashMap<u64, u64>>,
    /// What happens is noted: not all that is of interest was. Apart, because it is asked at each point.
    pub(super) recording: Cell<bool>,
    pub(crate) seed: Option<u64>,
    pub(super) progress: Arc<Progress>,
    /// In a run that is made to find out which step blocks.
    stopwatch: RefCell<Option<Stopwatch>>,
    /// Panics are not printed: the run may be one of many that fail in the same way.
    pub(super) quiet: bool,
}

/// What a machine has grown, for the next one.
#[derive(Debug, Default)]
pub(super) struct Room {
    ready: VecDeque<Ready>,
    interrupted: Vec<u64>,
}

impl Machine {
    /// Begins with the room of an earlier one.
    pub(super) fn moves_into(&self, room: Room) {
        self.ready.replace(room.ready);
        self.interrupted.replace(room.interrupted);
    }

    /// Its room, empty.
    pub(super) fn leaves(&self) -> Room {
        let mut room = Room {
            ready: self.ready.take(),
            interrupted: self.interrupted.take(),
        };
        room.ready.clear();
        room.interrupted.clear();
        room
    }

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
        let allowed = faults;
        let faults = Active::choose(allowed, &mut choices);
        let mut events = keep.events.then(Events::default);
        let values = match keep.events {
            true => Values::plain(),
            false => Values::default(),
        };
        if allowed != crate::sim::Faults::none() {
            let text = || format!("faults that this run may have: {}", faults.in_words());
            events.iter_mut().for_each(|events| events.begin(text()));
        }
        Self {
            scheduler,
            choices: RefCell::new(choices),
            ready: RefCell::default(),
            jobs: RefCell::default(),
            resting: RefCell::default(),
            next: Cell::new(None),
            passed_over: Cell::new(None),
            yielded: Cell::new(false),
            root: Cell::new(None),
            root_ready: Cell::new(None),
            process: Cell::new(0),
            steps: Cell::new(0),
            max_steps,
            moved_at: Cell::new(0),
            streak: Cell::new(0),
            vain: Cell::new(0),
            turns: Cell::new(0),
            turned: Cell::new(false),
            timer_first: Cell::new(None),
            drawn: Cell::new((0, 0, 0)),
            polls: Cell::new(0),
            poll: Cell::new(0),
            interrupted: RefCell::default(),
            others_run: Cell::new(false),
            in_job: Cell::new(false),
            jobs_taken: Cell::new(0),
            in_jobs: Cell::default(),
            put_aside: Cell::new(None),
            held: RefCell::default(),
            unjudged: Cell::new(false),
            ending: Cell::new(false),
            settling: RefCell::default(),
            timed: RefCell::default(),
            monitors: RefCell::default(),
            faulty: Cell::new(faults.are_any()),
            faults: RefCell::new(faults),
            broken: RefCell::new(None),
            body_error: RefCell::new(None),
            events: RefCell::new(events),
            labels: RefCell::default(),
            values: RefCell::new(values),
            names: RefCell::default(),
            sent_before: RefCell::default(),
            recording: Cell::new(keep.events),
            seed,
            progress,
            stopwatch: RefCell::new(keep.times.map(Stopwatch::new)),
            quiet: !keep.panics,
        }
    }

    /// The process that runs, and the step: what a choice is noted with.
    pub(super) fn place(&self) -> (u32, u64) {
        (self.process.get(), self.steps.get())
    }

    /// The program draws a number: the how manieth, and whether the boring choice is still zero.
    pub(super) fn draws(&self) -> (u64, bool) {
        let (all, of_step, step) = self.drawn.get();
        let now = self.poll.get();
        let of_step = if step == now { of_step } else { 0 };
        self.drawn.set((all + 1, of_step + 1, now));
        (all, all < ZEROS.0 && of_step < ZEROS.1)
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

    /// Whether the body has returned an error.
    pub(super) fn has_returned_an_error(&self) -> bool {
        self.body_error.borrow().is_some()
    }

    pub(crate) fn is_broken(&self) -> bool {
        self.broken.borrow().is_some()
    }

    #[inline]
    fn step_begins(&self) {
        let steps = self.steps.get() + 1;
        self.steps.set(steps);
        if steps > self.max_steps {
            self.ends_too_long();
        }
    }

    #[cold]
    fn ends_too_long(&self) {
        self.break_off(|| self.too_long());
    }

    /// The reason of a run that has used up its steps.
    pub(super) fn too_long(&self) -> Reason {
        let steps = self.steps.get().min(self.max_steps);
        Reason::MaxSteps {
            steps,
            standing: steps.saturating_sub(self.moved_at.get()),
            now: Duration::from_nanos(self.now()),
        }
    }

    /// Lets time go on to this moment.
    pub(super) fn set_time(&self, nanos: u64) {
        self.scheduler.clock.set(nanos);
        self.moved_at.set(self.steps.get());
        self.choices.borrow_mut().mix(nanos);
    }

    /// Whether a process goes on at a point, where nothing is to be chosen.
    fn decided(&self, process: u32) -> Option<bool> {
        if self.ending.get() || self.is_broken() {
            let streak = self.streak.get() + 1;
            self.streak.set(streak);
            return Some(self.ending.get() && streak < BUDGET);
        }
        match self.interruption(process)? {
            // With the other of two operations, say: nothing more happens in this poll.
            poll if poll == self.poll.get() => Some(false),
            _ => {
                self.interrupted.borrow_mut()[process as usize] = 0;
                Some(true)
            }
        }
    }

    /// See [`point`]: whether the process goes on, and whether it panics instead; that only if it is polled for itself, and not by a
    /// destructor of its, where a panic may be the second one.
    pub(super) fn point(
        &self,
        task: &Header,
        for_itself: bool,
        kind: WaitKind,
        object: u64,
        about: &About,
    ) -> (bool, bool) {
        let process = task.slot().id().index();
        if let Some(goes_on) = self.decided(process) {
            if goes_on && !self.ending.get() {
                self.note(process, kind, object, about);
            }
            return (goes_on, false);
        }
        let what = || operation(&self.scheduler, process, kind, object, about);
        self.step_begins();
        if self.faulty.get() {
            if for_itself && self.panics(task, what) {
                return (false, true);
            }
            let receives = matches!(kind, WaitKind::Recv | WaitKind::Select);
            if receives && task.scope().is_some() && self.stalls(process) {
                return (false, false);
            }
        }
        let mut ready = self.ready.borrow_mut();
        self.collect(&mut ready);
        let streak = self.streak.get() + 1;
        let mut jobs = self.jobs.borrow_mut();
        let others = (ready.len() + jobs.len()) as u32;
        let starving = ready
            .front()
            .is_some_and(|first| first.since + PATIENCE < self.steps.get());
        let chosen = if others == 0 {
            let point = Point::before(kind);
            self.choices.borrow_mut().alone(point, self.place());
            0
        } else if streak >= BUDGET || starving {
            1
        } else {
            let who = |place: u32| match place.checked_sub(1) {
                None => number_of(process),
                Some(place) => who_is(&ready, &jobs, place as usize),
            };
            let mut choices = self.choices.borrow_mut();
            let point = Some((Point::before(kind), object));
            choices.process(point, others + 1, self.place(), who)
        };
        if chosen == HOLD {
            drop((ready, jobs));
            self.hold(process, what);
            return (false, false);
        }
        // Nobody else can run, and a timer that is due would never fire, or who is held back never run.
        let could = || self.is_due() || !self.held.borrow().is_empty();
        let gives_way = others == 0 && streak >= BUDGET && could();
        if chosen != 0 || gives_way {
            let other = chosen.checked_sub(1).map(|other| other as usize);
            self.next.set(other.and_then(|other| {
                let process = ready.remove(other).map(Turn::Process);
                process.or_else(|| jobs.remove(other - ready.len()).map(Turn::Job))
            }));
            drop((ready, jobs));
            self.yielded.set(self.yielded.get() || gives_way);
            self.interrupt(process);
            self.happens(process, || format!("is interrupted before: {}", what()));
            return (false, false);
        }
        self.streak.set(streak);
        drop((ready, jobs));
        if others == 0 && self.breaks_a_condition() {
            return (false, false);
        }
        self.note(process, kind, object, about);
        (true, false)
    }

    /// Chooses what runs next.
    fn turn(&self) -> Turn {
        loop {
            let mut turn = self.next.take().unwrap_or_else(|| self.choose());
            if !self.faulty.get() {
                return turn;
            }
            let (process, rested) = match &mut turn {
                Turn::Process(next) if cell::is_of_scope(next.task.0) => {
                    (Some(next.process), &mut next.rested)
                }
                Turn::Job(next) => (None, &mut next.rested),
                _ => return turn,
            };
            if self.ending.get() || std::mem::replace(rested, true) {
                return turn;
            }
            let job = match &turn {
                Turn::Job(job) => Some(job.process),
                _ => None,
            };
            let at = (process.unwrap_or(0), self.steps.get());
            let rest = self
                .faults
                .borrow()
                .rest(&mut self.choices.borrow_mut(), at);
            let Some(rest) = rest else {
                return turn;
            };
            let until = self.later(rest);
            self.resting
                .borrow_mut()
                .push(Resting { until, what: turn });
            if let Some(process) = process {
                self.happens(process, || format!("is slow for {rest:?}"));
            } else if let Some(process) = job {
                self.happens(process, || {
                    format!("its job that blocks is slow for {rest:?}")
                });
            }
        }
    }

    fn choose(&self) -> Turn {
        self.release_the_oldest();
        let mut ready = self.ready.borrow_mut();
        self.collect(&mut ready);
        let processes = ready.len() as u32;
        let jobs = self.jobs.borrow().len() as u32;
        if processes + jobs == 0 {
            return Turn::Nobody;
        }
        // What is due at this moment may come before all that others still do in it.
        let rest = jobs + u32::from(self.is_due());
        let all = processes + rest;
        let now = self.steps.get();
        let is_old = |since: u64| since + PATIENCE < now;
        let neglected = self.is_passed_over(rest > 0).is_some_and(is_old);
        let starving = ready.front().is_some_and(|first| is_old(first.since));
        // Who gives others a turn, in a loop, means jobs and timers too.
        let first = if neglected || self.yielded.get() {
            rest
        } else {
            0
        };
        let process = |place: u32| Some(place.checked_sub(first)? as usize);
        // Those that are no processes come first, or last.
        let waiting = self.jobs.borrow();
        let who = |place| match process(place) {
            Some(place) => who_is(&ready, &waiting, place),
            None => waiting.get(place as usize).map_or(TIMER, Pending::number),
        };
        let mut chosen = match all {
            1 => 0,
            _ if starving || neglected || self.ending.get() => 0,
            _ => {
                let mut choices = self.choices.borrow_mut();
                choices.process(None, all, self.place(), who)
            }
        };
        drop(waiting);
        if chosen == HOLD {
            if let Some(next) = process(0).and_then(|place| ready.remove(place)) {
                drop(ready);
                self.hold_before_its_turn(next);
                return self.choose();
            }
            chosen = 0;
        }
        if let Some(next) = process(chosen).and_then(|place| ready.remove(place)) {
            if chosen != 0 {
                let before = process(0).and(ready.front());
                self.comes_first(next.process, before.map(|ready| ready.process));
            }
            return Turn::Process(next);
        }
        self.passed_over.set(None);
        self.yielded.set(false);
        let job = if first > 0 {
            chosen
        } else {
            chosen - processes
        };
        if let Some(job) = self.jobs.borrow_mut().remove(job as usize) {
            return Turn::Job(job);
        }
        let before = ready.front().filter(|_| chosen != 0);
        self.timer_first.set(before.map(|ready| ready.process));
        Turn::Timer
    }

    /// Since which step jobs and timers had no turn, if they could have one.
    fn is_passed_over(&self, could: bool) -> Option<u64> {
        let since = could.then(|| self.passed_over.get().unwrap_or(self.steps.get()));
        self.passed_over.set(since);
        since
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
        let passed = self.timer_first.take();
        if self.is_recording() {
            self.timer_fires(deadline, at as usize, passed);
        }
        timers.fire_one(deadline, at as usize);
        true
    }

    /// Makes the step itself, and ends a run that looks for steps that block when it has found one.
    fn timed(&self, next: Ready) -> Step {
        self.progress.step_begins(next.process);
        if self.stopwatch.borrow().is_none() {
            return cell::step_simulated(next.task.0);
        }
        // Before the step, after which the process may be gone.
        let process = name_of(&self.scheduler, next.process);
        self.watch_begins();
        let outcome = cell::step_simulated(next.task.0);
        self.watch_ends(|| process);
        outcome
    }

    /// A step begins, or goes on, in a run that looks for steps that block.
    pub(super) fn watch_begins(&self) {
        self.stopwatch
            .borrow_mut()
            .as_mut()
            .map(Stopwatch::step_begins);
    }

    /// A step of a process ends, or others run in the middle of it.
    pub(super) fn watch_ends(&self, process: impl FnOnce() -> String) {
        let mut stopwatch = self.stopwatch.borrow_mut();
        if let Some((took, call)) = stopwatch.as_mut().and_then(Stopwatch::step_ends) {
            self.break_off(|| Reason::Blocked {
                process: process(),
                took,
                call,
            });
        }
    }

    /// Lets somebody have a turn; false if nobody can.
    pub(super) fn take_turn(&self) -> bool {
        match self.turn() {
            Turn::Process(next) => self.step(next),
            Turn::Job(job) => self.run_job(job),
            Turn::Timer => {
                self.fire_what_is_due();
            }
            Turn::Nobody => return false,
        }
        true
    }

    /// Lets a process run until it waits, ends, or is interrupted.
    pub(crate) fn step(&self, next: Ready) {
        self.step_begins();
        self.streak.set(0);
        self.vain.set(0);
        self.polls.set(self.polls.get() + 1);
        self.poll.set(self.polls.get());
        // Left by a poll whose process went on and parked elsewhere.
        self.put_aside.set(None);
        self.process.set(next.process);
        self.choices.borrow_mut().mix(u64::from(next.process) + 1);
        let watched = self.is_shown(next.process).then(|| {
            let slot = cell::slot_of_queued(next.task.0);
            let read = slot.read().map(|(_, about, task)| (about.name, task));
            if !slot.has_run() {
                read.iter().for_each(|(_, task)| self.takes_over(task));
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
                    rested: false,
                    ..next
                };
                match self.put_aside.take() {
                    Some(Aside::Held) => self.keep_back(again),
                    Some(Aside::Until(until)) => self.resting.borrow_mut().push(Resting {
                        until,
                        what: Turn::Process(again),
                    }),
                    None if self.root.get() == Some(next.task.0) => {
                        self.root_ready.set(Some(again));
                    }
                    None => {
                        if self.interruption(next.process).is_none() {
                            self.yielded.set(true);
                            self.choices.borrow_mut().yields(next.number());
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
                // Another process may get its number.
                if let Some(poll) = self.interrupted.borrow_mut().get_mut(next.process as usize) {
                    *poll = 0;
                }
                self.choices.borrow_mut().ends(next.number());
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
    fn run_job(&self, Pending { job, process, .. }: Pending) {
        self.step_begins();
        self.happens(process, || "its job that blocks runs".to_owned());
        self.progress.job_begins();
        self.in_job.set(true);
        let begun = Instant::now();
        job();
        self.in_jobs.set(self.in_jobs.get() + begun.elapsed());
        self.in_job.set(false);
        self.look_after_job(process);
    }
}
