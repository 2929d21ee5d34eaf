//! What is known when nothing can run: who waits for what, and who will wait for ever.

use std::fmt::Write as _;

use crate::leaks::{self, Leak, Verdict};
use crate::observe::words::to_be_given;
use crate::scheduler::{Scheduler, worker};
use crate::sim::events::{channel, name_of, short};
use crate::sim::machine::Machine;
use crate::sim::reason::Reason;
use crate::sync::Ordering;
use crate::system::SystemInner;
use crate::task::TaskRef;
use crate::task::current::{BETWEEN, PLACED, SET};
use crate::task::registry::{About, Slot, WaitKind};
use crate::task::waits::Noted;

/// One line for each process that lives: what it waits for, and who could end that.
pub(crate) fn waits(machine: &Machine, test: &TaskRef) -> Vec<String> {
    let mut lines = Vec::new();
    each(&machine.scheduler, |process, about, slot, task| {
        let is_test = task.header() == test.header();
        if task.scope().is_some() || is_test {
            lines.push(line(machine, process, about, slot, task));
        }
    });
    lines
}

/// Who waits for ever although the body of the test has returned.
#[derive(Default)]
pub(crate) struct Waiting {
    /// A line for each process that nobody can wake any more but the stop, or supervised children when that ends them.
    pub(crate) lines: Vec<String>,
    /// The supervised children, who wait as well: they go on until they are stopped.
    pub(crate) children: Vec<TaskRef>,
}

/// The processes that wait for ever although the body of the test has returned. None if anything could still happen by itself,
/// or somebody waits to be stopped.
pub(crate) fn leaked(machine: &Machine) -> Waiting {
    use WaitKind as K;
    const INSIDE: u16 = K::Recv.bit()
        | K::Send.bit()
        | K::Reply.bit()
        | K::Join.bit()
        | K::Lock.bit()
        | K::Scope.bit()
        | K::Select.bit()
        | BETWEEN
        | SET
        | PLACED;
    if machine.scheduler.timers.next_deadline().is_some() {
        return Waiting::default();
    }
    let mut waiting = Waiting::default();
    let mut certain = true;
    each(&machine.scheduler, |process, about, slot, task| {
        if task.scope().is_none() {
            return;
        }
        // ORDERING: Relaxed: written by this thread.
        let kinds = (slot.line.wait.load(Ordering::Relaxed) >> 16) as u16;
        certain &= task.state.is_parked()
            && task.state.outside() == 0
            && kinds != 0
            && kinds & !INSIDE == 0;
        match task.lineage() {
            Some(_) => waiting.children.push(task.clone()),
            None => waiting
                .lines
                .push(line(machine, process, about, slot, task)),
        }
    });
    if certain { waiting } else { Waiting::default() }
}

/// Takes a supervised child out of the program, as if it had never been needed: what it holds, and what its supervisor keeps for it,
/// goes with it.
pub(crate) fn remove(machine: &Machine, child: &TaskRef) {
    if let Some(lineage) = child.lineage() {
        machine.happens(child.slot().id().index(), || {
            "is taken away, to see who waits for ever without it".to_owned()
        });
        lineage.remove();
        child.kill();
    }
}

/// Whether a process of a scope does nothing but sleep.
pub(crate) fn somebody_only_sleeps(scheduler: &Scheduler) -> bool {
    let mut sleeps = false;
    each(scheduler, |_, _, slot, task| {
        // ORDERING: Relaxed: written by this thread.
        let kinds = (slot.line.wait.load(Ordering::Relaxed) >> 16) as u16;
        sleeps |= task.scope().is_some() && kinds == WaitKind::Timer.bit();
    });
    sleeps
}

/// What the detector of leaks proves: processes that can never run again, though others may go on. One text for each finding; also for
/// those who have waited for long for what had an owner that is gone, which nobody gives back when everything has settled.
pub(crate) fn proven(system: &SystemInner) -> Vec<String> {
    let is_orphaned = |leak: &Leak| matches!(leak.verdict, Verdict::Orphaned { .. });
    findings(system, |leak| leak.is_proven() || is_orphaned(leak))
}

