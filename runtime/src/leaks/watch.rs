//! Passes without being asked: on the monitor's thread, now and then, and when nothing runs any more.
//!
//! A pass comes every [`PERIOD`] while something runs. While nothing does, each comes after twice the time, up to [`LONGEST`]; so in
//! an idle system what becomes true by itself (a plain thread drops its endpoint) is still found. Between two passes lies at least
//! [`REST`] times what the last one ran on a processor: a hundredth of one thread's time at most, and nothing of the workers'. While
//! nothing runs it is [`IDLE_REST`] times, also before the first one, so that many processes which only wait cost next to nothing;
//! unless nothing is due either, so that the program may hang.
//!
//! A system that somebody waits for ([`Builder::run`](crate::system::Builder::run)) is looked at as soon as nothing runs in it, for it
//! may be deadlocked.
//!
//! **Invariants**
//! - A cause is told once; what is done about it is done once.
//! - A deadlock is told only if no step began or ended from before the pass until after the look at everything else.

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::deadlock::{self, Deadlock};
use super::facts::Fast;
use super::report::{Leak, Stuck};
use super::still::{self, STILL};
use super::{Found, Verdict, facts, pass, suspect, verdict};
use crate::error::Error;
use crate::observe::{BOOKS, Event, EventKind, Site};
use crate::process::exit::{Exit, Fault};
use crate::scheduler::Scheduler;
use crate::sync::{self, Guard, Ordering};
use crate::system::{SystemInner, print_error};
use crate::task::{ProcessId, TaskRef};
use crate::time::sleep::later;
use tracing::subscriber::NoSubscriber;

/// What lies between two passes while something runs.
const PERIOD: Duration = Duration::from_secs(1);
/// What lies between two passes at most.
const LONGEST: Duration = Duration::from_secs(60);
/// How much longer than a pass runs is left between two.
const REST: u32 = 100;
/// The same while nothing runs, up to [`LONGEST`].
const IDLE_REST: u32 = 1000;
/// What the first pass is taken to cost for each process, and what a pass costs at most: what took longer was put aside meanwhile.
const COST: (Duration, Duration) = (Duration::from_nanos(100), Duration::from_micros(2));

/// What a system does about a proven leak, beside telling of it; see [`Builder::on_leak`](crate::system::Builder::on_leak).
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// use roundrock::leaks::OnLeak;
///
/// let system = System::builder().workers(1).on_leak(OnLeak::KillOne);
/// let sum = system.run(async |_scope| Ok(1 + 1))?;
/// assert_eq!(sum, 2);
/// # Ok::<(), Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum OnLeak {
    /// Nothing more.
    #[default]
    Report,
    /// Kills one process of each cause, so that the others see what follows from its end. If it is supervised, it may be started again.
    KillOne,
    /// Lets the scope of one process of each cause fail with a [`Deadlock`]: it stops, and the scope around it decides.
    Escalate,
    /// Writes the report to standard error and aborts the program.
    Abort,
}

/// What the monitor remembers between two passes.
#[derive(Debug)]
pub(crate) struct Watching {
    /// When the next pass is due.
    next: Instant,
    /// When one may come at the earliest, because the last one took so long.
    earliest: Instant,
    /// When the next pass comes if nothing changes: at `next`, or later because no worker is awake.
    due: Instant,
    /// When the last pass ended, or the system began; and what it cost for each process.
    last: Instant,
    cost: Duration,
    rest: Duration,
    /// The steps of all workers at the last pass.
    steps: Option<u64>,
    /// The processes that were told of, and as what: a process with a dead arm may be proven later, or have another one.
    told: HashSet<(ProcessId, u64), Fast>,
    /// When suspects are looked for again.
    next_suspects: Instant,
    /// For each place of spawning and of waiting, which suspects were told of last.
    suspected: HashMap<Places, Suspects>,
    /// What nobody heard, until it is clear that the program does not end because of it, and says so then.
    unheard: Vec<String>,
}

