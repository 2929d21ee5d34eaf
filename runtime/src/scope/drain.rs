//! Who sees the end of its input while a scope stops.
//!
//! A stage ends by itself when its last sender is gone, and most do. What is left are processes that feed each other, and inputs
//! whose senders lie where nobody uses them any more. They are found out when nothing moves: two looks show every process of
//! the scope parked, and each waits for something that only another process of the scope could do: a message, room in a channel, a
//! lock, a reply, an end. The scope is the outermost one that stops, with all that lies inside: a pool is a scope, and what a stage
//! around it still has for it must reach it. Then nobody can send, so those that nobody feeds are told that their input is over; they end, drain into
//! the next stage, and so on. When nobody is left to be told, those that wait for each other in a circle hold up the stop, and are
//! dropped without waiting for the grace (`leaks::knot` says who).
//!
//! Of a lock it is known who asked for what is taken. Of a full channel it is known who receives there if all of its receivers are
//! ports of processes of the scope; a receiver that somebody owns and was not lent may be anywhere.
//!
//! Room that was granted and not used yet holds back the end of its channel, as what is queued there does; not for ever, for whoever
//! has it may not mean to use it.
//!
//! Supervised children are told by their supervisor. One that was not told to stop yet waits for its turn, so that what it
//! waits for beside (a timer, say) is no reason to wait longer for the others.
//!
//! Who waits for an input for a while only (`recv().within(..)`, a timer beside it) looks up from time to time, and may then feed others
//! of whom that is not known: so as long as there are such, and otherwise nothing moves, they are told before those of whom nobody knows
//! who feeds them. If they feed each other, through whomever, one may hold what is to be tried again later: they have half of the grace.
//! Then one kind of them is told, and also, whoever moves, those that nobody is known to feed: what they still hold they can pass on.
//!
//! Who feeds whom: a port that was lent to a process is known; for any other sender, who sent last is what is known. One that a process
//! owns and has not used yet is not: its owner may use it when its own input is over. So those see it first, all together, whose one
//! sender is somebody's outside, and the others one kind after another: those whose input was used before, and by nobody who is left
//! ([`Evidence`]), and then those whose input was never used, which may be waiting for what the others pass on. If all seem to be fed by somebody, the rules
//! of [`next_to_end`] choose.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use crate::scope::ScopeInner;
use crate::scope::look::Seen;
use crate::supervise::Event;
use crate::task::ports::Port;
use crate::task::registry::{ProcessId, WaitKind};

/// What two looks show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    /// Something moves, or may.
    Moving,
    /// Nothing did, and some were told that their input is over.
    Told,
    /// Nothing moves, and there is nobody to be told.
    Halted,
}

/// What a stop still waits for.
#[derive(Debug)]
pub(super) struct Patience {
    /// Room that was granted.
    pub(super) for_room: bool,
    /// Those who look up from their input, and may feed others then.
    pub(super) for_lookers: bool,
}

/// Tells those processes that their input is over who can be told, as two looks show.
///
/// `scope` is the outermost one that stops.
pub(super) fn end_inputs(
    scope: &ScopeInner,
    before: &[Arc<Seen>],
    now: &[Arc<Seen>],
    patience: &Patience,
) -> Shown {
    let inside = Inside::of(scope, now);
    let parked = Parked::of(before);
    let is_still = inside.is_quiet(&parked);
    let only_looks_up = is_still || inside.only_looks_up(&parked);
    if !only_looks_up && patience.for_lookers {
        return Shown::Moving;
    }
    let granted = match patience.for_room {
        true => granted(scope, now),
        false => HashSet::new(),
    };
    let told = match (is_still, only_looks_up) {
        (true, _) => next_to_end(&inside, &granted),
        (false, true) => looking_up(&inside, &granted, patience),
        (false, false) => beside_others(&inside, &granted, &parked),
    };
    let mut children: BTreeMap<u64, (&ScopeInner, Vec<_>)> = BTreeMap::new();
    for process in &told {
        match (process.place(), process.input()) {
            (Some((own, key)), input) => {
                let (_, of_scope) = children.entry(own.id).or_insert((own, Vec::new()));
                of_scope.push((key, input));
            }
            (None, Some(input)) => process.task.end_input(input),
            (None, None) => {}
        }
    }
    for (own, children) in children.into_values() {
        if let Some(supervisor) = own.supervisor.get() {
            supervisor.tell(Event::End(children));
        }
    }
    match (told.is_empty(), is_still) {
        (false, _) => Shown::Told,
        (true, true) => Shown::Halted,
        (true, false) => Shown::Moving,
    }
}

