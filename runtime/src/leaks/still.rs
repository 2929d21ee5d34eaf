//! A program that stands still: nothing runs in it, and nothing is due, but it is no proven deadlock, because an endpoint, a guard or a
//! token is somewhere that is not followed: in the body of `main`, say.
//!
//! Such a program hangs, and whoever started it wants to know at once, and not when its processes are old enough to be suspected. So
//! it is told after [`STILL`], as one finding about all who wait, with what keeps it open.
//!
//! A program that waits for the outside looks alike, so whatever speaks for that keeps it quiet: I/O, a timer, a job that blocks, a
//! waker in foreign hands; a body that waits for a stop, or anybody who waits for one and for nothing else; a channel into which a plain
//! thread sent the last message; a system that nobody waits for.

use std::time::Duration;

use super::deadlock;
use super::facts::is_left_alone;
use super::orphan;
use super::pass::Found;
use super::report::{Holding, LISTED, Leak, Verdict};
use super::suspect::{self, Waiting, Witness};
use crate::locks::Gate;
use crate::scheduler::Scheduler;
use crate::system::SystemInner;
use crate::task::ProcessId;
use crate::task::WaitKind;
use crate::task::current::{BETWEEN, KINDS, UNKNOWN};
use crate::task::registry::Slot;
use crate::task::waits::Noted;

/// For how long nothing has run in a program of which this is said.
pub(super) const STILL: Duration = Duration::from_secs(1);

/// Waits that something outside ends, or a moment.
const OUTSIDE: u16 = WaitKind::Other.bit() | WaitKind::Timer.bit() | WaitKind::Blocking.bit();

/// Who waits in a system that has stood still for `after`, and is not proven; `None` if something runs, or may come.
pub(super) fn standstill(found: &Found, system: &SystemInner, after: Duration) -> Option<Leak> {
    let (mut waiting, count) = read(found, system, after)?;
    if waiting.is_empty() {
        return None;
    }
    let entry = body(system);
    waiting.sort_by_key(|process| Some(process.id) != entry);
    let witness = Witness::new(&system.scheduler, &waiting);
    let mut channels = witness.channels.values();
    if channels.any(|channel| channel.from_outside) {
        return None;
    }
    let keeping = Keeping {
        found,
        witness: &witness,
        system,
        waiting: &waiting,
    };
    let why = keeping.all();
    let group: Vec<_> = waiting.iter().collect();
    let mut leak = witness.leak(Verdict::Suspected { why }, &group);
    leak.count = count;
    leak.standstill = true;
    Some(leak)
}

/// The process that runs the body, until it has returned: it is kept for its value then, and waits for nobody. Whoever is at its slot is
/// waited for: a body that is passed over is one that seems to have returned.
fn body(system: &SystemInner) -> Option<ProcessId> {
    let runs = |entry: &ProcessId| {
        let slot = system.scheduler.registry.slot(entry.index());
        slot.and_then(|slot| slot.look(|_, _, task| !task.state.is_done())) == Some(true)
    };
    system.entry().filter(runs)
}

/// Those who wait for somebody, the first [`LISTED`] and how many they are, if all processes of the program are parked, and have been for
/// `after`, and nothing but one of them could wake one.
fn read(found: &Found, system: &SystemInner, after: Duration) -> Option<(Vec<Waiting>, usize)> {
    let scheduler = &*system.scheduler;
    if !system.is_awaited() || deadlock::may_go_on(system) || scheduler.has_queued_work() {
        return None;
    }
    let steps = deadlock::steps(scheduler)?;
    let now_ms = suspect::now_ms(scheduler);
    let entry = body(system);
    let lines = || {
        suspect::lines(scheduler, entry).map(|(slot, kinds, since_ms)| {
            let other = WaitKind::Other.bit();
            let by_name = kinds & other != 0 && waits_for_names(scheduler, slot);
            (slot, if by_name { kinds & !other } else { kinds }, since_ms)
        })
    };
    let rests = |id: ProcessId, kinds: u16, since_ms: u32| {
        let age = now_ms.wrapping_sub(since_ms);
        let stops = kinds & WaitKind::Stopping.bit() != 0;
        let for_stop = stops && (Some(id) == entry || kinds & KINDS == WaitKind::Stopping.bit());
        let answered_later = kinds & WaitKind::Reply.bit() != 0;
        let unknown = kinds & UNKNOWN != 0 && !answered_later;
        let is_old = Duration::from_millis(age.into()) >= after && age < u32::MAX / 2;
        kinds & OUTSIDE == 0 && !for_stop && !unknown && is_old
    };
    // Most programs are told apart by the first line that is read.
    if !lines().all(|(slot, kinds, since_ms)| rests(slot.id(), kinds, since_ms)) {
        return None;
    }
    let (mut waiting, mut count) = (Vec::new(), 0);
    // If all who wait are proven, the body among them, this is about those who keep that from being a deadlock.
    let mut others = Others::default();
    for (slot, kinds, _) in lines() {
        if waiting.len() < LISTED || Some(slot.id()) == entry {
            let process = suspect::read(scheduler, slot, now_ms)?;
            if process.given || process.since < after {
                return None;
            }
            match (suspect::is_known(found, process.id), process.idle) {
                // A pass steps over a slot that somebody else reads, and so misses what another one has proven: the next one tells.
                (false, false) if scheduler.proofs.has(process.id) => return None,
                (false, false) => {
                    waiting.push(process);
                    count += 1;
                }
                (false, true) if others.idle.len() < LISTED => others.idle.push(process),
                (true, _) if Some(process.id) == entry => others.body = Some(process),
                _ => {}
            }
        } else {
            // Who is not listed is only looked at.
            let rests =
                slot.peek(|_, _, task| task.state.is_at_rest() && is_left_alone(slot, task));
            if rests != Some(true) {
                return None;
            }
            count += usize::from(kinds & BETWEEN == 0 && !suspect::is_known(found, slot.id()));
        }
    }
    if waiting.is_empty() {
        waiting = others.all();
        count = waiting.len();
    }
    // Nobody has run meanwhile.
    (deadlock::steps(scheduler) == Some(steps)).then_some((waiting, count))
}