/// The same, of the body of the test: that it can never go on.
pub(crate) fn stuck(system: &SystemInner, test: &TaskRef) -> Vec<String> {
    let test = test.id();
    findings(system, |leak| {
        leak.is_proven() && leak.processes.iter().any(|process| process.id == test)
    })
}

fn findings(system: &SystemInner, wanted: impl Fn(&Leak) -> bool) -> Vec<String> {
    let found = leaks::search(system).into_iter();
    found.filter(wanted).map(|leak| leak.to_string()).collect()
}

/// Processes that are parked on a channel although what they wait for is there.
pub(crate) fn lost_wakeup(system: &SystemInner) -> Option<Reason> {
    let lost = leaks::lost_wakeups(system);
    let texts: Vec<_> = lost.iter().map(ToString::to_string).collect();
    (!texts.is_empty()).then(|| Reason::LostWakeup(texts.join("\n")))
}

/// Who has run in this run although it was proven that it never would.
pub(crate) fn violated(machine: &Machine) -> Option<Reason> {
    let scheduler = &*machine.scheduler;
    let violated = scheduler.proofs.violated(scheduler).into_iter();
    let lines: Vec<_> = violated
        .map(|id| {
            let slot = scheduler.registry.slot(id.index());
            let site = slot.and_then(|slot| slot.origin().site);
            let site = site.map(|site| format!(" ({}:{})", short(site.file()), site.line()));
            name_of(scheduler, id.index()) + &site.unwrap_or_default()
        })
        .collect();
    (!lines.is_empty()).then_some(Reason::ProofViolated(lines))
}

fn each(scheduler: &Scheduler, mut visit: impl FnMut(u32, &About, &Slot, &TaskRef)) {
    for index in 0..scheduler.registry.used() {
        if let Some(slot) = scheduler.registry.slot(index)
            && let Some((_, about, task)) = slot.read()
        {
            visit(index, &about, slot, &task);
        }
    }
}

/// `worker#3 (src/pool.rs:12) waits for a message of jobs: Job, held by 1 sender, last sent to by source#2`.
fn line(machine: &Machine, process: u32, about: &About, slot: &Slot, task: &TaskRef) -> String {
    let scheduler = &*machine.scheduler;
    let mut text = name_of(scheduler, process);
    if let Some(site) = about.site.filter(|_| task.scope().is_some()) {
        let _ = write!(text, " ({}:{})", short(site.file()), site.line());
    }
    if !task.state.is_parked() {
        text.push_str(" can run");
        return text;
    }
    let mut waits = Vec::new();
    scheduler
        .registry
        .waits(slot, |wait| waits.push(awaited(machine, task, wait)));
    text.push_str(" waits for ");
    match &waits[..] {
        [] => text.push_str("something that is not Roundrock's"),
        [one] => text.push_str(one),
        all => {
            let _ = write!(text, "the first of these: {}", all.join("; "));
        }
    }
    text
}

