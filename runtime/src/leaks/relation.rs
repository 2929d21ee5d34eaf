//! The wake relation: who could end a wait. Every way in which a wait can end is a row of [`wake`]; a row that is missing would
//! be a false accusation, so whoever adds an operation that waits adds a row, or lets it wait for [`WaitKind::Other`].
//!
//! | wait | who could end it |
//! |---|---|
//! | to receive | who holds a sender (a message, or the last one dropped) or a weak one; while a message is out that was handed to somebody and not seen, who else receives there too, for it may come back |
//! | for the value of a `oneshot` | who has its sender, of which there is one |
//! | to send, for room | who holds a receiver; nobody is known if room was granted and not used, or if somebody waits for more room than one place |
//! | for a reply | who receives from the mailbox: the call is queued there, or handled there now. Of several who share a mailbox in which nothing is queued, those who wait for its next message have no call in hand; [`pass`](super::pass) looks at them again. Where the calls are passed on to the mailboxes of workers (a pool by key, say), all of these count, with who passes them on. A handler that answers with a `Reply` says [`waits_for_more`](crate::task::current::waits_for_more) |
//! | for the end of a process | that process; of a supervised child its present incarnation |
//! | for the end of a scope | all processes in it together |
//! | for its scope to stop | a forced stop |
//! | for a lock | who holds it, and who is ahead in the queue if enough is free; of a semaphore nobody is known, for its permits go anywhere |
//! | for a timer, a blocking job, a name, the caller to go, anything else | the outside |
//!
//! **What is known of a channel** is complete exactly if the endpoints that parked processes hold add up to those that exist: then
//! nobody else has one. A loose endpoint (by value, in an `Arc`, in a message, on a plain thread, of a process that runs) makes the
//! sum too small, and the answer is "outside". With the ways to a lock it is the same.
//!
//! **Who else receives** can let somebody go on by a message only that was handed to it, and that it has not looked at: what was looked
//! at never goes back. The channel counts both ([`Stats::unseen`](crate::channel::head::Stats::unseen)). If nothing is out and nothing
//! is queued at a moment at which everybody who could send is stuck, nothing ever will be: so then it does not matter how many share
//! a receiver, whether they live, and what they do with it.

use std::collections::HashMap;

use super::facts::{Channel, Facts, Fast, Held, Pins};
use super::search::{Graph, Wake};
use crate::task::ProcessId;
use crate::task::ports::Tie;
use crate::task::registry::WaitKind;
use crate::task::waits::Noted;

/// The strong senders, receivers and weak endpoints of a channel that exist, and those that parked processes hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ends {
    exist: [u64; 3],
    known: [u64; 3],
}

/// One side of a channel, by its place in the counts.
pub(super) const SENDERS: usize = 0;
pub(super) const RECEIVERS: usize = 1;
pub(super) const WEAK: usize = 2;

impl Ends {
    fn all_known(&self, side: usize) -> bool {
        self.exist[side] == self.known[side]
    }

    /// Whether everybody is known who could send, or drop a sender: when the last one goes, whoever drops it will wake the receivers, and
    /// that may be anybody.
    fn senders_are_known(&self) -> bool {
        self.exist[SENDERS] > 0 && self.all_known(SENDERS) && self.all_known(WEAK)
    }

    fn receivers_are_known(&self) -> bool {
        self.exist[RECEIVERS] > 0 && self.all_known(RECEIVERS)
    }
}

/// The channel with this number, if some parked process holds an endpoint of it.
pub(super) fn channel<'a>(facts: &Facts, pins: &'a Pins<'_>, object: u64) -> Option<Channel<'a>> {
    facts
        .holders(object)
        .iter()
        .find_map(|held| Channel::of(pins, held))
}

/// What is known of the ends of a channel at this moment.
fn ends(facts: &Facts, pins: &Pins<'_>, object: u64) -> Option<Ends> {
    let head = channel(facts, pins, object)?;
    Some(Ends {
        exist: head.endpoints(),
        known: facts.known(object),
    })
}

/// Whether everybody is known who could make room in a channel, or answer what was put into it.
fn is_served(facts: &Facts, pins: &Pins<'_>, wait: Noted) -> bool {
    let is_plain = || channel(facts, pins, wait.object).is_some_and(|channel| channel.is_plain());
    ends(facts, pins, wait.object).is_some_and(|ends| ends.receivers_are_known())
        && (wait.kind != WaitKind::Send || is_plain())
}

/// What is believed of a lock of which not all ways are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Locks {
    /// That its guards may be anywhere: what a proof needs.
    Known,
    /// That each guard is still with who took it: what is likely.
    WhereTaken,
}

/// The queues of locks, who answers the calls to a mailbox, and which channels are empty, each as it was at one moment of the pass.
#[derive(Debug)]
pub(super) struct Queues {
    locks: Locks,
    known: HashMap<u64, Option<Queue>, Fast>,
    /// Whether a channel has no message: none in it, and none out that was not looked at.
    empty: HashMap<u64, bool, Fast>,
    /// `None` where nobody looks again at those who were taken to have no call in hand.
    answering: Option<HashMap<u64, Option<Vec<u32>>, Fast>>,
}

