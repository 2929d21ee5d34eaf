//! Calls that would wait for themselves: found when the last of the processes in the cycle parks, and refused.
//!
//! An *edge* leads from a parked process to the one process that it waits for: the one that it calls, whose full mailbox it wants to
//! send to, or whose end it awaits. A process has one if that is the only thing it waits for. Who waits for the end of a scope has one
//! to each process in it, for all of them have to end; its line of counters has an edge to itself, and where that leads is looked up.
//! Whoever parks with an edge follows the
//! edges from there; in nearly every call the first look, at the line of counters of the called process, says that there is none.
//! If they lead back, and everybody on the way is parked, nobody of them can run again, and the call fails with
//! [`CallError::Cycle`](crate::CallError::Cycle): that of the process which parked last, or if that one does not call, the first
//! call on the way. A cycle without a call in it has nobody to tell, and is left to the search for leaks. The process is woken to
//! fail its call; a refusal is for that one poll and that one mailbox, so what the process does next has nothing to fear from it.
//!
//! With a limit of time in it, a cycle is no deadlock, but it burns its limit each time: it is reported once for the same places of
//! spawning, as an event.
//!
//! **Why no cycle is missed.** Each process publishes its edge, parks, and then looks at the others, with a full fence between the
//! last two; so of two that park at the same time one at least sees the other one parked. The last one of a cycle, in the order of
//! those fences, sees all others. It waits for the locks of their slots: passing over one that is busy would be missing it.
//! Cycles of more than [`LONGEST`] processes are left to the search for leaks, and so are those through a supervised child that was
//! started again after its caller had parked: the edge leads to the incarnation before. So are those through a scope where there are
//! many processes: a scope keeps no list of its own, so all have to be looked at.
//!
//! **Why none is invented.** Everybody is found parked twice, with the same number of polls, edges and nothing else to wait for: so
//! at a moment between the two all were parked. Nobody else could end one of these waits, forced stops apart, for the edge is only
//! there if the mailbox is served by that process alone and the handler does not answer with a [`Reply`](crate::Reply), and a scope
//! that stops, which drops who does not end in time, has none. Nor does a
//! future that one of them polled before and put aside wake it, and let it go on by that: it has left no more wakers than the one wait
//! needs. The timers of a struct's own loop do not count, for no handler sees them.
//!
//! Model: `tests/loom_cycle.rs`.

use std::collections::{HashMap, HashSet};
use std::ptr;

use super::facts::{Channel, Pins, may_be_left, still_parked};
use super::verdict::name_of;
use crate::observe::{Event, EventKind};
use crate::scheduler::Scheduler;
use crate::sync::{Lock, Ordering, fence, fence_after_exchange};
use crate::task::cell::Header;
use crate::task::current::{self, CALLS, PLACED};
use crate::task::registry::{Line, Registry, Slot, WaitKind, may_be_inside};
use crate::task::waits::{Noted, Said};
use crate::task::{ProcessId, TaskRef};

/// The longest cycle that is looked for.
const LONGEST: usize = 64;

/// The largest number of processes of a system in which those of a scope are looked for: some microseconds.
const MANY: u32 = 4096;

/// The waits that may be an edge, and the limit of time beside it.
const EDGES: u16 =
    WaitKind::Reply.bit() | WaitKind::Send.bit() | WaitKind::Join.bit() | WaitKind::Scope.bit();
const TIMER: u16 = WaitKind::Timer.bit();

/// What is known of cycles in a system.
#[derive(Debug)]
pub(crate) struct Cycles(Lock<Known>);

#[derive(Debug, Default)]
struct Known {
    /// The processes whose call was refused, and that have not seen it yet.
    refused: HashMap<ProcessId, Refusal>,
    /// Where the processes were spawned of the cycles with a limit of time that were reported.
    reported: HashSet<Vec<usize>>,
}

/// Why a call is refused.
#[derive(Debug)]
struct Refusal {
    /// The last poll of the process before, and the mailbox that it calls.
    seq: u64,
    mailbox: u64,
    /// The names of those in the cycle.
    path: Vec<String>,
}

impl Cycles {
    pub(crate) fn new() -> Self {
        Self(Lock::new(Known::default()))
    }