/// Whether a process that waits for others, as its kinds say, waits for names and for nothing else that has the same bit.
fn waits_for_names(scheduler: &Scheduler, slot: &Slot) -> bool {
    let (mut names, mut others) = (0, 0);
    scheduler.registry.waits(slot, |wait| match wait.kind {
        WaitKind::Name => names += 1,
        kind => others += usize::from(kind.bit() == WaitKind::Other.bit()),
    });
    names > 0 && others == 0
}

/// Who is left in a program in which all who wait are proven.
#[derive(Default)]
struct Others {
    /// The body, if it is proven.
    body: Option<Waiting>,
    /// Structs that wait between two messages, and are not.
    idle: Vec<Waiting>,
}

impl Others {
    /// A program whose body can never return hangs, although somebody may still call these. Others serve on.
    fn all(self) -> Vec<Waiting> {
        match self.body {
            Some(body) => [body].into_iter().chain(self.idle).collect(),
            None => Vec::new(),
        }
    }
}

/// Says what keeps a program open that stands still.
struct Keeping<'a> {
    found: &'a Found,
    witness: &'a Witness<'a>,
    system: &'a SystemInner,
    waiting: &'a [Waiting],
}

impl Keeping<'_> {
    /// Each reason once, in the order of the processes.
    fn all(&self) -> String {
        let mut reasons: Vec<String> = Vec::new();
        let mut stops = false;
        for process in self.waiting {
            for &wait in &process.waits {
                stops |= wait.kind == WaitKind::Stopping;
                let reason = match process.idle {
                    true => self.of_idle(&self.witness.holding(process.id)),
                    // Who is proven keeps nothing open.
                    false if suspect::is_known(self.found, process.id) => None,
                    false => self.reason(process, wait),
                };
                reasons.extend(reason.filter(|reason| !reasons.contains(reason)));
            }
        }
        reasons.extend(stops.then(|| "a stop would wake some of them".to_owned()));
        if reasons.is_empty() {
            return "somebody else may still end one of these waits".to_owned();
        }
        reasons.join("; and ")
    }

    /// Why this wait may still end; `None` if it is for others who stand still too.
    fn reason(&self, process: &Waiting, wait: Noted) -> Option<String> {
        let orphaned = orphan::reason(self.witness, &self.system.scheduler, process.id, wait);
        if orphaned.is_some() {
            return orphaned;
        }
        let channel = self.witness.channels.get(&wait.object);
        let object = || match channel {
            Some(channel) => {
                let place = format!("{}:{}", channel.site.file, channel.site.line);
                match channel.name {
                    Some(name) => format!("\"{name}\" ({place})"),
                    None => format!("the {} made at {place}", channel.kind.in_words()),
                }
            }
            None => "a channel that is not followed".to_owned(),
        };
        let what = match wait.kind {
            WaitKind::Join => {
                let id = ProcessId::from_raw(wait.object)?;
                return self.of_idle(&self.witness.holding(id));
            }
            WaitKind::Lock => return self.of_lock(process.id, wait),
            WaitKind::Name => {
                return Some(
                    "whoever has the scope, or one around it, may still give that name".to_owned(),
                );
            }
            WaitKind::Reply if process.unknown => {
                return Some("whoever has the `Reply` of a call may still answer it".to_owned());
            }
            WaitKind::Recv => "a sender",
            WaitKind::Send => "a receiver",
            WaitKind::Reply => "a receiver of the calls",
            _ => return None,
        };
        if channel.is_some_and(|channel| !channel.is_followed(wait.kind)) {
            return Some(format!(
                "who has the other end of {} is not followed",
                object()
            ));
        }
        if wait.kind == WaitKind::Send && channel.is_some_and(|channel| channel.granted) {
            return Some(format!(
                "room in {} was granted with `ready()`, and whoever has that may still use it",
                object()
            ));
        }
        if let Some(lay) = self.witness.field_of(wait) {
            return Some(format!("{what} of {} {lay}", object()));
        }
        let (holders, all) = self.witness.others(wait);
        if !all {
            return Some(format!(
                "{what} of {} is in a local variable (perhaps of one of these), an `Arc`, a message or on a plain thread",
                object()
            ));
        }
        holders.iter().find_map(|holder| self.of_idle(holder))
    }

    /// Of a struct that waits between two messages: it goes on, or ends, with its handles.
    fn of_idle(&self, holder: &Holding) -> Option<String> {
        let id = holder.process?;
        let slot = self.system.scheduler.registry.slot(id.index())?;
        let idle = slot.peek(|now, about, _| now == id && about.ports.mailbox().is_some())?;
        idle.then(|| {
            format!(
                "a handle of {}{id} is in a local variable (perhaps of one of these), an `Arc`, a message or on a plain thread",
                holder.name
            )
        })
    }

    /// Who took a lock may have given its guard away; one whose way is all known would be proven.
    fn of_lock(&self, id: ProcessId, wait: Noted) -> Option<String> {
        let gate = self.system.scheduler.gates.get(wait.object)?;
        let waits = gate.turn(id).is_some();
        let what = |gate: &Gate| match gate.is_semaphore() {
            true => "a permit of a semaphore may be anywhere, and may be given back",
            false => "a guard of a lock may be anywhere, and may be given back",
        };
        waits.then(|| what(&gate).to_owned())
    }
}
