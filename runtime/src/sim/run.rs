//! One run: a system on this thread, from its first step to the checks at its end.
//!
//! A timer that is due fires at any point between the steps of others in its moment, as a choice. When nothing can run, in this order: a process that another thread woke ends the run; a timer that is due fires; those who
//! wait for everything to settle go on, one by one; if the body has returned, the end begins; time moves to the next timer; and
//! if there is none, it is a deadlock.
//!
//! The end: time goes on for a while, for those who only sleep and for what must hold eventually, because `main` would wait for them
//! too; then what must hold eventually is looked at, leaks are looked for, and the system is stopped with its grace in virtual time.

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::fmt;
use std::future::IntoFuture;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use crate::observe::snapshot;
use crate::process::Exit;
use crate::scheduler::Scheduler;
use crate::scheduler::worker::Worker;
use crate::scope::{Scope, ScopeInner};
use crate::sim::blocked::{Progress, Timing};
use crate::sim::events;
use crate::sim::faults::Faults;
use crate::sim::handle::{Body, Sim, now_or_never};
use crate::sim::here;
use crate::sim::machine::{Machine, Room};
use crate::sim::quiet;
use crate::sim::reason::Reason;
use crate::sim::strategy::Plan;
use crate::sim::tape::{Choices, Entry, Tape};
use crate::sim::threads::Threads;
use crate::sync::{Owning, may_own_locks};
use crate::system::{Returned, SystemInner, oversee};
use crate::task::{Task, TaskRef, current};

/// Steps that a run that failed may take to come to its end.
const LAST_STEPS: u64 = 100_000;

/// Steps that a run in which something has failed may take to come to its end by itself.
const MORE_STEPS: u64 = 2_000;

/// After how many turns it is asked whether something has failed: that takes a lock.
const SELDOM: u64 = 64;

/// After how many moves of the time it is asked for the first time whether the body can go on at all.
const FIRST_LOOK: u64 = 64;

/// How often time moves after the body has returned, for those who only sleep: whoever does so again and again is not waited for.
const LAST_MOVES: u64 = 64;

/// What a run needs to know.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Options {
    pub(crate) faults: Faults,
    pub(crate) max_steps: u64,
    pub(crate) leaks: bool,
    /// Messages that nobody received are a failure.
    pub(crate) deny_lost: bool,
    pub(crate) grace: Duration,
    /// Nobody outside of a run can have endpoints of its channels: the test captures nothing.
    pub(crate) closed: bool,
    /// Where the test stands.
    pub(crate) site: &'static Location<'static>,
}

impl Default for Options {
    #[track_caller]
    fn default() -> Self {
        Self {
            site: Location::caller(),
            faults: Faults::none(),
            max_steps: 100_000,
            leaks: true,
            deny_lost: false,
            grace: Duration::from_secs(10),
            closed: false,
        }
    }
}

/// What differs from the default, as arguments of `#[roundrock::test]`, each after a comma.
impl fmt::Display for Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let default = Self::default();
        write!(f, "{}", self.faults)?;
        if self.max_steps != default.max_steps {
            write!(f, ", max_steps = {}", self.max_steps)?;
        }
        if !self.leaks {
            f.write_str(", leaks = \"allow\"")?;
        }
        if self.deny_lost {
            f.write_str(", lost = \"deny\"")?;
        }
        if self.grace != default.grace {
            write!(f, ", grace = \"{}ms\"", self.grace.as_millis())?;
        }
        Ok(())
    }
}

/// What is kept of a run.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Keep {
    /// Every choice, to be compared with those of another run.
    pub(crate) log: bool,
    /// What happened, in words.
    pub(crate) events: bool,
    /// Panics are printed.
    pub(crate) panics: bool,
    /// How long each step takes, by the clock on the wall: one that blocks ends the run.
    pub(crate) times: Option<Timing>,
    /// Before a process is said to wait for ever, a thread that is not of the simulation has time to wake it.
    pub(crate) patient: bool,
    /// In the end supervised children that wait are taken away, to see who waits for ever without them.
    pub(crate) without: bool,
}