/// What a process waits for, in words.
fn awaited(machine: &Machine, task: &TaskRef, wait: Noted) -> String {
    let scheduler = &*machine.scheduler;
    let process = task.slot().index();
    let Noted { kind, object } = wait;
    let events = machine.events.borrow();
    let said = events.as_ref().and_then(|events| events.waits_to(process));
    match kind {
        // A broadcast, a oneshot or a `latest` has no endpoints that are listed.
        WaitKind::Recv if is_unlisted(object) && said.is_some_and(|(verb, _)| verb == "recv") => {
            format!("a message from {}", said.unwrap_or_default().1)
        }
        WaitKind::Send if is_unlisted(object) && said.is_some_and(|(verb, _)| verb == "send") => {
            format!("room in {}", said.unwrap_or_default().1)
        }
        WaitKind::Recv => format!(
            "a message from {}{}",
            channel(scheduler, process, object),
            ends(machine, object, true)
        ),
        WaitKind::Send => format!(
            "room in {}{}",
            channel(scheduler, process, object),
            ends(machine, object, false)
        ),
        WaitKind::Reply => format!(
            "the reply to what it sent to {}",
            channel(scheduler, process, object)
        ),
        WaitKind::Join => format!("the end of {}", name_of(scheduler, object as u32)),
        WaitKind::Lock => match said {
            Some(("lock", lock)) => format!("the lock {lock}"),
            Some(("read-lock", lock)) => format!("the lock {lock}, to read"),
            Some(("write-lock", lock)) => format!("the lock {lock}, to write"),
            Some(("acquire", permit)) => format!("a permit {permit}"),
            _ => "a lock or a permit".to_owned(),
        },
        WaitKind::Timer => "a timer".to_owned(),
        WaitKind::Select => "an arm of a `select!`".to_owned(),
        WaitKind::Stopping => "its scope to stop".to_owned(),
        WaitKind::Scope => "the children of a scope to end".to_owned(),
        WaitKind::Blocking => "a job that blocks".to_owned(),
        WaitKind::Name => {
            let scope = task.scope();
            let name = scope.and_then(|scope| scope.system.names.watched(object));
            to_be_given(name.as_deref())
        }
        WaitKind::Caller => match object {
            0 => "its caller to go".to_owned(),
            caller => format!("its caller, {}, to go", name_of(scheduler, caller as u32)),
        },
        WaitKind::Other => "something that is not Roundrock's".to_owned(),
    }
}

fn is_unlisted(object: u64) -> bool {
    worker::with(|worker| worker?.channels().describe(object)).is_none()
}

/// Who is at the other side of a channel, as far as it is known.
fn ends(machine: &Machine, object: u64, receives: bool) -> String {
    let scheduler = &*machine.scheduler;
    let Some(channel) = worker::with(|worker| worker?.channels().describe(object)) else {
        return String::new();
    };
    let number = if receives {
        count(channel.senders, "sender")
    } else {
        count(channel.receivers, "receiver")
    };
    let mut text = format!(", with {number}");
    let names = machine.names.borrow();
    let names = names
        .iter()
        .filter(|named| receives && named.channels.contains(&object));
    let names: Vec<_> = names.map(|named| format!("`{}`", named.name)).collect();
    let _ = match &names[..] {
        [] => Ok(()),
        [name] if channel.senders == 1 => write!(text, ", which is that of the name {name}"),
        [name] => write!(text, ", one of them that of the name {name}"),
        names => write!(text, ", of them those of the names {}", names.join(" and ")),
    };
    let (sent, sent_by) = (channel.stats.sent, channel.stats.sent_by);
    // Not in a run that is not recorded: nobody has noted there whose place in memory a process has.
    if receives
        && sent > 0
        && machine.events.borrow().is_some()
        && machine.was_another(object) != Some(sent)
    {
        each(scheduler, |process, about, _, task| {
            let is_shown = task.scope().is_some() || about.name == "test";
            if is_shown && task.header().addr().get() == sent_by {
                let _ = write!(text, ", last sent to by {}", name_of(scheduler, process));
            }
        });
    }
    text
}

impl Machine {
    /// A process begins, in a run that is recorded. It may have the place in memory of one that has ended, by which channels know who
    /// sent last; until now that was the other one.
    pub(super) fn takes_over(&self, task: &TaskRef) {
        let address = task.header().addr().get();
        let sent = worker::with(|worker| Some(worker?.channels().sent_by(address)));
        self.sent_before
            .borrow_mut()
            .extend(sent.into_iter().flatten());
    }

    /// How many messages a channel had got when somebody had sent last whose place another process has now.
    fn was_another(&self, object: u64) -> Option<u64> {
        self.sent_before.borrow().get(&object).copied()
    }
}

pub(super) fn count(n: u64, what: &str) -> String {
    match n {
        0 => format!("no {what} left"),
        1 => format!("one {what}"),
        n => format!("{n} {what}s"),
    }
}