/// A place of spawning, and places of waiting; and whether everything stood still.
type Places = (bool, Option<Site>, Vec<Option<Site>>);

/// Suspects that were told of.
#[derive(Debug, Default)]
struct Suspects {
    count: usize,
    /// Those that were listed. In a circle, and where everything stood still, with how often each had been polled: who has run since,
    /// and waits again, is another incident there; elsewhere it is a worker with little to do.
    listed: HashSet<(ProcessId, u64), Fast>,
}

/// What a system does about leaks.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    pub(crate) on_leak: OnLeak,
    /// How long a process has waited that is suspected; never, if that is zero.
    pub(crate) suspect_after: Duration,
    /// What is worth a warning is said on standard error, if nobody listens: the system is that of a program, or of a test.
    pub(crate) speaks: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            on_leak: OnLeak::Report,
            suspect_after: Duration::from_secs(60),
            speaks: false,
        }
    }
}

impl Watching {
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            next: now + PERIOD,
            earliest: now,
            due: now + PERIOD,
            last: now,
            cost: COST.0,
            rest: PERIOD,
            steps: None,
            told: HashSet::default(),
            next_suspects: now,
            suspected: HashMap::new(),
            unheard: Vec::new(),
        }
    }

    /// How long the monitor may sleep while nothing runs.
    pub(crate) fn limit(&self, now: Instant) -> Duration {
        self.due.saturating_duration_since(now)
    }

    /// Whether a pass is due. `idle`: no worker is awake.
    pub(crate) fn is_due(&mut self, scheduler: &Arc<Scheduler>, now: Instant, idle: bool) -> bool {
        self.due = self.next;
        if idle {
            let slots = scheduler.registry.used();
            let rest = (self.cost * slots).saturating_mul(IDLE_REST).min(LONGEST);
            let late = self.last + rest;
            if late > self.next && !may_hang(scheduler) {
                self.due = late;
            }
        }
        now >= self.due
    }

    /// Makes the pass that is due.
    pub(crate) fn tick(
        &mut self,
        scheduler: &Arc<Scheduler>,
        now: Instant,
        breathe: &mut dyn FnMut(),
    ) {
        match scheduler.system().filter(|_| BOOKS) {
            Some(system) => self.pass(&system, now, breathe),
            None => self.next = now + LONGEST,
        }
        self.due = self.next;
    }

    /// Nothing runs: is it a deadlock?
    pub(crate) fn quiet(
        &mut self,
        scheduler: &Arc<Scheduler>,
        now: Instant,
        breathe: &mut dyn FnMut(),
    ) {
        let Some(system) = scheduler
            .system()
            .filter(|system| BOOKS && system.is_awaited())
        else {
            return;
        };
        // It was looked at already, or cannot be one.
        let same = self.steps.is_some() && self.steps == deadlock::steps(scheduler);
        if same
            || deadlock::may_go_on(&system)
            || !facts::may_all_be_stuck(scheduler, system.entry())
        {
            return;
        }
        if now < self.earliest {
            self.next = self.next.min(self.earliest);
            self.due = self.next;
            return;
        }
        self.pass(&system, now, breathe);
    }

    fn pass(&mut self, system: &Arc<SystemInner>, begun: Instant, breathe: &mut dyn FnMut()) {
        let scheduler = &*system.scheduler;
        // Not the time that goes by: on a busy machine most of that is other threads'.
        let ran = sync::thread_time();
        let steps = deadlock::steps(scheduler);
        let after = system.policy.suspect_after;
        let with_suspects = !after.is_zero() && begun >= self.next_suspects;
        if with_suspects {
            self.next_suspects = later(begun, after.max(PERIOD));
        }
        let (found, leaks) = search(system, with_suspects, breathe);
        if with_suspects {
            self.forget_places(&leaks);
        }
        let acted = self.tell(system, &leaks, found.stops);
        let is_over = !acted
            && system.is_awaited()
            && steps.is_some()
            && !deadlock::may_go_on(system)
            && deadlock::holds(&found.facts, &found.stuck, system)
            && steps == deadlock::steps(scheduler);
        let unheard = std::mem::take(&mut self.unheard);
        for leak in unheard.iter().filter(|_| !is_over) {
            print_error(format_args!(
                "roundrock: {leak}\n  (printed, because this program has no `tracing` subscriber, which would get it as an event)"
            ));
        }
        if is_over {
            let is_why = |leak: &Leak| leak.is_proven() || leak.is_lost_wakeup();
            let leaks = leaks.into_iter().filter(is_why).collect();
            system.deadlocked(Deadlock { leaks });
        }
        let now = scheduler.clock.now();
        self.rest = match self.steps {
            Some(before) if Some(before) == steps => (self.rest * 2).min(LONGEST),
            _ => PERIOD,
        };
        let took = sync::ran_since(ran, now - begun);
        self.steps = steps;
        self.last = now;
        self.cost = COST.1.min(took / scheduler.registry.used().max(1));
        self.earliest = now + took * REST;
        self.next = (now + self.rest).max(self.earliest);
    }

    /// Tells of a leak, and keeps it if that is worth a warning and nobody listens.
    fn report_or_keep(&mut self, system: &SystemInner, leak: &Leak) {
        let speaks = system.policy.speaks && nobody_listens(system);
        if report(system, leak) && speaks {
            self.unheard.push(leak.to_string());
        }
    }

    /// Tells of what is new, and does what is to be done about it; whether anything was done.
    /// `stops` are the forced stops before the pass.
    fn tell(&mut self, system: &Arc<SystemInner>, leaks: &[Leak], stops: Option<u64>) -> bool {
        let registry = &system.scheduler.registry;
        self.told.retain(|&(id, _)| registry.name_of(id).is_some());
        let mut acted = false;
        for leak in leaks.iter().filter(|leak| leak.is_cause()) {
            if leak.is_suspected() {
                if self.is_news(system, leak) {
                    self.report_or_keep(system, leak);
                }
                continue;
            }
            // A forced stop may have let them go on since: the next pass knows.
            let overtaken = || stops.is_none() || system.scheduler.proofs.stops() != stops;
            if leak.is_proven() && system.policy.on_leak != OnLeak::Report && overtaken() {
                continue;
            }
            let ids = leak.processes.iter();
            let ids = ids.map(|process| (process.id, what_of(leak, process)));
            let before = self.told.len();
            self.told.extend(ids.clone());
            if self.told.len() == before {
                continue;
            }
            self.report_or_keep(system, leak);
            if leak.is_proven() && act(system, leak) {
                acted = true;
                // What is left of it is news.
                for id in ids {
                    self.told.remove(&id);
                }
            }
        }
        acted
    }
}

