//! Calls that would wait for themselves: found when the last of the processes in the cycle parks, and refused.
//!
//! An *edge* leads from a parked process to the one process that it waits for: the one that it calls, whose full mailbox it wants to
//! send to, or whose end it awaits. A process has one if that is the only thing it waits for. Whoever parks with an edge follows the
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
//! started again after its caller had parked: the edge leads to the incarnation before.
//!
//! **Why none is invented.** Everybody is found parked twice, with the same number of polls, edges and nothing else to wait for: so
//! at a moment between the two all were parked. Nobody else could end one of these waits, forced stops apart, for the edge is only
//! there if the mailbox is served by that process alone and the handler does not answer with a [`Reply`](crate::Reply). Nor does a
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
use crate::task::registry::{Line, Registry, Slot, WaitKind};
use crate::task::waits::{Noted, Said};
use crate::task::{ProcessId, TaskRef};

/// The longest cycle that is looked for.
const LONGEST: usize = 64;

/// The waits that may be an edge, and the limit of time beside it.
const EDGES: u16 = WaitKind::Reply.bit() | WaitKind::Send.bit() | WaitKind::Join.bit();
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
        at = next;
        if ptr::eq(at, from) {
            return search(scheduler, from.id());
        }
    }
}

/// A process waits for this one, and has parked last. Are the two in a cycle?
#[cold]
fn search(scheduler: &Scheduler, from: ProcessId) {
    let registry = &scheduler.registry;
    let Some(mut path) = follow(registry, from) else {
        return;
    };
    // One at a time, so that of two who find the same cycle the second finds the first one's victim awake.
    let mut known = scheduler.cycles.0.lock();
    // In this order: who was given room before the mailboxes were looked at is not parked any more afterwards.
    if !is_real(scheduler, &path) || follow(registry, from).as_ref() != Some(&path) {
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

/// The edges from this process back to it, if everybody on the way is parked.
fn follow(registry: &Registry, start: ProcessId) -> Option<Vec<Edge>> {
    let mut path: Vec<Edge> = Vec::new();
    let mut at = start;
    while path.len() < LONGEST {
        let edge = registry
            .slot(at.index())?
            .look(|id, _, task| edge(registry, id, task).filter(|_| id == at))??;
        path.push(edge);
        at = edge.to;
        if at == start {
            return Some(path);
        }
        if path.iter().any(|edge| edge.from == at) {
            // A cycle that does not go through the start: whoever closed it has found it.
            return None;
        }
    }
    None
}

/// The edge of a process, if it is parked with one.
fn edge(registry: &Registry, from: ProcessId, task: &Header) -> Option<Edge> {
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
        if edge.kinds & WaitKind::Join.bit() != 0 {
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
