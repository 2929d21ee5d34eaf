//! How a scope stops: closing inputs, draining, and the grace.
//!
//! Stopping never drops a future before the grace is over. Each process of the scope is marked and woken. From then on
//!
//! 1. a channel that it receives from refuses messages of processes outside of the scope, who get them back: from its next poll on
//!    if it was lent the receiver, or is a struct whose mailbox it is, and otherwise from when it asks for a message;
//! 2. processes of the scope may still send to each other, so one stage drains into the next, and ends when its own senders
//!    are gone;
//! 3. when nothing moves any more, those that nobody feeds are told that their input is over (see `drain`);
//! 4. when nobody is left to be told, those that wait for each other in a circle can never go on: they are dropped at once, and those
//!    behind them go on.
//!
//! Supervised children are told by their supervisor, one after another, the last one first; until then only (1) holds for them.
//! When half of the grace is over, nobody waits for his turn any more.
//!
//! After the grace, those that do not wait for their input are dropped at their current await and named in the
//! [`ExitReport`]. What waited for them now sees the end of its input, and has half of the grace, or a second if that is more and not
//! more than the grace, to finish its own work; then the rest is dropped.
//!
//! The coordinator is one future per stop, which looks at the processes (see `look`) more and more rarely.

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};

use crate::leaks::knot;
use crate::observe::EventKind;
use crate::scope::ScopeInner;

use crate::scope::drain::{self, Patience, Shown};
use crate::scope::ended::Ended;
use crate::scope::look::{Look, REST, Seen, look};
use crate::supervise::Event;
use crate::sync::Ordering;
use crate::task::TaskRef;
use crate::task::cell::Header;
use crate::task::current;
use crate::task::registry::{ProcessId, WaitKind};
use crate::time::sleep::timeout;

/// How long a process that was killed may take to come to its next await before it counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1000);
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(50);
/// How long room that was granted before the stop is waited for at most, and for half of the grace.
const ROOM: Duration = Duration::from_secs(5);
/// How long nothing may move in a scope that does not stop, and how rarely it is looked at after a while.
const QUIET: Duration = Duration::from_secs(1);
const RARE_LOOK: Duration = Duration::from_secs(10);

/// What became of the processes of a scope that stopped.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let group = scope.child("group");
/// let (jobs, inbox) = bounded(4);
/// group.task("reader", async move { while inbox.recv().await.is_some() {} });
/// group.task("sleeper", async { sleep(secs(3600)).await });
/// jobs.send(1).await?;
/// let report = group.stop(millis(20)).await;
/// assert_eq!(report.drained, 1);
/// assert_eq!(report.late[0].name, "sleeper");
/// assert!(!report.is_clean());
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExitReport {
    /// Processes that ended by themselves after the stop began.
    pub drained: usize,
    /// Processes that were dropped at their current await: they had not ended after the grace, or waited for each other in a circle,
    /// so that they never would have.
    pub late: Vec<Late>,
    /// Processes that could not be dropped, because their poll does not return. Their threads are left behind.
    pub stuck: Vec<Late>,
    /// Tasks that were given to tokio itself, with `tokio::spawn`, and were aborted when the system ended. They belong to no scope, and
    /// are counted when every process has ended: in the report of [`System::shutdown`](crate::System::shutdown) and of `main`, and
    /// 0 in that of a [`Scope::stop`](crate::Scope::stop).
    pub tokio_tasks: usize,
    /// How long the stop took.
    pub took: Duration,
}

impl ExitReport {
    /// Whether every process ended by itself. Tasks that were given to tokio are no processes.
    ///
    /// # Examples
    /// ```
    /// # use roundrock::prelude::*;
    /// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
    /// let parts = scope.child("parts");
    /// parts.task("sleeper", async { sleep(secs(3600)).await });
    /// assert!(!parts.stop(millis(1)).await.is_clean(), "it slept when the grace was over");
    /// # Ok(()) }) }
    /// ```
    pub fn is_clean(&self) -> bool {
        self.late.is_empty() && self.stuck.is_empty()
    }
}

impl fmt::Display for ExitReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} drained", self.drained)?;
        for (what, list) in [("late", &self.late), ("stuck", &self.stuck)] {
            for process in list {
                write!(f, "\n{what}: {process}")?;
            }
        }
        match self.tokio_tasks {
            0 => Ok(()),
            1 => f.write_str("\n1 task given to tokio was aborted"),
            tasks => write!(f, "\n{tasks} tasks given to tokio were aborted"),
        }
    }
}