/// What came of a run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) reason: Option<Reason>,
    /// Channels are left: the arena must not be used again.
    pub(crate) has_left: bool,
    /// In the end some waited of whom it cannot be told whether they end with the supervised children: see [`Keep::without`].
    pub(crate) unjudged: bool,
    /// The choices of the run, with zeros at the end.
    pub(crate) written: Vec<u32>,
    pub(crate) hash: u64,
    pub(crate) log: Vec<Entry>,
    pub(crate) plan: Option<Plan>,
    pub(crate) steps: u64,
    pub(crate) nanos: u64,
    /// How long its jobs took, by the clock on the wall.
    pub(crate) in_jobs: Duration,
    pub(crate) events: Vec<String>,
    pub(crate) waits: Vec<String>,
    pub(crate) sometimes: Vec<(String, bool)>,
}

impl Outcome {
    pub(crate) fn tape(&self) -> Tape {
        Tape::new(self.written.clone())
    }
}

/// A system that runs use one after another: making one takes longer than many a run.
#[derive(Debug)]
pub(crate) struct Arena {
    worker: Worker,
    scheduler: Arc<Scheduler>,
    progress: Arc<Progress>,
    /// What the machines of its runs grow into.
    room: RefCell<Room>,
    /// From its first run on: it costs a call of the operating system.
    _owns_locks: Option<Owning>,
}

impl Arena {
    pub(crate) fn new(name: &str, progress: &Arc<Progress>) -> Self {
        let (scheduler, worker) = Scheduler::simulated(name);
        progress.set_scheduler(&scheduler);
        Self {
            worker,
            scheduler,
            progress: Arc::clone(progress),
            room: RefCell::default(),
            _owns_locks: may_own_locks(),
        }
    }

    /// The name of a process of the last run.
    pub(crate) fn name_of(&self, process: u32) -> String {
        events::name_of(&self.scheduler, process)
    }

    /// Makes it as good as new; false if something of the last run is left, and this must not be used again.
    pub(crate) fn reset(&self) -> bool {
        let scheduler = &self.scheduler;
        let empty = scheduler.injector.is_empty() && scheduler.timers.len() == 0;
        if !empty || !scheduler.registry.reset(&mut self.worker.free_slots()) {
            return false;
        }
        for remote in &scheduler.remotes {
            remote.channels.forget();
        }
        scheduler.cycles.forget();
        scheduler.proofs.reset();
        scheduler.lost.reset();
        scheduler.clock.set(0);
        true
    }

    /// Runs a body once.
    pub(crate) fn run(
        &self,
        options: &Options,
        choices: Choices,
        seed: Option<u64>,
        keep: Keep,
        body: &Body<'_>,
    ) -> Outcome {
        let mut choices = choices;
        let scheduler = Arc::clone(&self.scheduler);
        let system = SystemInner::simulated(scheduler, "simulation".to_owned(), options.grace);
        if keep.log {
            choices.keep_log();
        }
        let _worker = self.worker.enter();
        let machine = Rc::new(Machine::new(
            Arc::clone(&self.scheduler),
            choices,
            options.faults,
            options.max_steps,
            seed,
            keep,
            Arc::clone(&self.progress),
        ));
        machine.moves_into(self.room.take());
        let here = here::enter(&machine);
        let root = system.make_root();
        let sim = Sim::new(Scope::from_inner(Arc::clone(&root)));
        // Before the body, which may start some.
        let threads = keep.patient.then(Threads::of_now);
        // UNWIND: the process of the body ends as if it had panicked there.
        let main = catch_unwind(AssertUnwindSafe(|| body(sim))).unwrap_or_else(|payload| {
            let site = current::take_panic_site();
            Box::pin(async move {
                current::pass_panic_on(site);
                resume_unwind(payload)
            })
        });
        let main = async move { Ok::<_, Infallible>(main.await) };
        let main = system.run_internally_at("test", options.site, main);
        let test = main.task().clone();
        system.set_entry(test.id());
        let whole = system.run_internally("root", oversee(Arc::clone(&root), main));
        machine.set_root(whole.task().header());
        let run = Run {
            machine: &machine,
            root: &root,
            test,
            whole,
            failed_before: Cell::new(None),
            failed_at: Cell::new(None),
            waits: RefCell::default(),
            checked: Cell::new(false),
            moves: Cell::new(0),
            aftermath: Cell::new(None),
            options,
            threads,
            without: keep.without,
        };
        let waits = run.complete();
        drop(root);
        drop(here);
        self.room.replace(machine.leaves());
        let mut outcome = finish(machine, waits);
        if outcome.reason.is_none() && options.leaks && options.closed {
            let forgotten = self.forgotten();
            outcome.has_left = !forgotten.is_empty();
            outcome.reason = outcome.has_left.then_some(Reason::Forgotten(forgotten));
        }
        outcome
    }