    /// Forgets what was told of a run that has ended.
    pub(crate) fn forget(&self) {
        *self.0.lock() = Known::default();
    }

    /// Takes the names of the cycle because of which a call to this mailbox is refused, by the process in this slot, which runs.
    pub(crate) fn take(&self, slot: &Slot, mailbox: u64) -> Option<Vec<String>> {
        let mut known = self.0.lock();
        let refusal = known.refused.get(&slot.id());
        // ORDERING: Relaxed: this thread wrote it.
        let polls = slot.line.seq.load(Ordering::Relaxed);
        let is_of_now = refusal.is_some_and(|refusal| polls == refusal.seq + 1);
        if is_of_now && refusal.is_some_and(|refusal| refusal.mailbox != mailbox) {
            return None;
        }
        // ORDERING: Relaxed: it is set again only when the process is parked again.
        slot.line
            .flags
            .fetch_and(!current::CYCLE, Ordering::Relaxed);
        let refusal = known.refused.remove(&slot.id()).filter(|_| is_of_now);
        refusal.map(|refusal| refusal.path)
    }
}

/// The edge of a process as its last poll left it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    from: ProcessId,
    to: ProcessId,
    kinds: u16,
    object: u64,
    seq: u64,
}

/// Whether a poll that left this word has an edge: one wait only, which is for one process, and perhaps a limit of time.
fn has_edge(word: u64) -> bool {
    let kinds = (word >> 16) as u16 & !(CALLS | PLACED);
    let timed = kinds & TIMER != 0;
    let alone = word & Line::NOTED == 1 + u64::from(timed);
    word & Line::EDGE != 0 && alone && kinds & !(EDGES | TIMER) == 0
}

/// A process has parked, and waits for the one with the id `to`.
#[inline]
pub(crate) fn parked(scheduler: &Scheduler, to: u64) {
    fence_after_exchange();
    // The lower half of an id is the index.
    if let Some(slot) = scheduler.registry.slot_at_once(to as u32)
        // ORDERING: Relaxed: ordered by the fence: if the process is parked already, its word is seen.
        && slot.line.wait.load(Ordering::Relaxed) & Line::EDGE != 0
    {
        follow_roughly(scheduler, slot);
    }
}

/// Follows the edges from the process in a slot back to it, without a lock, and without asking whether they belong together: in most
/// chains of calls the last process runs, or waits for a message. Nothing is missed: of a cycle, all edges are there when its last
/// process comes here.
#[cold]
#[inline(never)]
fn follow_roughly(scheduler: &Scheduler, from: &Slot) {
    let mut at = from;
    for _ in 0..LONGEST {
        // ORDERING: Relaxed: as in `parked`.
        if !has_edge(at.line.wait.load(Ordering::Relaxed)) {
            return;
        }
        let Some(next) = scheduler.registry.slot_at_once(at.line.edge()) else {
            return;
        };
        // Who waits for a scope has an edge to itself.
        if ptr::eq(next, from) || ptr::eq(next, at) {
            return search(scheduler, from.id());
        }
        at = next;
    }
}

/// A process waits for this one, and has parked last. Are the two in a cycle, or in several through a scope?
#[cold]
fn search(scheduler: &Scheduler, from: ProcessId) {
    let registry = &scheduler.registry;
    let mut seen = HashSet::from([from]);
    let mut path = Vec::new();
    let mut open = vec![edges(registry, from).into_iter()];
    while let Some(next) = open.last_mut() {
        let Some(edge) = next.next() else {
            open.pop();
            path.pop();
            continue;
        };
        path.push(edge);
        if edge.to == from {
            closed(scheduler, path.clone());
        }
        // A cycle that does not go through the start was found by whoever closed it.
        if path.len() < LONGEST && seen.insert(edge.to) {
            open.push(edges(registry, edge.to).into_iter());
        } else {
            path.pop();
        }
    }
}