/// Whether somebody waits for the system, and nothing is due in it.
fn may_hang(scheduler: &Scheduler) -> bool {
    let system = scheduler.system();
    system.is_some_and(|system| system.is_awaited() && !deadlock::may_go_on(&system))
}

/// As what a process is told of: zero if it is proven; the same for the same waits.
fn what_of(leak: &Leak, process: &Stuck) -> u64 {
    if leak.is_proven() {
        return 0;
    }
    let mut hasher = DefaultHasher::new();
    std::mem::discriminant(&leak.verdict).hash(&mut hasher);
    for wait in &process.waits {
        (wait.kind, &wait.name, &wait.site).hash(&mut hasher);
    }
    hasher.finish() | 1
}

/// Where the processes of a finding were spawned, and where what they wait for was made.
fn places(leak: &Leak) -> Option<Places> {
    let first = leak.processes.first()?;
    let waits = first.waits.iter().map(|wait| wait.site.clone()).collect();
    Some((leak.standstill, first.site.clone(), waits))
}

impl Watching {
    /// Forgets the places at which a look found nobody: the next one there is news.
    fn forget_places(&mut self, leaks: &[Leak]) {
        // Of those who are in a standstill nothing else is said.
        if leaks.iter().any(|leak| leak.standstill) {
            return;
        }
        let suspected = leaks.iter().filter(|leak| leak.is_suspected());
        let found: HashSet<_> = suspected.filter_map(places).collect();
        self.suspected.retain(|place, _| found.contains(place));
    }