    /// The channels that still have endpoints when nobody is left, one line for each.
    fn forgotten(&self) -> Vec<String> {
        let channels = self.scheduler.remotes.iter();
        let channels = channels.flat_map(|remote| remote.channels.described());
        let lines = channels.map(|channel| {
            let site = format!(
                "{}:{}",
                events::short(channel.site.file()),
                channel.site.line()
            );
            let name = channel
                .name
                .map_or_else(String::new, |name| format!("{name} "));
            format!(
                "{name}[{site}]: {}, with {} and {}",
                channel.message,
                quiet::count(channel.senders, "sender"),
                quiet::count(channel.receivers, "receiver")
            )
        });
        lines.collect()
    }
}

/// A run under way.
struct Run<'a> {
    machine: &'a Machine,
    root: &'a Arc<ScopeInner>,
    /// The body of the test.
    test: TaskRef,
    /// What waits for the body and then for the root scope.
    whole: Task<Returned<()>>,
    /// A process of the root scope had failed when the body ended.
    failed_before: Cell<Option<bool>>,
    /// The step at which a process of the root scope had failed.
    failed_at: Cell<Option<u64>>,
    /// Who waited for what when a process had failed, in a run that is recorded.
    waits: RefCell<Option<Vec<String>>>,
    /// The checks at the end were made.
    checked: Cell<bool>,
    /// How often time has moved.
    moves: Cell<u64>,
    /// When the body had returned and all had settled, and how often time has moved since.
    aftermath: Cell<Option<(u64, u64)>>,
    options: &'a Options,
    /// Who may still wake somebody, in a run that is patient.
    threads: Option<Threads>,
    /// See [`Keep::without`].
    without: bool,
}