/// Whether nothing moved between two looks, and nothing will, unless somebody outside of the scope does something.
pub(super) fn is_quiet(scope: &ScopeInner, before: &[Arc<Seen>], now: &[Arc<Seen>]) -> bool {
    Inside::of(scope, now).is_quiet(&Parked::of(before))
}

/// What the look before showed.
struct Parked {
    /// Who was parked, with which `seq`.
    seq: HashMap<ProcessId, u64>,
    /// How many there were, parked or not.
    count: usize,
}

impl Parked {
    fn of(before: &[Arc<Seen>]) -> Self {
        let parked = |process: &Arc<Seen>| Some((process.id, process.parked_at?));
        Self {
            seq: before.iter().filter_map(parked).collect(),
            count: before.len(),
        }
    }

    /// Whether a process is parked, and was not polled between the looks.
    fn still(&self, process: &Seen) -> bool {
        process.parked_at.is_some() && self.seq.get(&process.id).copied() == process.parked_at
    }

    /// Whether a process is parked, and was at the look before.
    fn knows(&self, process: &Seen) -> bool {
        process.parked_at.is_some() && self.seq.contains_key(&process.id)
    }
}

/// What is known to belong to the scope.
struct Inside<'a> {
    scope: &'a ScopeInner,
    processes: &'a [Arc<Seen>],
    ids: HashSet<u64>,
    /// The channels that its processes are parked on to receive, and the mailboxes of those that are parked in a handler.
    received: HashSet<u64>,
    /// The channels that some of them wait to send into, and that nobody outside receives from.
    kept: HashSet<u64>,
}

impl<'a> Inside<'a> {
    fn of(scope: &'a ScopeInner, processes: &'a [Arc<Seen>]) -> Self {
        let receiving = processes
            .iter()
            .filter(|process| process.kind == WaitKind::Recv)
            .map(|process| process.object);
        let mailboxes = processes
            .iter()
            .filter_map(|process| process.ports.mailbox());
        // Who waits for a supervised child waits for its task, not for an incarnation.
        let whole = |process: &Arc<Seen>| Some(process.task.lineage()?.whole()?.id().raw());
        let own = processes.iter().map(|process| process.id.raw());
        Self {
            scope,
            kept: kept(scope, processes),
            processes,
            ids: own.chain(processes.iter().filter_map(whole)).collect(),
            received: receiving.chain(mailboxes.map(Port::object)).collect(),
        }
    }

    /// Whether nothing moved since the look before, and nothing will by itself.
    fn is_quiet(&self, parked: &Parked) -> bool {
        let now = self.processes;
        !now.is_empty()
            && now.len() == parked.count
            && now.iter().all(|process| self.rests(process, parked))
    }

    /// The same, but for those who look up from their input from time to time.
    fn only_looks_up(&self, parked: &Parked) -> bool {
        self.processes.iter().all(|process| {
            process.looks_up() && parked.knows(process) || self.rests(process, parked)
        })
    }

    /// Whether a process did not move since the look before, and does not by itself.
    fn rests(&self, process: &Seen, parked: &Parked) -> bool {
        parked.still(process) && (self.awaits(process) || process.waits_for_its_turn())
    }

    /// Whether a process waits for nothing but what a process of the scope could do: what is not known to lie inside counts
    /// as outside, where anything may happen at any time.
    fn awaits(&self, process: &Seen) -> bool {
        use WaitKind as K;
        const INPUTS: u16 = K::Recv.bit() | K::Stopping.bit();
        match process.kinds {
            kinds if kinds & !INPUTS == 0 && kinds & K::Recv.bit() != 0 => true,
            kinds if kinds == K::Join.bit() && self.ids.contains(&process.object) => true,
            // It sees the end of its input first, if it has one, and then waits for the ends alone.
            kinds if kinds & !(INPUTS | K::Join.bit()) == 0 && kinds & K::Join.bit() != 0 => {
                process.is_between || self.are_inside(process.joined.as_deref())
            }
            // The one who is called waits for its next message and keeps the reply for later, or waits in its handler.
            kinds if kinds == K::Reply.bit() => self.received.contains(&process.object),
            kinds if kinds == K::Scope.bit() => self
                .processes
                .iter()
                .any(|other| other.task.is_within(process.object)),
            // Who receives there has something else to do first, and then either comes back or ends.
            kinds if kinds == K::Send.bit() => self.kept.contains(&process.object),
            kinds if kinds == K::Lock.bit() => self.before(process).is_some_and(|before| {
                !before.is_empty() && before.iter().all(|id| self.ids.contains(&id.raw()))
            }),
            _ => false,
        }
    }