/// These were parked, each waiting for the next one, and the last one for the first.
fn closed(scheduler: &Scheduler, mut path: Vec<Edge>) {
    let registry = &scheduler.registry;
    // One at a time, so that of two who find the same cycle the second finds the first one's victim awake.
    let mut known = scheduler.cycles.0.lock();
    // In this order: who was given room before the mailboxes were looked at is not parked any more afterwards.
    if !is_real(scheduler, &path) || !path.iter().all(|edge| edge.lasts(registry)) {
        return;
    }
    // Who parked last comes first.
    path.rotate_right(1);
    if path.iter().any(|edge| edge.kinds & TIMER != 0) {
        if known.reported.insert(sites(registry, &path)) {
            drop(known);
            report_timed(scheduler, &path);
        }
        return;
    }
    let is_call = |edge: &Edge| edge.kinds & (WaitKind::Reply.bit() | CALLS) != 0;
    let at = path.iter().position(is_call);
    let victim = at.and_then(|at| Some((at, registry.find(path[at].from)?)));
    let Some((at, victim)) = victim else { return };
    known.refused.retain(|process, refusal| {
        let slot = registry.slot(process.index());
        // ORDERING: Acquire: see `registry::Line`; afterwards it has run, and needs it no more.
        let polls = |slot: &Slot| slot.line.seq.load(Ordering::Acquire);
        slot.is_some_and(|slot| slot.id() == *process && polls(slot) <= refusal.seq + 1)
    });
    let refusal = Refusal {
        seq: path[at].seq,
        mailbox: path[at].object,
        path: names_from(registry, &path, at),
    };
    known.refused.insert(path[at].from, refusal);
    // Under the lock: before the next one looks.
    refuse(victim);
    drop(known);
}

/// Tells a parked process that its call is refused.
fn refuse(process: TaskRef) {
    // ORDERING: Release: the names are there; pairs with the Acquire at the beginning of its next step.
    process
        .slot()
        .line
        .flags
        .fetch_or(current::CYCLE, Ordering::Release);
    process.wake();
}

fn report_timed(scheduler: &Scheduler, path: &[Edge]) {
    let registry = &scheduler.registry;
    let names = names_from(registry, path, 0);
    tracing::warn!(
        target: "roundrock::leak", path = names.join(" -> "),
        "call.cycle: these calls wait for each other until their time is up"
    );
    scheduler.board.tell(|| {
        let sites = path.iter().map(|edge| name_of(scheduler, edge.from).1);
        let (name, site) = name_of(scheduler, path[0].from);
        Event {
            name,
            process: Some(path[0].from),
            site,
            kind: EventKind::TimedCycle {
                sites: sites.collect(),
                path: names,
            },
        }
    });
}

impl Edge {
    /// Whether the process has not run since, and its wait is for the same one.
    fn lasts(&self, registry: &Registry) -> bool {
        let to = |found: &Self| match self.kinds & WaitKind::Scope.bit() {
            0 => found.to == self.to,
            _ => is_member(registry, self.to, self.object),
        };
        let found = edge(registry, self.from);
        found.is_some_and(|found| (found.seq, found.kinds) == (self.seq, self.kinds) && to(&found))
    }
}

/// The edges of a process, if it is parked with one or more.
fn edges(registry: &Registry, from: ProcessId) -> Vec<Edge> {
    let Some(edge) = edge(registry, from) else {
        return Vec::new();
    };
    if edge.kinds & WaitKind::Scope.bit() == 0 {
        return vec![edge];
    }
    let members = members(registry, edge.object).into_iter();
    members.map(|to| Edge { to, ..edge }).collect()
}

/// The processes inside of this scope that may have an edge.
fn members(registry: &Registry, scope: u64) -> Vec<ProcessId> {
    let used = registry.used();
    if used > MANY {
        return Vec::new();
    }
    let slots = registry.slots().take(used as usize);
    // ORDERING: Relaxed: as in `parked`.
    let waits = slots.filter(|slot| has_edge(slot.line.wait.load(Ordering::Relaxed)));
    waits
        .filter(|slot| may_be_inside(slot.scope_bits(), scope))
        .map(Slot::id)
        .filter(|&id| is_member(registry, id, scope))
        .collect()
}

/// Whether a process lives inside of this scope, and nothing there stops.
fn is_member(registry: &Registry, process: ProcessId, scope: u64) -> bool {
    let is_inside = |task: &Header| {
        let own = task.scope().filter(|own| own.is_within(scope));
        own.is_some_and(|own| own.outermost_stopping().is_none())
    };
    let slot = registry.slot(process.index());
    let inside = slot.and_then(|slot| slot.look(|id, _, task| id == process && is_inside(task)));
    inside == Some(true)
}