    /// Whether of those at this place at least as many were not told of as were, so that the first one is news, and another one
    /// when all before it are gone.
    fn is_news(&mut self, system: &SystemInner, leak: &Leak) -> bool {
        let Some(places) = places(leak) else {
            return false;
        };
        let registry = &system.scheduler.registry;
        let by_polls = leak.standstill || leak.is_circle();
        let incident = |process: &Stuck| {
            let slot = registry.slot(process.id.index());
            // ORDERING: Acquire: see `registry::Line`.
            let polls = slot.map_or(0, |slot| slot.line.seq.load(Ordering::Acquire));
            (process.id, if by_polls { polls } else { 0 })
        };
        let listed: HashSet<_, Fast> = leak.processes.iter().map(incident).collect();
        let told = self.suspected.entry(places).or_default();
        let old = listed.intersection(&told.listed).count();
        let new = listed.len() - old;
        // What stood still before, and went on, is driven by somebody who is not seen: that it stands still again is news later.
        let after = system.policy.suspect_after;
        let is_late = leak.processes.iter().all(|process| process.since >= after);
        let may_repeat = !leak.standstill || is_late;
        let is_news =
            told.count == 0 || leak.count >= 2 * told.count || may_repeat && new > 0 && new >= old;
        if is_news {
            *told = Suspects {
                count: leak.count,
                listed,
            };
        }
        is_news
    }
}

/// Whether the body that the system runs is among them: while that waits, the program does not end.
fn is_about_body(system: &SystemInner, leak: &Leak) -> bool {
    let body = system.entry();
    let mut processes = leak.processes.iter();
    processes.any(|process| Some(process.id) == body)
}

/// Suspects of one kind that are worth a warning, if the body is not among them; fewer may be at their place.
const MANY: usize = 100;

/// Whether whoever runs the program hears of nothing: `tracing` has no subscriber, and nobody reads the events of the system.
fn nobody_listens(system: &SystemInner) -> bool {
    !system.scheduler.board.is_read()
        && tracing::dispatcher::get_default(|current| current.is::<NoSubscriber>())
}

/// Tells of a leak; whether that is worth a warning.
fn report(system: &SystemInner, leak: &Leak) -> bool {
    let scheduler = &*system.scheduler;
    let Some(first) = leak.processes.first() else {
        return false;
    };
    let is_news_only = leak.count < MANY
        && leak.is_suspected()
        && !leak.standstill
        && !leak.is_circle()
        && !is_about_body(system, leak);
    if leak.is_proven() {
        tracing::error!(
            target: "roundrock::leak", process = &*first.name, process.id = first.id.raw(), count = leak.count, report = %leak,
            "leak.proven"
        );
    } else if leak.is_lost_wakeup() {
        tracing::error!(
            target: "roundrock::leak", process = &*first.name, process.id = first.id.raw(), count = leak.count, report = %leak,
            "leak.lost_wakeup"
        );
    } else if is_news_only {
        tracing::info!(
            target: "roundrock::leak", process = &*first.name, process.id = first.id.raw(), count = leak.count, report = %leak,
            "leak.suspected"
        );
    } else {
        let name = match leak.verdict {
            Verdict::Stranded => "leak.stranded",
            Verdict::DeadArm => "leak.dead_arm",
            Verdict::Orphaned { .. } => "leak.orphaned",
            Verdict::Suspected { .. } if leak.standstill => "leak.standstill",
            _ => "leak.suspected",
        };
        tracing::warn!(
            target: "roundrock::leak", process = &*first.name, process.id = first.id.raw(), count = leak.count, report = %leak,
            "{name}"
        );
    }
    scheduler.board.tell(|| Event {
        name: first.name.clone(),
        process: Some(first.id),
        site: first.site.clone(),
        kind: EventKind::Leak {
            leak: Box::new(leak.clone()),
        },
    });
    !is_news_only
}