impl Run<'_> {
    /// Runs until everything has ended, or the run has failed. Returns who waited for what when it failed.
    fn complete(self) -> Vec<String> {
        let mut turns = 0_u64;
        while !self.machine.is_broken() && !self.whole.task().state.is_done() {
            self.go_on();
            self.machine.look();
            self.note_failure();
            turns += 1;
            if turns.is_multiple_of(SELDOM) {
                self.give_up_on_the_others();
            }
        }
        self.prefer_the_cause();
        if !self.machine.is_broken() && !self.checked.get() && !self.has_failed() {
            // Everything ended by itself.
            self.machine.look_at_end();
        }
        let mut waits = self.waits.take().unwrap_or_default();
        if self.machine.is_broken() {
            waits = self.who_waits();
        }
        self.take_down();
        if !self.machine.is_broken() {
            let report = self.root.state.lock().report.clone();
            let value = now_or_never(self.whole.into_future());
            let before = self.failed_before.get() == Some(true);
            let reason = value.and_then(|value| Reason::of_end(value, self.root.result(), before));
            let reason = reason.or_else(|| Reason::of_late(&report));
            let reason = reason.or_else(|| of_messages(self.machine, self.options.deny_lost));
            *self.machine.broken.borrow_mut() = reason;
        }
        // Whatever else went wrong may come of it.
        if let Some(violated) = quiet::violated(self.machine) {
            *self.machine.broken.borrow_mut() = Some(violated);
        }
        waits
    }

    /// Who waits for what in a run that has failed, and who of them waits for ever, if that is why.
    fn who_waits(&self) -> Vec<String> {
        let mut waits = quiet::waits(self.machine, &self.test);
        if matches!(
            &*self.machine.broken.borrow(),
            Some(Reason::MaxSteps { .. })
        ) {
            waits.extend(self.machine.who_rests());
        }
        let told = match &*self.machine.broken.borrow() {
            Some(Reason::Deadlock | Reason::MaxSteps { .. }) => Vec::new(),
            Some(Reason::Stuck(told)) => told.clone(),
            Some(Reason::Leak(_) | Reason::Eventually(_)) => {
                return self.with_what_conditions_hold(waits);
            }
            _ => return waits,
        };
        let proven = quiet::proven(&self.root.system).into_iter();
        waits.extend(proven.filter(|proof| !told.contains(proof)));
        self.with_what_conditions_hold(waits)
    }

    /// Adds that conditions hold what the others wait for, if somebody can run when they are dropped.
    fn with_what_conditions_hold(&self, mut waits: Vec<String>) -> Vec<String> {
        if self.machine.drop_conditions() && self.machine.somebody_can_run() {
            waits.push(
                "a condition of `always`, `sometimes` or `eventually` holds an endpoint or a handle that they wait for: \
                 let it hold a weak one (`downgrade()`), or only the state that it looks at"
                    .to_owned(),
            );
        }
        waits
    }

    /// Notes what came first: the end of the body, or the failure of a process; what comes after a failure is not shown.
    fn note_failure(&self) {
        if self.failed_before.get().is_none() && self.test.state.is_done() {
            self.failed_before.set(Some(self.root.has_failed()));
        }
        let is_kept = self.machine.events.borrow().is_some() && self.waits.borrow().is_none();
        if is_kept && self.has_failed() {
            self.machine.stop_recording();
            *self.waits.borrow_mut() = Some(quiet::waits(self.machine, &self.test));
        }
    }

    /// Ends a run in which a process has failed and others do not stop: they may wait in a loop for what it cannot do any more.
    fn give_up_on_the_others(&self) {
        let steps = self.machine.steps.get();
        match self.failed_at.get() {
            None if self.has_failed() => {
                self.failed_at.set(Some(steps));
            }
            Some(at) if steps > at + MORE_STEPS => self.machine.break_off(|| self.first_failure()),
            _ => {}
        }
    }

    /// A condition that does not hold any more because something failed in the same step is not what went wrong.
    fn prefer_the_cause(&self) {
        let is_condition = matches!(
            &*self.machine.broken.borrow(),
            Some(Reason::Always(_) | Reason::Eventually(_))
        );
        if is_condition && self.has_failed() {
            let reason = self.first_failure();
            *self.machine.broken.borrow_mut() = Some(reason);
        }
    }

    /// Whether the body or a process of the root scope has failed.
    fn has_failed(&self) -> bool {
        self.root.has_failed() || self.machine.has_returned_an_error() || self.has_panicked()
    }

    /// Whether the body has.
    fn has_panicked(&self) -> bool {
        self.test.exit().is_some_and(|exit| exit.is_failure())
    }

    /// What failed first, the body or a process.
    fn first_failure(&self) -> Reason {
        let panic = self.test.exit().filter(Exit::is_failure);
        let panic = panic.map(|exit| Reason::of_exit("test", &exit));
        let body = panic.or_else(|| self.machine.body_error.borrow().clone());
        match (body, self.failed_before.get(), self.root.result()) {
            (Some(body), Some(false), _) | (Some(body), _, Ok(())) => body,
            (_, _, Err(error)) => Reason::of_error(&error),
            (None, _, Ok(())) => self.machine.too_long(),
        }
    }

    /// One turn of somebody, or what happens when nobody can run.
    fn go_on(&self) {
        if !self.machine.take_turn() {
            self.idle();
        }
    }

    fn idle(&self) {
        let machine = self.machine;
        if let Some(process) = machine.woken_from_outside() {
            return machine.break_off(|| Reason::Outside(process));
        }
        if machine.end_rests() || machine.fire_what_is_due() {
            return;
        }
        if let Some(root) = machine.take_root() {
            return machine.step(root);
        }
        let settled = {
            let mut settling = machine.settling.borrow_mut();
            (!settling.is_empty()).then(|| settling.remove(0))
        };
        if let Some(waker) = settled {
            return waker.wake();
        }
        if self.test.state.is_done() && !self.root.is_stopping() {
            return self.begin_end();
        }
        match self.next_moment() {
            Some(nanos) => {
                self.look_whether_the_test_is_stuck();
                self.move_time(nanos);
            }
            None if self.is_woken_in_time() => {}
            None => machine
                .break_off(|| quiet::lost_wakeup(&self.root.system).unwrap_or(Reason::Deadlock)),
        }
    }

    /// Whether a thread that is not of the simulation wakes somebody, which ends the run; only in a run that is patient.
    fn is_woken_in_time(&self) -> bool {
        let machine = self.machine;
        let Some(threads) = self.threads.as_ref().filter(|_| !machine.is_broken()) else {
            return false;
        };
        let woken = threads.wait_for(|| machine.woken_from_outside());
        let is_woken = woken.is_some();
        if let Some(process) = woken {
            machine.break_off(|| Reason::Outside(process));
        }
        is_woken
    }

    /// While some go on for ever, driven by timers, the body may wait for what cannot come. That is asked for more and more seldom,
    /// because it means to look at all processes.
    fn look_whether_the_test_is_stuck(&self) {
        let moves = self.moves.get() + 1;
        self.moves.set(moves);
        if moves < FIRST_LOOK || !moves.is_power_of_two() || self.test.state.is_done() {
            return;
        }
        let stuck = quiet::stuck(&self.root.system, &self.test);
        if !stuck.is_empty() {
            self.machine.break_off(|| Reason::Stuck(stuck));
        }
    }

    /// The next moment at which something happens by itself.
    fn next_moment(&self) -> Option<u64> {
        let resting = self.machine.resting.borrow();
        let rests = resting.iter().map(|rest| rest.until);
        rests
            .chain(self.machine.scheduler.timers.next_deadline())
            .min()
    }

    fn move_time(&self, nanos: u64) {
        self.machine.set_time(nanos);
        let timed = std::mem::take(&mut *self.machine.timed.borrow_mut());
        timed
            .into_iter()
            .for_each(crate::task::waker::TaskWaker::wake);
    }

    /// The body has returned, and everything has settled.
    fn begin_end(&self) {
        let machine = self.machine;
        if machine.end_faults() {
            // Those who rested go on first.
            return;
        }
        if self.lets_time_go_on() {
            return;
        }
        self.checked.set(true);
        // What held before the children were taken away need not hold without them.
        if !machine.unjudged.get() {
            machine.look_at_end();
        }
        if let Some(lost) = quiet::lost_wakeup(&self.root.system) {
            machine.break_off(|| lost);
        } else if self.options.leaks {
            let mut leaked = quiet::proven(&self.root.system);
            if leaked.is_empty() {
                let waiting = quiet::leaked(machine);
                if waiting.children.is_empty() {
                    leaked = waiting.lines;
                } else if !waiting.lines.is_empty() {
                    machine.unjudged.set(true);
                    if self.without {
                        let children = waiting.children.iter();
                        return children.for_each(|child| quiet::remove(machine, child));
                    }
                }
            }
            if !leaked.is_empty() && !self.is_woken_in_time() {
                machine.break_off(|| Reason::Leak(leaked));
            }
        }
        if !machine.is_broken() {
            self.root.begin_stop(self.options.grace);
        }
    }

    /// Whether time moves once more before the end, within the grace of the stop: somebody will go on by itself, or what must hold
    /// eventually does not hold yet.
    fn lets_time_go_on(&self) -> bool {
        let machine = self.machine;
        let (since, moves) = self.aftermath.get().unwrap_or((machine.now(), 0));
        let grace = u64::try_from(self.options.grace.as_nanos()).unwrap_or(u64::MAX);
        let next = self
            .next_moment()
            .filter(|&next| next <= since.saturating_add(grace));
        // Whoever goes on and on would use up the steps of the run.
        let is_long = machine.steps.get() > machine.max_steps / 2;
        let (Some(next), false) = (next, self.has_failed() || is_long) else {
            return false;
        };
        let waits = moves < LAST_MOVES && quiet::somebody_only_sleeps(&machine.scheduler)
            || !machine.holds_eventually();
        if waits && !machine.is_broken() {
            self.aftermath.set(Some((since, moves + 1)));
            self.move_time(next);
        }
        waits
    }

    /// Lets what is left come to its end, without choices and faults; what does not within the limit is left behind.
    fn take_down(&self) {
        let machine = self.machine;
        machine.ending.set(true);
        if !self.whole.task().state.is_done() {
            self.root.begin_stop(Duration::ZERO);
            // It may have begun before, with a grace.
            self.root.hasten_stop(Duration::ZERO);
            self.test.kill();
        }
        for step in 1..=LAST_STEPS {
            if step % MORE_STEPS == 0 {
                // Somebody goes on for ever, and is dropped when the grace is over.
                if let Some(nanos) = self.next_moment() {
                    self.move_time(nanos);
                    machine.fire_what_is_due();
                }
            }
            if machine.take_turn() {
                continue;
            }
            let root = machine.take_root();
            let moved = root.is_some() || machine.end_rests() || machine.fire_what_is_due();
            root.into_iter().for_each(|root| machine.step(root));
            match self.next_moment() {
                _ if moved => {}
                Some(nanos) if !self.whole.task().state.is_done() => self.move_time(nanos),
                _ => return,
            }
        }
    }
}