/// Who is at a lock, as numbers of parked processes; `None` for anybody else.
#[derive(Debug)]
struct Queue {
    holders: Option<Vec<u32>>,
    /// With whether he waits for his turn only.
    waiting: Vec<(Option<u32>, bool)>,
    /// The first place of each process.
    places: HashMap<u32, usize, Fast>,
}

impl Queues {
    pub(super) fn new(locks: Locks) -> Self {
        Self {
            locks,
            known: HashMap::default(),
            empty: HashMap::default(),
            answering: Some(HashMap::default()),
        }
    }

    /// The same for who looks once: anybody who shares a mailbox may have any call to it in hand.
    pub(super) fn of_one_look(locks: Locks) -> Self {
        Self {
            answering: None,
            ..Self::new(locks)
        }
    }

    /// Who could answer a call that was put into this mailbox, whose receivers are known; `None` if others could.
    fn answering(&mut self, facts: &Facts, pins: &Pins<'_>, object: u64) -> Option<Vec<u32>> {
        match &mut self.answering {
            None => {
                let hands = hands(facts, pins, object)?;
                Some(each_once(hands.into_iter().map(|(process, _)| process)))
            }
            Some(known) => {
                let known = known.entry(object);
                known
                    .or_insert_with(|| answering(facts, pins, object))
                    .clone()
            }
        }
    }

    /// Whether no message is in a channel, and none is out that was not looked at: then none comes from those who receive there.
    fn is_empty(&mut self, facts: &Facts, pins: &Pins<'_>, object: u64) -> bool {
        let is_empty = || {
            channel(facts, pins, object).is_some_and(|channel| {
                let stats = channel.stats();
                stats.len == 0 && !stats.unseen
            })
        };
        *self.empty.entry(object).or_insert_with(is_empty)
    }

    /// The queue of a lock, if everybody is known who could have one of its guards.
    fn of(&mut self, facts: &Facts, pins: &Pins<'_>, object: u64) -> Option<&Queue> {
        let locks = self.locks;
        let known = self.known.entry(object);
        known
            .or_insert_with(|| Queue::read(facts, pins, object, locks))
            .as_ref()
    }
}

impl Queue {
    fn read(facts: &Facts, pins: &Pins<'_>, object: u64, locks: Locks) -> Option<Self> {
        let gate = pins.gate(object)?;
        // Every way to the lock belongs to a parked process that was lent it, so no guard is anywhere else; see `locks::gate`.
        let is_known = || {
            gate.paths()
                .is_some_and(|(address, paths)| paths == facts.known(address)[SENDERS])
        };
        // A permit is made to be given away, so who took one says little.
        let is_likely = || locks == Locks::WhereTaken && !gate.is_semaphore();
        if !is_known() && !is_likely() {
            return None;
        }
        let queue = gate.queue();
        let number = |id: Option<ProcessId>| facts.process(id?.raw());
        let waiting: Vec<_> = queue
            .waiting
            .iter()
            .map(|&(id, fits)| (number(id), fits))
            .collect();
        let mut places = HashMap::default();
        for (at, &(process, _)) in waiting.iter().enumerate() {
            if let Some(process) = process {
                places.entry(process).or_insert(at);
            }
        }
        Some(Self {
            holders: queue
                .holders
                .iter()
                .map(|one| number(one.process))
                .collect(),
            waiting,
            places,
        })
    }

    /// Who could let a process go on that waits here: who holds the lock; and if it waits for its turn only, who is next before it. Who
    /// is before that one could let that one go on, and this one by that. So a queue of `n` has `n` edges, and not `n²`.
    fn before(&self, process: u32) -> Option<Vec<u32>> {
        let at = *self.places.get(&process)?;
        let mut before = self.holders.clone()?;
        if self.waiting[at].1 && at > 0 {
            before.push(self.waiting[at - 1].0?);
        }
        before.sort_unstable();
        before.dedup();
        Some(before)
    }
}

/// Whether all who were lent a way to this lock rest.
pub(super) fn ways_rest(
    facts: &Facts,
    pins: &Pins<'_>,
    object: u64,
    rests: impl Fn(usize) -> bool,
) -> bool {
    let paths = pins.gate(object).and_then(|gate| gate.paths());
    paths.is_none_or(|(address, _)| {
        let mut ways = facts.holders(address).iter();
        ways.all(|held| rests(held.by as usize))
    })
}

fn each_once(processes: impl Iterator<Item = u32>) -> Vec<u32> {
    let mut processes: Vec<_> = processes.collect();
    processes.sort_unstable();
    processes.dedup();
    processes
}