/// A process that did not end in time.
///
/// # Examples
/// ```
/// # use roundrock::prelude::*;
/// # fn main() -> Result<()> { System::builder().workers(2).run(async |scope| {
/// let parts = scope.child("parts");
/// parts.task("sleeper", async { sleep(secs(3600)).await });
/// let report = parts.stop(millis(10)).await;
/// let late = &report.late[0];
/// assert_eq!((late.name, late.waiting_for), ("sleeper", roundrock::WaitKind::Timer));
/// assert!(late.to_string().starts_with("sleeper#"), "{late}");
/// # Ok(()) }) }
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Late {
    /// Its id.
    pub id: ProcessId,
    /// Its name.
    pub name: &'static str,
    /// Where it was spawned: file and line.
    pub site: Option<(&'static str, u32)>,
    /// What it was waiting for.
    pub waiting_for: WaitKind,
    /// The handler that it waited in, if it is a struct.
    pub handler: Option<&'static str>,
    /// How long it had waited, or run without coming to an await, to a few milliseconds. Who waited before the stop was polled once when
    /// that began, so this is the time since then; a dump before the stop tells the whole.
    pub since: Duration,
    /// The worker that it ran on at that moment, if it did.
    pub worker: Option<usize>,
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.id)?;
        if let Some((file, line)) = self.site {
            write!(f, ", spawned at {file}:{line}")?;
        }
        match (self.worker, self.waiting_for) {
            (Some(worker), _) => write!(f, ", was busy on worker {worker}")?,
            (None, WaitKind::Other) => {
                f.write_str(", was busy, or waiting for something that is not Roundrock's")?;
            }
            (None, WaitKind::Name) => f.write_str(", was waiting for a name to be given")?,
            (None, WaitKind::Caller) => f.write_str(", was waiting for its caller to go")?,
            (None, kind) => write!(f, ", was waiting: {kind:?}")?,
        }
        if let Some(handler) = self.handler {
            write!(f, " in `{handler}`")?;
        }
        write!(f, ", for {:?}", self.since)
    }
}

/// Starts the coordinator of a stop.
///
/// `at_start` is how many processes there were when it began.
pub(super) fn coordinate(scope: &Arc<ScopeInner>, at_start: usize) {
    if scope.alive() == 0 {
        let report = ExitReport {
            drained: at_start,
            ..ExitReport::default()
        };
        return finish(scope, report, false);
    }
    let shared = Arc::clone(scope);
    let _coordinator = scope
        .system
        .run_internally("stop", async move { run(&shared, at_start).await });
}

/// Waits until the scope is over: no child is left, and if it was stopped, the report is written.
pub(crate) fn over(scope: &ScopeInner) -> Ended<'_> {
    over_at(scope, 0)
}

/// The same, awaited at this place.
pub(crate) fn over_at(scope: &ScopeInner, asked: u32) -> Ended<'_> {
    Ended::with_report(scope, asked)
}

/// Waits for the end of a root scope whose body has returned a value that may keep its processes alive: a handle. Nobody can use
/// that before the end, so when nothing has moved for a while, the scope is stopped.
///
/// Looks more and more rarely, for what still moves may go on for as long as it likes.
pub(crate) async fn end_when_quiet(scope: &Arc<ScopeInner>) {
    scope.watch();
    let mut pause = QUIET;
    let mut last: Option<Arc<Look>> = None;
    while timeout(pause, over(scope)).await.is_err() {
        pause = (pause * 2).min(RARE_LOOK);
        let now = look(&scope.system).await;
        if let Some(last) = last.filter(|last| !Arc::ptr_eq(last, &now))
            && drain::is_quiet(scope, last.of(scope), now.of(scope))
        {
            tracing::warn!(
                target: "roundrock::scope", scope = scope.name(),
                "what the body returned keeps processes alive that nobody else reaches: they are stopped"
            );
            scope.begin_stop(scope.system.grace);
            return;
        }
        last = Some(now);
    }
}