/// What became of the messages, if that does not balance; or if some were accepted and received by nobody, where that is denied.
fn of_messages(machine: &Machine, deny_lost: bool) -> Option<Reason> {
    let ledger = snapshot::ledger(&machine.scheduler);
    let lost = ledger.dead.closed + ledger.queued;
    if !ledger.is_balanced() {
        Some(Reason::Unbalanced(ledger.to_string()))
    } else if deny_lost && lost > 0 {
        Some(Reason::Lost(lost))
    } else {
        None
    }
}

fn finish(machine: Rc<Machine>, waits: Vec<String>) -> Outcome {
    let sometimes = machine.sometimes();
    let (steps, nanos) = (machine.steps.get(), machine.now());
    let mut reason = machine.broken.take();
    let labels = machine.labels.take();
    let mut waits = waits;
    waits.iter_mut().for_each(|line| labels.shorten(line));
    if let Some(Reason::Leak(lines)) = &mut reason {
        lines.iter_mut().for_each(|line| labels.shorten(line));
    }
    let events = machine.events.take().map(|mut events| {
        if let Some(reason) = &reason {
            let reason = reason.to_string();
            events.end(
                &machine.scheduler,
                reason
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .trim_end_matches(':'),
            );
        }
        events
    });
    // Conditions of the user's are dropped with the rest, when nobody can ask for the machine any more.
    let choices = machine.choices.replace(Choices::of_tape(&Tape::default()));
    let hash = choices.hash();
    let (written, log, plan) = choices.into_parts();
    Outcome {
        reason,
        unjudged: machine.unjudged.get(),
        has_left: false,
        written,
        hash,
        log: log.unwrap_or_default(),
        plan,
        steps,
        nanos,
        in_jobs: machine.in_jobs.get(),
        events: events.map_or_else(Vec::new, |events| events.into_lines(&labels)),
        waits,
        sometimes,
    }
}
