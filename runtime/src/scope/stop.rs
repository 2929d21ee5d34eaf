//! How a scope stops: closing inputs, draining, and the grace.
//!
//! Stopping never drops a future before the grace is over. Each process of the scope is marked and woken. From then on
//!
//! 1. a channel that it receives from refuses messages of processes outside of the scope, who get them back;
//! 2. processes of the scope may still send to each other, so one stage drains into the next, and ends when its own senders
//!    are gone;
//! 3. when all processes that are left are parked, and so nobody could send anything any more, those that wait to receive and
//!    that nobody left holds a port to see the end of their input; if all feed each other, the ones spawned last do. Then
//!    the next look.
//!
//! 4. When half of the grace is over, those that no port feeds see the end of their input whatever the others wait for.
//!
//! After the grace, what is left is dropped at its current await and named in the [`ExitReport`].
//!
//! The coordinator is one future per stop, which looks at the registry from time to time. A look reads every process twice:
//! if nobody was polled between the two, all were parked at the same moment.

use std::fmt;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use crate::process::exit::Fault;
use crate::scope::{Failure, ScopeInner};
use crate::sync::Ordering;
use crate::task::TaskRef;
use crate::task::current;
use crate::task::registry::{About, ProcessId, Slot, WaitKind};
use crate::time::sleep::timeout;

/// How long a process that was killed may take to come to its next await before it counts as stuck.
pub(crate) const PATIENCE: Duration = Duration::from_millis(1000);
const FIRST_LOOK: Duration = Duration::from_millis(1);
const LAST_LOOK: Duration = Duration::from_millis(10);

/// What became of the processes of a scope that stopped.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct ExitReport {
    /// Processes that ended by themselves after the stop began.
    pub drained: usize,
    /// Processes that had not ended after the grace, and were dropped at their current await.
    pub late: Vec<Late>,
    /// Processes that could not be dropped, because their poll does not return. Their threads are left behind.
    pub stuck: Vec<Late>,
    /// How long the stop took.
    pub took: Duration,
}

impl ExitReport {
    /// Whether every process ended by itself.
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
        Ok(())
    }
}

/// A process that did not end in time.
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
}

impl fmt::Display for Late {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.name, self.id)?;
        if let Some((file, line)) = self.site {
            write!(f, ", spawned at {file}:{line}")?;
        }
        match self.waiting_for {
            WaitKind::Other => {
                f.write_str(", was busy, or waiting for something that is not Roundrock's")
            }
            kind => write!(f, ", was waiting: {kind:?}"),
        }
    }
}

/// A process of the scope, as one look saw it.
struct Seen {
    id: ProcessId,
    about: About,
    task: TaskRef,
    /// `seq` if the process was parked.
    parked_at: Option<u64>,
    kind: WaitKind,
    object: u64,
}

/// Starts the coordinator of a stop.
pub(super) fn coordinate(scope: &Arc<ScopeInner>, grace: Duration) {
    mark(scope);
    if scope.alive() == 0 {
        return finish(scope, ExitReport::default());
    }
    let shared = Arc::clone(scope);
    let _coordinator = scope
        .system
        .run_internally("stop", async move { run(&shared, grace).await });
}

/// Waits until the scope is over: no child is left, and if it was stopped, the report is written.
pub(crate) async fn over(scope: &ScopeInner) {
    std::future::poll_fn(|cx| {
        let mut state = scope.state.lock();
        let over = if state.stop.is_some() {
            state.stopped
        } else {
            scope.alive() == 0
        };
        if over {
            return Poll::Ready(());
        }
        state.ended.add(cx);
        current::waits_for(WaitKind::Scope, scope.id);
        Poll::Pending
    })
    .await;
}