async fn run(scope: &Arc<ScopeInner>, at_start: usize) {
    let clock = &scope.system.scheduler.clock;
    let begun = clock.now();
    let mut stop = Stop {
        scope,
        last: None,
        pause: FIRST_LOOK,
        released: false,
        room_until: begun + (scope.stop_grace() / 2).min(ROOM),
        search_at: begun,
    };
    // The first look marks everybody.
    let mut ended = stop.look().await;
    // A second stop may end the grace earlier.
    let left = |part: u32| (scope.stop_grace() / part).saturating_sub(clock.now() - begun);
    while !ended && !left(1).is_zero() {
        if left(2).is_zero() {
            stop.release_all();
        }
        ended = stop.step(left(1)).await;
    }
    if !ended {
        stop.release_all();
        // Those that others wait for, and then, when these had time to finish, everybody.
        stop.kill(|process| !process.receives() || process.was_told());
        let killed_at = clock.now();
        let grace = scope.stop_grace();
        let more = grace.min(PATIENCE).max(grace / 2);
        stop.pause = FIRST_LOOK;
        while !ended && clock.now() - killed_at < more {
            ended = stop
                .step(more.saturating_sub(clock.now() - killed_at))
                .await;
        }
    }
    let mut stuck = Vec::new();
    let mut killed_at = clock.now();
    while !ended {
        // Again and again: a process that was counted before the stop may enter the registry only now. It has its time as well, however
        // long a thread was away meanwhile.
        if stop.kill(|_| true) {
            killed_at = clock.now();
        } else if clock.now() - killed_at >= PATIENCE {
            let late = |process: &Arc<Seen>| Late::waiting(&process.task, process.kind);
            stuck = stop.seen().iter().map(late).collect();
            stuck.extend(scope.system.jobs.of(scope.id));
            break;
        }
        ended = stop.step(LAST_LOOK).await;
    }
    let late = std::mem::take(&mut scope.state.lock().late);
    if !late.is_empty() {
        let names: Vec<_> = late.iter().map(ToString::to_string).collect();
        tracing::warn!(target: "roundrock::scope", scope = scope.name(), late = names.join("; "), stuck = stuck.len(), "scope.late");
    }
    let drained = at_start.saturating_sub(late.len());
    finish(
        scope,
        ExitReport {
            drained,
            late,
            stuck,
            tokio_tasks: 0,
            took: clock.now() - begun,
        },
        !ended,
    );
}

/// One stop under way.
struct Stop<'a> {
    scope: &'a Arc<ScopeInner>,
    last: Option<Arc<Look>>,
    pause: Duration,
    /// No supervised child waits for another one any more.
    released: bool,
    /// Until when room that was granted is waited for.
    room_until: Instant,
    /// When it is worth another search who waits in a circle.
    search_at: Instant,
}

impl Stop<'_> {
    /// The processes of the scope, as the last look saw them.
    fn seen(&self) -> &[Arc<Seen>] {
        self.last.as_ref().map_or(&[], |look| look.of(self.scope))
    }

    /// Waits a while, at most `limit`, for the end of the scope, and otherwise looks again. True if the scope has ended.
    async fn step(&mut self, limit: Duration) -> bool {
        if timeout(self.pause.min(limit), self.scope.ended())
            .await
            .is_ok()
        {
            return true;
        }
        self.pause = (self.pause * 2).min(LAST_LOOK);
        self.look().await
    }

    /// Looks, marks who is new, and ends the inputs that can be ended. True if the scope has ended meanwhile.
    async fn look(&mut self) -> bool {
        let before = self.last.take();
        // A look may take long while many scopes stop, and its turn may be long in coming.
        let now = {
            let mut look = pin!(look(&self.scope.system));
            let mut ended = pin!(self.scope.ended());
            poll_fn(|cx| {
                current::race(|| match ended.as_mut().poll(cx) {
                    Poll::Ready(()) => Poll::Ready(None),
                    Poll::Pending => look.as_mut().poll(cx).map(Some),
                })
            })
            .await
        };
        let Some(now) = now else { return true };
        now.of(self.scope).iter().for_each(|process| process.mark());
        let shown = match before.filter(|before| !Arc::ptr_eq(before, &now)) {
            Some(before) if self.is_outermost() => {
                let patience = Patience {
                    for_room: self.scope.system.scheduler.clock.now() < self.room_until,
                    for_lookers: !self.released,
                };
                let (before, now) = (before.of(self.scope), now.of(self.scope));
                drain::end_inputs(self.scope, before, now, &patience)
            }
            _ => Shown::Moving,
        };
        self.last = Some(now);
        if shown == Shown::Told || shown == Shown::Halted && self.cut_knots() {
            self.pause = FIRST_LOOK;
        }
        false
    }

    /// Whether no scope around this one stops: otherwise the stop of that one says whose input ends, for its processes feed those here.
    fn is_outermost(&self) -> bool {
        let outermost = self.scope.outermost_stopping();
        outermost.is_some_and(|outermost| outermost.id == self.scope.id)
    }

    /// Drops those that wait for each other in a circle. True if there were some.
    fn cut_knots(&mut self) -> bool {
        let clock = &self.scope.system.scheduler.clock;
        let begun = clock.now();
        if begun < self.search_at {
            return false;
        }
        let knots = knot::of(&self.scope.system, self.scope.id);
        self.kill(|process| knots.contains(&process.id));
        let now = clock.now();
        self.search_at = now + (now - begun) * REST;
        !knots.is_empty()
    }

    /// Lets all supervised children stop at once; what was not started by now will not be.
    fn release_all(&mut self) {
        if std::mem::replace(&mut self.released, true) {
            return;
        }
        if let Some(supervisor) = self.scope.supervisor.get() {
            supervisor.tell(Event::ReleaseAll);
            self.pause = FIRST_LOOK;
        }
    }

    /// Asks for the futures of those that were seen and are `chosen` to be dropped, once. True if somebody was not asked before.
    fn kill(&self, chosen: impl Fn(&Seen) -> bool) -> bool {
        let mut some = false;
        for process in self.seen().iter().filter(|process| chosen(process)) {
            some |= self.scope.drop_late(&process.task, process.kind);
        }
        some
    }
}