/// Does what the system does about a proven cause; whether that is more than to tell of it.
fn act(system: &SystemInner, leak: &Leak) -> bool {
    let of_scope = || -> Option<TaskRef> {
        let ids = leak.processes.iter().map(|process| process.id);
        let mut tasks = ids.filter_map(|id| system.scheduler.registry.find(id));
        tasks.find(|task| task.scope().is_some())
    };
    match system.policy.on_leak {
        OnLeak::Report => false,
        OnLeak::KillOne => {
            let Some(task) = of_scope() else { return false };
            tracing::warn!(
                target: "roundrock::leak", process = task.slot().origin().name, process.id = task.id().raw(),
                "leak.kill: it is killed because it was proven leaked, as `on_leak` says"
            );
            task.kill();
            true
        }
        OnLeak::Escalate => {
            let Some(task) = of_scope() else { return false };
            let error = Error::without_site(Deadlock {
                leaks: vec![leak.clone()],
            });
            let name = format!("{}{}", task.slot().origin().name, task.id());
            if let Some(scope) = task.scope() {
                scope.fail(&name, &Exit::Failed(Arc::new(Fault::Error(error))));
            }
            true
        }
        OnLeak::Abort => {
            print_error(format_args!(
                "{leak}\nthe program is aborted, as `on_leak` says"
            ));
            std::process::abort();
        }
    }
}

/// Waits until no other search goes on.
fn turn<'a>(system: &'a SystemInner, breathe: &mut dyn FnMut()) -> Guard<'a, ()> {
    let mut round = 0;
    loop {
        if let Some(turn) = system.searches.try_lock() {
            return turn;
        }
        breathe();
        sync::wait_a_moment(round);
        round += 1;
    }
}

/// Makes a pass, and says what was found.
pub(super) fn search(
    system: &SystemInner,
    with_suspects: bool,
    breathe: &mut dyn FnMut(),
) -> (Found, Vec<Leak>) {
    let (scheduler, entry) = (&*system.scheduler, system.entry());
    let _turn = turn(system, breathe);
    let pins = facts::Pins::new(scheduler);
    let mut found = pass::run(&pins, scheduler, entry, breathe);
    if with_suspects || found.stuck.contains(&true) {
        found.look_for_lost(scheduler);
    }
    let mut leaks = verdict::say(&found, &pins, scheduler);
    leaks.extend(suspect::dead_arms(&found, &pins, scheduler, entry));
    let after = system.policy.suspect_after;
    if after.is_zero() {
        return (found, leaks);
    }
    let soon = after.min(STILL);
    if let Some(still) = still::standstill(&found, system, soon) {
        leaks.push(still);
        return (found, leaks);
    }
    found.look_for_likely(&pins, scheduler, breathe);
    leaks.extend(verdict::likely(&found, &pins, scheduler, soon));
    if with_suspects {
        leaks.extend(suspect::suspects(&found, scheduler, entry, after, &leaks));
    }
    (found, leaks)
}

impl Leak {
    fn is_lost_wakeup(&self) -> bool {
        matches!(self.verdict, Verdict::LostWakeup { .. })
    }

    /// Whether it is a circle that is likely, and not proven.
    fn is_circle(&self) -> bool {
        matches!(&self.verdict, Verdict::Suspected { why } if why == verdict::LIKELY)
    }

    /// Whether it is a cause, and not behind one.
    fn is_cause(&self) -> bool {
        !matches!(self.verdict, Verdict::Proven(super::Proof::Behind { .. }))
    }
}