/// In whose hands a call may be that was put into a mailbox, each with the mailbox from which it takes calls: those who receive there; if
/// calls are passed on, also those who receive from where they are passed to, if these are known.
fn hands(facts: &Facts, pins: &Pins<'_>, object: u64) -> Option<Vec<(u32, u64)>> {
    let of = |object: u64| facts.receivers(object).map(move |held| (held.by, object));
    let mut hands: Vec<_> = of(object).collect();
    for mailbox in facts.passed_to(object).unwrap_or_default() {
        let ends = ends(facts, pins, mailbox)?;
        // Of a worker that has ended there is no receiver, and what was in it was answered.
        if !ends.all_known(RECEIVERS) {
            return None;
        }
        hands.extend(of(mailbox));
    }
    Some(hands)
}

/// Who could answer a call that was put into this mailbox, if all who receive there are known.
fn answering(facts: &Facts, pins: &Pins<'_>, object: u64) -> Option<Vec<u32>> {
    let hands = hands(facts, pins, object)?;
    let all = each_once(hands.iter().map(|&(process, _)| process));
    if all.len() < 2 {
        return Some(all);
    }
    let mut queued: HashMap<u64, bool, Fast> = HashMap::default();
    let mut is_queued = |mailbox: u64| {
        let is_queued =
            || channel(facts, pins, mailbox).is_none_or(|mailbox| mailbox.stats().len > 0);
        *queued.entry(mailbox).or_insert_with(is_queued)
    };
    let busy = hands
        .iter()
        .filter(|&&(process, mailbox)| !facts.is_free_for(process, mailbox) || is_queued(mailbox));
    let busy = each_once(busy.map(|&(process, _)| process));
    Some(if busy.is_empty() { all } else { busy })
}

/// Whether all rest who might have a call to this mailbox in hand, and were taken to have none, because they wait for the next one.
pub(super) fn free_hands_rest(
    facts: &Facts,
    pins: &Pins<'_>,
    object: u64,
    rests: impl Fn(usize) -> bool,
) -> bool {
    // If it is not known any more who they are, one has gone.
    hands(facts, pins, object).is_some_and(|hands| {
        let mut free = hands
            .iter()
            .filter(|&&(process, mailbox)| facts.is_free_for(process, mailbox));
        free.all(|&(process, _)| rests(process as usize))
    })
}

/// Who can end this wait of a process.
pub(super) fn wake(
    graph: &mut Graph,
    facts: &Facts,
    pins: &Pins<'_>,
    process: u32,
    wait: Noted,
    queues: &mut Queues,
) -> Wake {
    let object = wait.object;
    match wait.kind {
        WaitKind::Recv => match ends(facts, pins, object) {
            Some(ends) if ends.senders_are_known() => {
                let is_empty = queues.is_empty(facts, pins, object);
                if !is_empty && !ends.all_known(RECEIVERS) {
                    return Wake::Outside;
                }
                if let Some(first) = facts.first_in_line(object).filter(|&first| first != process) {
                    return Wake::Any(graph.group([first]));
                }
                let others = |held: &&Held| match held.port.tie() {
                    Tie::Sender | Tie::Weak => true,
                    // With a weak sender in its context.
                    Tie::Mailbox | Tie::Kept => held.by != process,
                    Tie::Receiver => !is_empty && held.by != process,
                    Tie::Feeds | Tie::Fed | Tie::Lock => false,
                };
                any(graph, facts.holders(object).iter().filter(others))
            }
            _ => match facts.oneshot(object) {
                Some((sender, _)) => Wake::Any(graph.group([sender])),
                None => Wake::Outside,
            },
        },
        WaitKind::Send if is_served(facts, pins, wait) => any(graph, facts.receivers(object)),
        WaitKind::Reply if is_served(facts, pins, wait) => {
            match queues.answering(facts, pins, object) {
                Some(answering) => Wake::Any(graph.group(answering)),
                None => Wake::Outside,
            }
        }
        WaitKind::Send | WaitKind::Reply => Wake::Outside,
        WaitKind::Join => match facts.process(object) {
            Some(awaited) => Wake::Any(graph.group([awaited])),
            None => Wake::Outside,
        },
        WaitKind::Scope => {
            let within = facts.within(object).iter().copied();
            Wake::All(graph.group(within))
        }
        WaitKind::Stopping => Wake::Stop,
        WaitKind::Lock => {
            let queue = queues.of(facts, pins, object);
            let before = queue.and_then(|queue| queue.before(process));
            before.map_or(Wake::Outside, |before| Wake::Any(graph.group(before)))
        }
        WaitKind::Other
        | WaitKind::Name
        | WaitKind::Caller
        | WaitKind::Timer
        | WaitKind::Blocking
        // Only the arms of a `select!` are waits.
        | WaitKind::Select => Wake::Outside,
    }
}

fn any<'a>(graph: &mut Graph, holders: impl Iterator<Item = &'a Held>) -> Wake {
    let mut holders: Vec<_> = holders.map(|held| held.by).collect();
    holders.sort_unstable();
    holders.dedup();
    Wake::Any(graph.group(holders))
}