    /// The processes whose input may end: they wait to receive, for a while or for as long as it takes, were not told yet, and wait for no
    /// channel in which room was `granted`.
    fn open(&self, granted: &HashSet<u64>) -> Vec<&'a Arc<Seen>> {
        let open = self.processes.iter().filter(|process| {
            let may = process.may_end() && !process.was_told();
            let has_room = process.awaits().iter().any(|input| granted.contains(input));
            may && (process.looks_up() || process.receives()) && !has_room
        });
        open.collect()
    }

    fn are_inside(&self, processes: Option<&[u64]>) -> bool {
        processes.is_some_and(|ids| ids.iter().all(|id| self.ids.contains(id)))
    }

    /// Who holds the lock that a process waits for, or will have it before.
    fn before(&self, process: &Seen) -> Option<Vec<ProcessId>> {
        let gate = self.scope.system.scheduler.gates.get(process.object)?;
        gate.before(process.id)
    }

    /// The processes that others wait for before they can send, or go on with a lock.
    fn awaited(&self) -> HashSet<ProcessId> {
        let locks = self
            .processes
            .iter()
            .filter(|process| process.kinds == WaitKind::Lock.bit())
            .filter_map(|process| self.before(process));
        let mut awaited: HashSet<ProcessId> = locks.flatten().collect();
        let receivers = self.processes.iter().filter(|process| {
            let mut ports = process.ports.iter();
            ports.any(|port| port.tie().weights()[1] > 0 && self.kept.contains(&port.object()))
        });
        awaited.extend(receivers.map(|process| process.id));
        awaited
    }
}

/// The channels that processes wait to send into, as far as all of their receivers are ports of these processes.
fn kept(scope: &ScopeInner, processes: &[Arc<Seen>]) -> HashSet<u64> {
    let wanted: HashSet<u64> = processes
        .iter()
        .filter(|process| process.kinds == WaitKind::Send.bit())
        .map(|process| process.object)
        .collect();
    let mut kept = HashSet::new();
    if wanted.is_empty() {
        return kept;
    }
    // What several processes own together counts once.
    let mut shared = HashSet::new();
    let mut known: HashMap<u64, u64> = HashMap::new();
    for process in processes {
        let owners = process.ports.owners();
        for port in process.ports.iter() {
            if wanted.contains(&port.object()) && (owners == 0 || shared.insert((owners, port))) {
                *known.entry(port.object()).or_default() += port.tie().weights()[1];
            }
        }
    }
    for remote in scope.system.scheduler.active_remotes() {
        remote.channels.receivers(&wanted, |object, exist| {
            if known.get(&object).is_some_and(|&known| known >= exist) {
                kept.insert(object);
            }
        });
    }
    kept
}

/// The channels that processes wait to receive from, and in which room was granted and not used.
fn granted(scope: &ScopeInner, processes: &[Arc<Seen>]) -> HashSet<u64> {
    let wanted: HashSet<u64> = processes
        .iter()
        .flat_map(|process| process.awaits())
        .collect();
    let mut granted = HashSet::new();
    for remote in scope.system.scheduler.active_remotes() {
        remote.channels.granted(&wanted, |object| {
            granted.insert(object);
        });
    }
    granted
}

/// Of processes that are all parked, those whose input ends now:
/// 1. one kind, or all whose one sender is somebody's outside, of those that wait to receive, and that no other one is known to feed, by the [`Evidence`] for that; if others wait for
///    some of them, to send or for a lock, these first, because what the others do then is not known; those that wait for several things
///    at once last;
/// 2. if there are none, children that wait for their turn to stop, and not for an input;
/// 3. if there are none, children on a thread of their own, of which nobody knows what they wait for;
/// 4. if all feed each other, the kind that was spawned last.
///
/// None of them waits for a channel in which room was `granted`.
fn next_to_end<'a>(inside: &Inside<'a>, granted: &HashSet<u64>) -> Vec<&'a Arc<Seen>> {
    let now = inside.processes;
    let open = inside.open(granted);
    let feeders = Feeders::of(inside.scope, now);
    let unfed = first_kind(inside, &feeders, &open);
    if !unfed.is_empty() {
        return unfed;
    }
    for on_thread in [false, true] {
        let held: Vec<_> = now
            .iter()
            .filter(|process| {
                process.is_held()
                    && process.place().is_some()
                    && !process.receives()
                    && (process.kind == WaitKind::Blocking) == on_thread
            })
            .collect();
        if !held.is_empty() {
            return held;
        }
    }
    let (plain, children): (Vec<_>, Vec<_>) = open
        .into_iter()
        .partition(|process| process.task.lineage().is_none());
    if plain.is_empty() {
        let last = |process: &&Arc<Seen>| process.place().map(|(own, key)| (own.id, key));
        return Vec::from_iter(children.into_iter().max_by_key(last));
    }
    last_kind(plain)
}