fn finish(scope: &ScopeInner, report: ExitReport, left_behind: bool) {
    let waiters;
    {
        let mut state = scope.state.lock();
        state.report = report;
        state.stopped = true;
        state.left_behind = left_behind;
        waiters = state.ended.take_all();
    }
    waiters.wake();
}

impl ScopeInner {
    /// Asks for the future of a process to be dropped that did not end in time, once, and names it; it was seen to wait so. False if
    /// it was asked before, or has ended.
    pub(crate) fn drop_late(&self, task: &TaskRef, waiting_for: WaitKind) -> bool {
        if task.state.is_killed() || task.state.is_done() {
            return false;
        }
        Late::note(task, waiting_for);
        self.tell(Some(task.clone()), || EventKind::Late);
        task.kill();
        true
    }
}

impl Late {
    /// Enters a process into the reports of all scopes around it that stop, whoever found it first.
    fn note(task: &TaskRef, waiting_for: WaitKind) {
        let flags = &task.slot().line.flags;
        // ORDERING: Relaxed: of several coordinators and a supervisor one enters it; what they enter has a lock of its own.
        let before = flags.fetch_or(current::LATE, Ordering::Relaxed);
        if before & current::LATE != 0 {
            return;
        }
        let mut scope = task.scope().map(|scope| &**scope);
        while let Some(at) = scope {
            if at.is_stopping() {
                at.state.lock().late.push(Self::waiting(task, waiting_for));
            }
            scope = at.parent();
        }
    }

    /// A process that was seen to wait so.
    fn waiting(task: &TaskRef, waiting_for: WaitKind) -> Self {
        Self {
            waiting_for,
            ..Self::of(task)
        }
    }

    /// A process that is being dropped, and whose blocking job has run on a thread of its own for that long.
    pub(crate) fn on_thread(process: &Header, since: Duration) -> Self {
        Self {
            waiting_for: WaitKind::Blocking,
            since,
            worker: None,
            ..Self::of(process)
        }
    }

    pub(crate) fn of(task: &Header) -> Self {
        let (slot, scheduler) = (task.slot(), task.scheduler());
        let origin = slot.origin();
        let site = origin.site.map(|site| (site.file(), site.line()));
        let worker = scheduler.runs_on(slot.id());
        // ORDERING: Relaxed: see `registry::Line`.
        let wait = slot.line.wait.load(Ordering::Relaxed);
        // Who runs has not waited since it was woken; a word of zero says that it never has.
        let since_ms = if worker.is_some() || wait == 0 {
            scheduler.clock.settled(task.ready_ms())
        } else {
            (wait >> 32) as u32
        };
        let since_ms = scheduler.clock.present_ms().wrapping_sub(since_ms);
        Self {
            id: slot.id(),
            name: origin.name,
            site,
            waiting_for: WaitKind::Other,
            handler: origin.handler_name(slot.handler()),
            since: Duration::from_millis(since_ms.into()),
            worker,
        }
    }
}
