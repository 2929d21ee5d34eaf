//! One pass: collect, search, and look again.
//!
//! The second look is what makes the answer right while everything moves.
//! 1. Every process is read, and found parked.
//! 2. The endpoints of every channel that matters are counted.
//! 3. Every accused process is read again, and found to have parked before (1) and not to have run since, by its state and its number
//!    of polls.
//!
//! So at the end of (2) all of them were parked, and nobody else had an endpoint that could wake one: what was counted in (2) belonged to
//! processes that did not run between (1) and (3), and a new endpoint can only be made of one that exists. Only they could change
//! that, and none of them runs: what was true at that moment stays true until a forced stop. No version numbers are needed for the
//! channels, because they are counted between two looks at the processes.
//!
//! A message that was handed to somebody, and that it has not looked at, may go back, and to the next one. So a channel counts those that
//! it has handed over, and those that were looked at. If (2) finds both the same, and nothing queued, there is no message, and none comes,
//! for everybody who could send one rests: whoever else receives there, and whatever it does, lets nobody go on.
//!
//! Room in a channel may also come from somebody without a receiver, who gives back a permit. Whoever gets it is marked as woken
//! before the lock of the channel is released: so if no permit was found in (2), those who got the last ones do not look parked in (3).
//!
//! A call that closes a cycle of calls is refused after its process has parked, by the same step of the same worker. So if somebody
//! among the accused is still in the hands of its worker when the looks above are over, those in calls count as live.
//!
//! Several may share a mailbox (a pool). If nothing is queued there, a call that waits for its reply is in the hands of one of them that
//! does not wait for the next message. Those that do are read again in (3) with the accused: had one of them been given the call, by whoever
//! called, or by one that gave it back, it would have been woken before that one parked, or gave up its endpoint.
//!
//! The same holds for the workers of a pool whose calls are passed on, with who passes them on: a call is in one of their mailboxes, or in the
//! hands of one of them, and it moves on only by a step of who passes it on.
//!
//! Whoever is found to have moved is live for this pass, and the search is repeated without it.
//!
//! Model: `tests/loom_holders.rs`.

use std::collections::HashMap;

use super::deadlock;
use super::facts::{BREATH, Facts, Fast, Pins, Whom, still_parked};
use super::lost::{self, Late};
use super::relation::{self, Locks, Queues};
use super::search::Graph;
use crate::scheduler::Scheduler;
use crate::sync::{Ordering, fence};
use crate::task::ProcessId;
use crate::task::registry::WaitKind;

/// What a pass found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) facts: Facts,
    pub(super) graph: Graph,
    /// Who can never run again, forced stops apart.
    pub(super) stuck: Vec<bool>,
    /// Who can run again when its scope stops, and not before.
    pub(super) stranded: Vec<bool>,
    /// The channels in which somebody is parked who should not be.
    pub(super) late: Vec<Late>,
    /// What would be so if every guard of a lock were still with who took it.
    pub(super) likely: Option<Likely>,
    /// The forced stops that had begun before, if none was under way.
    pub(super) stops: Option<u64>,
}

/// Who can never run again if every guard of a lock is still with who took it. Where locks lie in a struct that several share, that
/// is not known, and nearly always so.
#[derive(Debug)]
pub(super) struct Likely {
    pub(super) graph: Graph,
    pub(super) stuck: Vec<bool>,
}

impl Found {
    /// Looks for lost wakeups. Whoever lost one does not wait for those who seem to hold him up.
    pub(super) fn look_for_lost(&mut self, scheduler: &Scheduler) {
        self.late = lost::find(scheduler);
        let processes = self.late.iter().flat_map(Late::processes);
        let numbers = processes.filter_map(|id| self.facts.process(id.raw()));
        for number in numbers.collect::<Vec<_>>() {
            self.graph.cut(number);
        }
    }
}

/// Runs a pass. `breathe` is called every fraction of a millisecond, for those who have other things to do.
pub(super) fn run(
    pins: &Pins<'_>,
    scheduler: &Scheduler,
    entry: Option<ProcessId>,
    breathe: &mut dyn FnMut(),
) -> Found {
    let stops = scheduler.proofs.stops();
    let mut found = search(pins, scheduler, Whom::LeftAlone { entry }, breathe);
    found.stops = stops;
    scheduler
        .proofs
        .enter(scheduler, &found.facts, &found.stuck, stops);
    found
}