async fn run(scope: &Arc<ScopeInner>, grace: Duration) {
    let clock = &scope.system.scheduler.clock;
    let begun = clock.now();
    let at_start = scope.alive();
    let mut pause = FIRST_LOOK;
    while clock.now() - begun < grace {
        let left = grace.saturating_sub(clock.now() - begun);
        if timeout(pause.min(left), scope.ended()).await.is_ok() {
            break;
        }
        mark(scope);
        pause = if end_inputs(scope, clock.now() - begun >= grace / 2) {
            FIRST_LOOK
        } else {
            (pause * 2).min(LAST_LOOK)
        };
    }
    let (late, stuck) = drop_the_rest(scope).await;
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
            took: clock.now() - begun,
        },
    );
}

/// Drops what is left at its current await, and waits for that: who was late, and who cannot be dropped.
async fn drop_the_rest(scope: &Arc<ScopeInner>) -> (Vec<Late>, Vec<Late>) {
    let clock = &scope.system.scheduler.clock;
    let begun = clock.now();
    let mut late = Vec::new();
    while scope.alive() > 0 {
        // Again and again: a process that was counted before the stop may enter the registry only now.
        kill(scope, &mut late);
        if timeout(LAST_LOOK, scope.ended()).await.is_err() && clock.now() - begun >= PATIENCE {
            return (late, remaining(scope));
        }
    }
    (late, Vec::new())
}

fn finish(scope: &ScopeInner, report: ExitReport) {
    let watchers;
    {
        let mut state = scope.state.lock();
        state.report = report;
        state.stopped = true;
        watchers = std::mem::take(&mut state.ended);
    }
    watchers.wake_all();
}

/// Tells every process of the scope that it stops, once.
fn mark(scope: &Arc<ScopeInner>) {
    for_each(scope, |_, _, slot, task| {
        // ORDERING: AcqRel: the scope's flag was set before; the process reads the flag at its next poll.
        if slot
            .line
            .flags
            .fetch_or(current::STOPPING, Ordering::AcqRel)
            & current::STOPPING
            == 0
        {
            task.wake();
        }
    });
}

fn for_each(scope: &Arc<ScopeInner>, mut visit: impl FnMut(ProcessId, &About, &Slot, TaskRef)) {
    scope
        .system
        .scheduler
        .registry
        .for_each(|id, about, slot, task| {
            if task.is_within(scope.id) {
                visit(id, about, slot, task);
            }
        });
}

/// If all processes that are left are parked: shows the end of their input to those that nobody can feed any more. True if
/// somebody was told.
///
/// When half of the grace is `over`, those that no port of a living process feeds are told whatever the others wait for: a
/// timer or a connection elsewhere in the scope must not keep a stage from finishing its work.
fn end_inputs(scope: &Arc<ScopeInner>, over: bool) -> bool {
    let seen = look(scope);
    let all_parked = seen
        .iter()
        .all(|process| process.parked_at.is_some() && process.is_passive());
    if seen.is_empty() || !(all_parked || over) {
        return false;
    }
    // Nobody was polled between the two looks: all were parked at the same moment, with nothing under way between them.
    let again = look(scope);
    let same = |first: &Seen| {
        again
            .iter()
            .any(|second| second.id == first.id && second.parked_at == first.parked_at)
    };
    let quiet = all_parked && seen.len() == again.len() && seen.iter().all(same);
    if !(quiet || over) {
        return false;
    }
    let open: Vec<&Seen> = seen
        .iter()
        .filter(|process| {
            process.receives()
                && process.parked_at.is_some()
                && !process.was_told()
                && same(process)
        })
        .collect();
    let fed = |process: &Seen| {
        process.object != 0
            && seen
                .iter()
                .any(|other| other.id != process.id && other.about.ports.sends_to(process.object))
    };
    let mut told: Vec<&Seen> = open
        .iter()
        .copied()
        .filter(|process| !fed(process))
        .collect();
    if told.is_empty() && quiet {
        // All feed each other: the ones that were spawned last, as their kind, go first.
        let last = open
            .iter()
            .max_by_key(|process| (process.about.born_ms, process.id));
        let Some(last) = last else { return false };
        told = open
            .iter()
            .copied()
            .filter(|process| same_site(process, last))
            .collect();
    }
    for process in &told {
        // ORDERING: AcqRel: read by the process at its next poll.
        process
            .task
            .slot()
            .line
            .flags
            .fetch_or(current::ENDED, Ordering::AcqRel);
        process.task.clone().wake();
    }
    !told.is_empty()
}