/// As long as some look up from their input from time to time, and may feed others then: one kind of those that no other process is known to
/// feed, but of who rests only those with the best evidence, and later with some. If there are none, and it was waited long enough, the
/// last kind of those that look up.
fn looking_up<'a>(
    inside: &Inside<'a>,
    granted: &HashSet<u64>,
    patience: &Patience,
) -> Vec<&'a Arc<Seen>> {
    let feeders = Feeders::of(inside.scope, inside.processes);
    let mut open = inside.open(granted);
    let least = match patience.for_lookers {
        true => Evidence::Sole,
        false => Evidence::Some,
    };
    let is_unfed = |evidence| evidence <= least;
    open.retain(|process| process.looks_up() || feeders.evidence(process).is_some_and(is_unfed));
    let unfed = first_kind(inside, &feeders, &open);
    if !unfed.is_empty() || patience.for_lookers {
        return unfed;
    }
    open.retain(|process| process.looks_up());
    last_kind(open)
}

/// While others move, and it was waited long enough: one kind of those that look up from their input, that no other process is known to feed,
/// and of whose input that is more than a guess.
fn beside_others<'a>(
    inside: &Inside<'a>,
    granted: &HashSet<u64>,
    parked: &Parked,
) -> Vec<&'a Arc<Seen>> {
    let feeders = Feeders::of(inside.scope, inside.processes);
    let mut open = inside.open(granted);
    open.retain(|process| {
        let evidence = feeders.evidence(process);
        process.looks_up()
            && parked.knows(process)
            && evidence.is_some_and(|evidence| evidence <= Evidence::All)
    });
    first_kind(inside, &feeders, &open)
}

/// Of those whose input may end, one kind that no other process is known to feed, that with the best evidence; or all with
/// [`Evidence::Sole`].
fn first_kind<'a>(
    inside: &Inside<'a>,
    feeders: &Feeders,
    open: &[&'a Arc<Seen>],
) -> Vec<&'a Arc<Seen>> {
    let awaited = inside.awaited();
    let unfed = open.iter().filter_map(|process| {
        let evidence = feeders.evidence(process)?;
        let selects = process.kind == WaitKind::Select;
        let rank = (
            evidence,
            !process.looks_up(),
            !awaited.contains(&process.id),
            selects,
        );
        Some((rank, *process))
    });
    let unfed: Vec<_> = unfed.collect();
    let Some(first) = unfed.iter().map(|(rank, _)| *rank).min() else {
        return Vec::new();
    };
    let is_sole = first.0 == Evidence::Sole;
    let of_first = unfed.into_iter().filter(|(rank, _)| match is_sole {
        // They feed each other as little as others feed them, and what they do at their end may take long.
        true => (rank.0, rank.2) == (first.0, first.2),
        false => *rank == first,
    });
    let of_first = of_first.map(|(_, process)| process).collect();
    match is_sole {
        true => of_first,
        false => last_kind(of_first),
    }
}

/// The kind that was spawned last: it was made with what leads to the others. Supervised children are of one kind, for their supervisor
/// tells them one after another.
fn last_kind(mut open: Vec<&Arc<Seen>>) -> Vec<&Arc<Seen>> {
    let Some(&last) = open
        .iter()
        .max_by_key(|process| (process.born_ms, process.id))
    else {
        return open;
    };
    let is_child = |process: &Arc<Seen>| process.task.lineage().is_some();
    open.retain(|process| match (process.site, last.site) {
        _ if is_child(process) || is_child(last) => is_child(process) && is_child(last),
        (Some(one), Some(other)) => std::ptr::eq(one, other),
        _ => process.id == last.id,
    });
    open
}

impl Seen {
    /// What is held without being a child of a scope that stops ends with the child that it belongs to.
    fn may_end(&self) -> bool {
        match self.task.lineage() {
            None => !self.is_held(),
            Some(_) => self.place().is_some(),
        }
    }

    /// Whether it waits for an input, and for that not longer than a while: what it does when the time is over is not known.
    fn looks_up(&self) -> bool {
        use WaitKind as K;
        let others = self.kinds & !(K::Recv.bit() | K::Stopping.bit() | K::Select.bit());
        others == K::Timer.bit() && self.kinds & K::Recv.bit() != 0
    }