/// The edge of a process, if it is parked with one; of one that waits for a scope, to itself.
fn edge(registry: &Registry, from: ProcessId) -> Option<Edge> {
    let slot = registry.slot(from.index())?;
    slot.look(|id, _, task| edge_of(registry, id, task).filter(|_| id == from))?
}

/// The same of the one whose slot is locked.
fn edge_of(registry: &Registry, from: ProcessId, task: &Header) -> Option<Edge> {
    let line = &task.slot().line;
    // ORDERING: Acquire: see `registry::Line`.
    let seq = line.seq.load(Ordering::Acquire);
    // ORDERING: Relaxed (both): see `registry::Line`; a change shows in `seq`.
    let word = line.wait.load(Ordering::Relaxed);
    let index = line.edge();
    let kinds = (word >> 16) as u16;
    if !has_edge(word) {
        return None;
    }
    // The line has the wait that was noted last, which may be the limit.
    let mut waits = Vec::with_capacity(2);
    registry.waits(task.slot(), |wait| waits.push(wait));
    let is_edge = |wait: &&Noted| wait.kind.bit() & EDGES != 0;
    let object = waits.iter().find(is_edge)?.object;
    // ORDERING: Acquire fence: what was read above was read before the state and `seq` below.
    fence(Ordering::Acquire);
    // In this order: if it is found parked by the same poll again, the count was that of this poll.
    if !still_parked(task.slot(), task, seq)
        || usize::from(task.state.waits()) > may_be_left(kinds, &waits) + Said::kept_in(word)
    {
        return None;
    }
    let to = match ProcessId::from_raw(object) {
        Some(joined) if kinds & EDGES == WaitKind::Join.bit() => joined,
        // Which process has the slot now; that it serves the mailbox in question is seen below.
        _ => registry.slot(index)?.id(),
    };
    Some(Edge {
        from,
        to,
        kinds,
        object,
        seq,
    })
}

/// Whether each mailbox on the way belongs to who is said to serve it, and nobody else could make room in it.
fn is_real(scheduler: &Scheduler, path: &[Edge]) -> bool {
    let pins = Pins::new(scheduler);
    path.iter().all(|edge| {
        if edge.kinds & (WaitKind::Join.bit() | WaitKind::Scope.bit()) != 0 {
            return true;
        }
        let slot = scheduler.registry.slot(edge.to.index());
        let mailbox = slot.and_then(|slot| {
            slot.look(|id, about, task| {
                let mailbox = about.ports.mailbox().filter(|_| id == edge.to)?;
                task.state.is_at_rest().then_some(mailbox)
            })?
        });
        let Some(mailbox) = mailbox else { return false };
        let same = mailbox.object() == edge.object;
        let full = edge.kinds & WaitKind::Send.bit() != 0;
        let plain = || Channel::of_port(&pins, mailbox).is_some_and(|channel| channel.is_plain());
        same && (!full || plain())
    })
}

/// Where the processes in a cycle were spawned: the same for one that is found at another place of it.
fn sites(registry: &Registry, path: &[Edge]) -> Vec<usize> {
    let slots = path
        .iter()
        .filter_map(|edge| registry.slot(edge.from.index()));
    let mut sites: Vec<_> = slots
        .map(|slot| ptr::from_ref(slot.origin()).addr())
        .collect();
    let first = sites.iter().enumerate().min_by_key(|(_, site)| **site);
    let first = first.map_or(0, |(at, _)| at);
    sites.rotate_left(first);
    sites
}

fn name(registry: &Registry, id: ProcessId) -> &'static str {
    registry
        .slot(id.index())
        .map_or("", |slot| slot.origin().name)
}

/// The names of the processes in a cycle, from the one at `at` on.
fn names_from(registry: &Registry, path: &[Edge], at: usize) -> Vec<String> {
    let (before, from) = path.split_at(at);
    let edges = from.iter().chain(before);
    edges
        .map(|edge| format!("{}{}", name(registry, edge.from), edge.from))
        .collect()
}