/// The same, without a word of what it proves.
pub(super) fn search(
    pins: &Pins<'_>,
    scheduler: &Scheduler,
    whom: Whom,
    breathe: &mut dyn FnMut(),
) -> Found {
    let facts = Facts::collect(pins, scheduler, whom, breathe);
    let graph = graph(&facts, pins, Locks::Known, breathe);
    let mut live = vec![false; graph.len()];
    let suspects = graph.stuck(&live, false);
    if suspects.contains(&true) {
        look_again(&facts, pins, scheduler, &suspects, &mut live);
    }
    let stuck = graph.stuck(&live, true);
    let mut stranded = graph.stuck(&live, false);
    for (process, stranded) in stranded.iter_mut().enumerate() {
        *stranded &= !stuck[process];
    }
    Found {
        facts,
        graph,
        stuck,
        stranded,
        late: Vec::new(),
        likely: None,
        stops: None,
    }
}

/// Who waits for whom.
fn graph(facts: &Facts, pins: &Pins<'_>, locks: Locks, breathe: &mut dyn FnMut()) -> Graph {
    let mut graph = Graph::new();
    let mut queues = Queues::new(locks);
    for process in 0..facts.processes.len() {
        if process % BREATH == 0 {
            breathe();
        }
        let waits = facts.waits(process);
        let wakes: Vec<_> = waits
            .iter()
            .map(|&wait| relation::wake(&mut graph, facts, pins, process as u32, wait, &mut queues))
            .collect();
        graph.add(wakes);
    }
    graph
}

impl Found {
    /// Looks for those who would be stuck if every guard were still with who took it, and are not proven. Nothing is done where nobody
    /// waits for a lock that is not followed.
    pub(super) fn look_for_likely(
        &mut self,
        pins: &Pins<'_>,
        scheduler: &Scheduler,
        breathe: &mut dyn FnMut(),
    ) {
        let facts = &self.facts;
        let is_open = |process: usize| {
            let mut waits = facts.waits(process).iter();
            !self.stuck[process] && waits.any(|wait| wait.kind == WaitKind::Lock)
        };
        if !(0..facts.processes.len()).any(is_open) {
            return;
        }
        let graph = graph(facts, pins, Locks::WhereTaken, breathe);
        let mut live = vec![false; graph.len()];
        let suspects = graph.stuck(&live, true);
        if suspects.contains(&true) {
            look_again(facts, pins, scheduler, &suspects, &mut live);
        }
        let stuck = graph.stuck(&live, true);
        self.likely = Some(Likely { graph, stuck });
    }
}

/// Marks everybody among the suspects of whom something changed.
fn look_again(
    facts: &Facts,
    pins: &Pins<'_>,
    scheduler: &Scheduler,
    suspects: &[bool],
    live: &mut [bool],
) {
    let suspect = |process: &usize| suspects[*process];
    // Whoever closed a cycle of calls may have parked, and not have refused one yet.
    let in_hand = (0..suspects.len())
        .filter(suspect)
        .any(|process| deadlock::is_in_hand(scheduler, facts.processes[process].id));
    if in_hand {
        for process in (0..suspects.len()).filter(suspect) {
            live[process] |= facts.processes[process].edge;
        }
    }
    // ORDERING: SeqCst fence: the counts above were read before the states below. An endpoint that was given up before it was counted
    // here was given up with Release after its holder used it, so a wake that came of that use is seen below.
    fence(Ordering::SeqCst);
    // For each mailbox that several share: whether those who were taken to have no call in hand have none, because they have not run.
    let mut free: HashMap<u64, bool, Fast> = HashMap::default();
    let mut ways: HashMap<u64, bool, Fast> = HashMap::default();
    for process in (0..suspects.len()).filter(suspect) {
        live[process] |= !rests(facts, scheduler, process);
        let calls = facts.waits(process).iter();
        for wait in calls.filter(|wait| wait.kind == WaitKind::Reply) {
            let mailbox = wait.object;
            let rest = || {
                relation::free_hands_rest(facts, pins, mailbox, |at| rests(facts, scheduler, at))
            };
            live[process] |= !*free.entry(mailbox).or_insert_with(rest);
        }
        // The ways to a lock were counted in one moment, and those who were lent one read in others before it.
        let locks = facts.waits(process).iter();
        for wait in locks.filter(|wait| wait.kind == WaitKind::Lock) {
            let rest =
                || relation::ways_rest(facts, pins, wait.object, |at| rests(facts, scheduler, at));
            live[process] |= !*ways.entry(wait.object).or_insert_with(rest);
        }
    }
}

/// Whether this process has not run since it was read.
fn rests(facts: &Facts, scheduler: &Scheduler, process: usize) -> bool {
    let parked = &facts.processes[process];
    let slot = scheduler.registry.slot(parked.id.index());
    let same = slot.and_then(|slot| {
        slot.peek(|id, _, task| id == parked.id && still_parked(slot, task, parked.seq))
    });
    same == Some(true)
}