    /// All that it waits to receive from.
    fn awaits(&self) -> Vec<u64> {
        match self.inputs.is_empty() {
            true => vec![self.object],
            false => self.inputs.clone(),
        }
    }

    /// The input whose end it is shown, zero for all of them; `None` if it waits for none.
    fn input(&self) -> Option<u64> {
        match self.kind {
            WaitKind::Recv => Some(self.object),
            WaitKind::Select | WaitKind::Blocking => Some(0),
            _ if self.looks_up() => Some(0),
            _ => None,
        }
    }

    /// Whether it only waits to be told to stop, as far as it is known: not for what somebody else is about to do for it.
    fn waits_for_its_turn(&self) -> bool {
        use WaitKind as K;
        const DEEDS: u16 =
            K::Send.bit() | K::Reply.bit() | K::Join.bit() | K::Lock.bit() | K::Scope.bit();
        self.is_held() && (self.kinds == 0 || self.kinds & !DEEDS != 0)
    }
}

/// Which processes feed which channel.
struct Feeders {
    by: HashMap<u64, Feeder>,
    /// The channels that something was sent to, and whether it is known who has the one sender that there is: who has used it.
    used: HashMap<u64, bool>,
}

#[derive(Debug, Clone, Copy)]
enum Feeder {
    One(ProcessId),
    Several,
}

/// What speaks for it that nobody in the scope feeds a process, if nobody is known to: all of its inputs, or some, were used before, and
/// who sent there last is not in the scope, or has ended. If that was somebody who lives, or a plain thread, and there is one sender
/// only, it is theirs. The best comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evidence {
    Sole,
    All,
    Some,
    Nothing,
}

impl Feeders {
    fn of(scope: &ScopeInner, now: &[Arc<Seen>]) -> Self {
        let mut feeders = Self {
            by: HashMap::new(),
            used: HashMap::new(),
        };
        for process in now {
            for object in process.ports.senders() {
                feeders.add(object, process.id);
            }
        }
        let tasks: HashMap<usize, ProcessId> = now
            .iter()
            .map(|process| (process.task.header().addr().get(), process.id))
            .collect();
        // The channels with one sender, by who used it: a task of which it is to be found out whether it lives.
        let mut sole: HashMap<usize, Vec<u64>> = HashMap::new();
        let awaited: HashSet<u64> = now.iter().flat_map(|process| process.awaits()).collect();
        for remote in scope.system.scheduler.active_remotes() {
            let channels = &remote.channels;
            channels.last_senders(&awaited, |object, sender, senders| {
                let Some(sender) = sender else { return };
                if let Some(&process) = tasks.get(&sender) {
                    feeders.add(object, process);
                }
                feeders.used.insert(object, senders < 2 && sender == 0);
                if senders < 2 && sender != 0 && !tasks.contains_key(&sender) {
                    sole.entry(sender).or_default().push(object);
                }
            });
        }
        feeders.know(scope, &sole);
        feeders
    }

    /// Notes which of these channels are used by somebody who lives, if that is found out in no time.
    fn know(&mut self, scope: &ScopeInner, sole: &HashMap<usize, Vec<u64>>) {
        const MOST: u32 = 1 << 16;
        let registry = &scope.system.scheduler.registry;
        let slots = registry.used();
        if sole.is_empty() || slots > MOST {
            return;
        }
        registry.visit(
            0,
            slots,
            |_| true,
            |_, _, _, task| {
                for object in sole.get(&task.header().addr().get()).into_iter().flatten() {
                    self.used.insert(*object, true);
                }
            },
        );
    }

    fn add(&mut self, object: u64, process: ProcessId) {
        self.by
            .entry(object)
            .and_modify(|feeder| {
                if !matches!(feeder, Feeder::One(known) if *known == process) {
                    *feeder = Feeder::Several;
                }
            })
            .or_insert(Feeder::One(process));
    }

    /// `None` if a process other than itself is known to feed what this one waits for.
    fn evidence(&self, process: &Seen) -> Option<Evidence> {
        let is_fed = |input: &u64| match self.by.get(input) {
            None => false,
            Some(Feeder::One(feeder)) => *feeder != process.id,
            Some(Feeder::Several) => true,
        };
        let inputs = process.awaits();
        if inputs.iter().any(is_fed) {
            return None;
        }
        let senders: Vec<_> = inputs
            .iter()
            .filter_map(|input| self.used.get(input))
            .collect();
        Some(match senders.len() {
            0 => Evidence::Nothing,
            some if some < inputs.len() => Evidence::Some,
            _ if senders.iter().all(|is_sole| **is_sole) => Evidence::Sole,
            _ => Evidence::All,
        })
    }
}