fn same_site(one: &Seen, other: &Seen) -> bool {
    match (one.about.site, other.about.site) {
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        _ => false,
    }
}

impl Seen {
    /// Whether only another process of the scope, or the end of its input, can wake it.
    fn is_passive(&self) -> bool {
        use WaitKind as K;
        matches!(
            self.kind,
            K::Recv | K::Select | K::Send | K::Reply | K::Join | K::Scope | K::Lock
        )
    }

    fn receives(&self) -> bool {
        matches!(self.kind, WaitKind::Recv | WaitKind::Select)
    }

    fn was_told(&self) -> bool {
        // ORDERING: Relaxed: only the coordinator sets the flag.
        self.task.slot().line.flags.load(Ordering::Relaxed) & current::ENDED != 0
    }
}

fn look(scope: &Arc<ScopeInner>) -> Vec<Seen> {
    let mut seen = Vec::new();
    for_each(scope, |id, about, slot, task| {
        // ORDERING: Acquire: see `registry::Line`.
        let seq = slot.line.seq.load(Ordering::Acquire);
        let parked = task.state.is_parked() && task.state.outside() == 0;
        // ORDERING: Relaxed: see `registry::Line`; a change shows in `seq`.
        let word = slot.line.wait.load(Ordering::Relaxed);
        let object = slot.line.object.load(Ordering::Relaxed);
        let kind = WaitKind::from_u8((word >> 16) as u8);
        seen.push(Seen {
            id,
            about: *about,
            task,
            parked_at: parked.then_some(seq),
            kind,
            object,
        });
    });
    seen
}

/// Asks for the future of every process that is left to be dropped, once.
fn kill(scope: &Arc<ScopeInner>, late: &mut Vec<Late>) {
    for process in look(scope) {
        if !process.task.state.is_killed() {
            late.push(process.late());
            process.task.kill();
        }
    }
}

fn remaining(scope: &Arc<ScopeInner>) -> Vec<Late> {
    look(scope).iter().map(Seen::late).collect()
}

impl Seen {
    fn late(&self) -> Late {
        Late {
            waiting_for: self.kind,
            ..Late::of(&self.task)
        }
    }
}

impl Late {
    pub(crate) fn of(task: &TaskRef) -> Self {
        let about = task.slot().about();
        let site = about.site.map(|site| (site.file(), site.line()));
        Self {
            id: task.id(),
            name: about.name,
            site,
            waiting_for: WaitKind::Other,
        }
    }
}

/// The error of a scope: its first failure, with the others named.
#[derive(Debug, Clone)]
pub(crate) struct ScopeError {
    process: String,
    /// The scopes around the process, from the outside.
    scopes: String,
    others: String,
    first: Arc<Fault>,
}

impl ScopeError {
    pub(super) fn new(scope: &str, first: Failure, others: Vec<Failure>) -> Self {
        let others = others
            .iter()
            .map(|other| format!("; then `{}`: {}", other.process, other.fault))
            .collect::<String>();
        let inner = match &*first.fault {
            Fault::Error(error) => error.downcast_ref::<Self>(),
            _ => None,
        };
        match inner {
            // The process that failed only passed on what had failed in a scope of its own: name that.
            Some(inner) => {
                let scopes = format!("{scope}/{}", inner.scopes);
                Self {
                    scopes,
                    others: format!("{}{others}", inner.others),
                    ..inner.clone()
                }
            }
            None => Self {
                process: first.process,
                scopes: scope.to_owned(),
                others,
                first: first.fault,
            },
        }
    }
}

impl fmt::Display for ScopeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` failed in scope `{}`{}",
            self.process, self.scopes, self.others
        )
    }
}

impl std::error::Error for ScopeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.first {
            Fault::Error(error) => error.chain().next(),
            fault => Some(fault),
        }
    }
}

impl std::error::Error for Fault {}
