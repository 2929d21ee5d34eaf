//! What a pass reads: parked processes, what they wait for, and which endpoints they hold.
//!
//! Nobody is paused. A process is read under the lock of its slot, which the pass only tries, and counts if its state and its `seq`
//! were the same before and after. The channels of its ports are alive then, and their memory is kept until the pass ends
//! ([`Pins`]), so the pass may follow the pointers later; it never follows the number of a wait, which may be an old one.
//!
//! Processes that wait for something outside are passed over as early as possible: in a healthy system with a million of them
//! nothing is read but their lines of counters.

#![expect(
    unsafe_code,
    reason = "follows ports of processes that were parked when the channels were pinned"
)]

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::marker::PhantomData;
use std::ops::Range;
use std::panic::Location;
use std::ptr::NonNull;
use std::sync::Arc;

use super::verdict::place_of_wait;
use crate::channel::head::{Head, Stats};
use crate::channel::overdue::Overdue;
use crate::locks::Gate;
use crate::observe::ChannelKind;
use crate::scheduler::Scheduler;
use crate::scope::ScopeInner;
use crate::sync::{Ordering, fence};
use crate::task::ProcessId;
use crate::task::cell::Header;
use crate::task::current::{BETWEEN, CALLS, CYCLE, ENDED, KINDS, SET, STOPPING, UNKNOWN};
use crate::task::ports::{Port, Tie};
use crate::task::registry::{About, Line, Slot, WaitKind};
use crate::task::waits::Noted;

/// Waits that somebody outside may end at any time.
const OUTSIDE: u16 =
    WaitKind::Other.bit() | WaitKind::Timer.bit() | WaitKind::Blocking.bit() | UNKNOWN;

/// Which processes a pass is about.
#[derive(Debug, Clone, Copy)]
pub(super) enum Whom {
    /// Those that no stop has reached.
    LeftAlone {
        /// The body of `main`.
        entry: Option<ProcessId>,
    },
    /// Those inside of the scope with this number, which stops. What the stop can do for them counts as the outside.
    Stopping(u64),
}

impl Whom {
    /// The waits that are no business of the pass.
    fn outside(self) -> u16 {
        match self {
            Self::LeftAlone { .. } => OUTSIDE,
            Self::Stopping(_) => OUTSIDE | WaitKind::Recv.bit() | WaitKind::Stopping.bit(),
        }
    }

    fn entry(self) -> Option<ProcessId> {
        match self {
            Self::LeftAlone { entry } => entry,
            Self::Stopping(_) => None,
        }
    }

    fn means(self, slot: &Slot, task: &Header) -> bool {
        match self {
            Self::LeftAlone { .. } => is_left_alone(slot, task),
            Self::Stopping(scope) => task.is_within(scope),
        }
    }
}

/// Slots that are read between two breaths: a fraction of a millisecond.
pub(super) const BREATH: usize = 8192;

/// A parked process that might be stuck.
#[derive(Debug)]
pub(super) struct Parked {
    pub(super) id: ProcessId,
    /// Its number of polls: the same later means that it has not run.
    pub(super) seq: u64,
    pub(super) kinds: u16,
    /// It waits for one other process: whoever parks last in a cycle of those may refuse a call of it.
    pub(super) edge: bool,
    /// It is a struct in the middle of a handler, and its ports are as they were before.
    pub(super) handles: bool,
    /// It passes on what it receives, to those whose senders it holds.
    pub(super) routes: bool,
    /// Since when it is parked, on the coarse clock.
    pub(super) since_ms: u32,
    /// Where it waits: see `place_of_wait`.
    pub(super) asked: u32,
    waits: Range<u32>,
}

/// An endpoint that a parked process holds, alone or together with others.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub(super) port: Port,
    /// The number of the process in [`Facts::processes`].
    pub(super) by: u32,
    /// How many own it together, parked or not.
    of: u32,
    /// Not zero: the same endpoint as in other entries with this number and port.
    owners: usize,
}

/// Who holds endpoints of a channel.
#[derive(Debug)]
struct Side {
    /// In [`Facts::held`].
    range: Range<u32>,
    /// How many these are: see [`Facts::known`].
    known: [u64; 3],
}

/// Of a channel that more hold, one of those who wait to receive there stands for all.
const LONG: usize = 64;

/// Everything that one pass has read.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) processes: Vec<Parked>,
    waits: Vec<Noted>,
    /// Sorted by channel.
    held: Vec<Held>,
    of_channel: HashMap<u64, Side, Fast>,
    /// Of channels that many hold: one who waits to receive there, and whether it waits for nothing else.
    firsts: HashMap<u64, Option<(u32, bool)>, Fast>,
    of_id: HashMap<u64, u32, Fast>,
    /// The parked processes inside of each scope that somebody waits for.
    of_scope: HashMap<u64, Vec<u32>, Fast>,
    /// Each `oneshot` that somebody waits for, and whose sender is known: who has that, and where the channel was made.
    oneshots: HashMap<u64, (u32, &'static Location<'static>), Fast>,
}

/// A hasher for numbers that are addresses or ids (Fibonacci hashing, Knuth, *The Art of Computer Programming* 6.4).
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Mix(u64);

pub(super) type Fast = BuildHasherDefault<Mix>;

impl Hasher for Mix {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(byte.into()));
    }

    fn write_u64(&mut self, number: u64) {
        let mixed = (self.0 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

/// Keeps the memory of the channels of a system, until it is dropped.
#[derive(Debug)]
pub(super) struct Pins<'a>(&'a Scheduler);

impl<'a> Pins<'a> {
    pub(super) fn new(scheduler: &'a Scheduler) -> Self {
        scheduler
            .remotes
            .iter()
            .for_each(|remote| remote.channels.pin());
        Self(scheduler)
    }
}

impl Pins<'_> {
    /// The gate of a lock that some process was lent.
    pub(super) fn gate(&self, number: u64) -> Option<Arc<Gate>> {
        self.0.gates.get(number)
    }
}

impl Drop for Pins<'_> {
    fn drop(&mut self) {
        self.0
            .remotes
            .iter()
            .for_each(|remote| remote.channels.unpin());
    }
}

/// Whether a process waits for something that only another process could bring about, as its line says.
fn may_be_stuck(slot: &Slot, whom: Whom, fed: &HashSet<u64, Fast>) -> bool {
    // ORDERING: see `registry::Line`; what is read here only saves a closer look.
    let word = slot.line.wait.load(Ordering::Relaxed);
    let kinds = (word >> 16) as u16;
    if !slot.is_used() || kinds & whom.outside() != 0 {
        return false;
    }
    // The runtime's own processes wait for anything at all.
    if slot.scope_bits() == 0 && Some(slot.id()) != whom.entry() {
        return false;
    }
    let kind = WaitKind::from_u8((word >> 8) as u8);
    if kind == WaitKind::Recv && word & Line::NOTED == 1 {
        // ORDERING: as above.
        return fed.contains(&slot.line.object.load(Ordering::Relaxed));
    }
    true
}

/// Whether a deadlock is possible: nobody waits for something outside, as far as the lines say.
pub(super) fn may_all_be_stuck(scheduler: &Scheduler, entry: Option<ProcessId>) -> bool {
    scheduler.registry.slots().all(|slot| {
        let of_user = slot.is_used() && (slot.scope_bits() != 0 || Some(slot.id()) == entry);
        // ORDERING: see `registry::Line`; what is read here only saves a closer look.
        let kinds = (slot.line.wait.load(Ordering::Relaxed) >> 16) as u16;
        !of_user || kinds & OUTSIDE == 0 || slot.look(|_, _, _| ()).is_none()
    })
}

impl Facts {
    /// Reads what is parked now.
    pub(super) fn collect(
        _pins: &Pins<'_>,
        scheduler: &Scheduler,
        whom: Whom,
        breathe: &mut dyn FnMut(),
    ) -> Self {
        let mut facts = Self::default();
        let fed = match whom {
            Whom::LeftAlone { .. } => fed(scheduler, breathe),
            Whom::Stopping(_) => HashSet::default(),
        };
        for (at, slot) in scheduler.registry.slots().enumerate() {
            if at % BREATH == 0 {
                breathe();
            }
            if may_be_stuck(slot, whom, &fed) {
                facts.read(scheduler, slot, whom);
            }
        }
        facts.sort();
        facts.find_oneshots(scheduler);
        facts.find_scopes(scheduler, breathe);
        facts
    }

    fn read(&mut self, scheduler: &Scheduler, slot: &Slot, whom: Whom) {
        let waits = self.waits.len();
        let read = slot.peek(|id, about, task| {
            let line = &slot.line;
            // ORDERING: Acquire: see `registry::Line`.
            let seq = line.seq.load(Ordering::Acquire);
            if !task.state.is_at_rest() || !whom.means(slot, task) {
                return None;
            }
            // ORDERING: Relaxed: see `registry::Line`; a change shows in `seq`.
            let word = line.wait.load(Ordering::Relaxed);
            scheduler.registry.waits(slot, |wait| self.waits.push(wait));
            let parked = Parked {
                id,
                seq,
                kinds: (word >> 16) as u16,
                edge: word & Line::EDGE != 0,
                handles: false,
                routes: false,
                since_ms: (word >> 32) as u32,
                asked: place_of_wait(word, &self.waits[waits..], task.asked()),
                waits: waits as u32..self.waits.len() as u32,
            };
            let left = may_be_left(parked.kinds, &self.waits[waits..]);
            // ORDERING: Acquire fence: what was read above was read before what is read below.
            fence(Ordering::Acquire);
            let same = still_parked(slot, task, seq)
                && parked.kinds & whom.outside() == 0
                && usize::from(task.state.waits()) <= left;
            same.then(|| self.enter(parked, about, task, false))
        });
        if read.flatten().is_none() {
            self.waits.truncate(waits);
        }
    }

    /// With `fields`, those of a struct count also while a handler runs, which may have given them away.
    fn enter(&mut self, mut parked: Parked, about: &About, task: &Header, fields: bool) {
        let by = self.processes.len() as u32;
        self.of_id.insert(parked.id.raw(), by);
        // Who waits for a supervised child waits for a task of its own.
        if let Some(whole) = task.lineage().and_then(|lineage| lineage.whole()) {
            self.of_id.insert(whole.id().raw(), by);
        }
        let between = parked.kinds & BETWEEN != 0;
        parked.handles = !between && about.ports.mailbox().is_some();
        parked.routes = about.facts.is_router();
        let handles = parked.handles;
        self.processes.push(parked);
        // The fields of a struct mean something only between two messages.
        let (owners, of) = (about.ports.owners(), about.ports.count_of_owners());
        let known = if handles && !fields { 1 } else { usize::MAX };
        let ports = about.ports.iter().take(known);
        self.held.extend(ports.map(|port| Held {
            port,
            by,
            of,
            owners,
        }));
    }

    /// Which processes hold endpoints of these channels at this moment, parked or not: for what is said of a channel, and for no proof.
    pub(super) fn holders_of(scheduler: &Scheduler, channels: &HashSet<u64, Fast>) -> Self {
        let mut facts = Self::default();
        for slot in scheduler.registry.slots().filter(|slot| slot.is_used()) {
            let _ = slot.peek(|id, about, task| {
                if !about
                    .ports
                    .iter()
                    .any(|port| channels.contains(&port.object()))
                {
                    return;
                }
                // ORDERING: Acquire and Relaxed: see `registry::Line`.
                let seq = slot.line.seq.load(Ordering::Acquire);
                let word = slot.line.wait.load(Ordering::Relaxed);
                let kinds = match task.state.is_parked() {
                    true => (word >> 16) as u16,
                    false => 0,
                };
                let parked = Parked {
                    id,
                    seq,
                    kinds,
                    edge: false,
                    handles: false,
                    routes: false,
                    since_ms: 0,
                    asked: 0,
                    waits: 0..0,
                };
                facts.enter(parked, about, task, true);
            });
        }
        facts.sort();
        facts
    }

    fn sort(&mut self) {
        self.held.sort_unstable_by_key(|held| {
            let port = held.port;
            (port.object(), port.tie() as u8, held.owners, held.by)
        });
        let mut from = 0;
        while let Some(first) = self.held.get(from) {
            let object = first.port.object();
            let same = self.held[from..]
                .iter()
                .take_while(|held| held.port.object() == object);
            let to = from + same.count();
            let known = known(&self.held[from..to]);
            if to - from > LONG {
                self.firsts.insert(object, None);
            }
            let range = from as u32..to as u32;
            self.of_channel.insert(object, Side { range, known });
            from = to;
        }
        self.find_firsts();
    }

    /// Finds who stands for those who wait to receive from a channel that many hold.
    fn find_firsts(&mut self) {
        if self.firsts.is_empty() {
            return;
        }
        for (number, parked) in (0..).zip(&self.processes) {
            let waits = &self.waits[parked.waits.start as usize..parked.waits.end as usize];
            let alone = waits.len() == 1;
            for wait in waits.iter().filter(|wait| wait.kind == WaitKind::Recv) {
                if let Some(first) = self.firsts.get_mut(&wait.object)
                    // One that may go on by something else would let all go on that it stands for.
                    && first.is_none_or(|(_, is_alone)| alone && !is_alone)
                {
                    *first = Some((number, alone));
                }
            }
        }
    }

    /// Finds who has the sender of each `oneshot` that somebody waits for. There is one sender, which cannot be cloned: so if it is a
    /// port of a process, nobody else has one, and it need not be counted. What kind of channel a wait is for is asked when all
    /// processes were read. Who waits keeps its channel, so as long as it has not run that has this address, and no other one.
    fn find_oneshots(&mut self, scheduler: &Scheduler) {
        let held = self.held.iter();
        let held = held.filter(|held| held.port.tie() == Tie::Feeds && held.owners == 0);
        let held = held.map(|held| (held.port.object(), held.by));
        let alone = held.filter(|&(object, _)| self.holders(object).len() == 1);
        let mut alone: HashMap<u64, u32, Fast> = alone.collect();
        if alone.is_empty() {
            return;
        }
        // The lists of channels are locked while they are looked through: not for what nobody waits for.
        let waits = self.waits.iter();
        let waits = waits.filter(|wait| wait.kind == WaitKind::Recv);
        let awaited: HashSet<u64, Fast> = waits.map(|wait| wait.object).collect();
        alone.retain(|object, _| awaited.contains(object));
        if alone.is_empty() {
            return;
        }
        for remote in &scheduler.remotes {
            remote.channels.for_each_account(|object, kind, site| {
                if let Some(&by) = alone.get(&object)
                    && kind == ChannelKind::Oneshot
                {
                    self.oneshots.insert(object, (by, site));
                }
            });
        }
    }

    fn find_scopes(&mut self, scheduler: &Scheduler, breathe: &mut dyn FnMut()) {
        let scopes = self
            .waits
            .iter()
            .filter(|wait| wait.kind == WaitKind::Scope);
        self.of_scope = scopes.map(|wait| (wait.object, Vec::new())).collect();
        if self.of_scope.is_empty() {
            return;
        }
        for (number, parked) in (0..).zip(&self.processes) {
            if (number as usize).is_multiple_of(BREATH) {
                breathe();
            }
            let slot = scheduler.registry.slot(parked.id.index());
            let _ = slot.and_then(|slot| {
                slot.peek(|id, _, task| {
                    let around = task.scope().filter(|_| id == parked.id);
                    for scope in around.iter().flat_map(|scope| scope.around()) {
                        // Once for each scope around it, and not for each that somebody waits for.
                        if let Some(members) = self.of_scope.get_mut(&scope) {
                            members.push(number);
                        }
                    }
                })
            });
        }
    }

    pub(super) fn waits(&self, process: usize) -> &[Noted] {
        let Range { start, end } = self.processes[process].waits;
        &self.waits[start as usize..end as usize]
    }

    /// Who holds endpoints of this channel.
    pub(super) fn holders(&self, object: u64) -> &[Held] {
        match self.of_channel.get(&object) {
            Some(Side { range, .. }) => &self.held[range.start as usize..range.end as usize],
            None => &[],
        }
    }

    /// Those of them that receive there. They lie together.
    pub(super) fn receivers(&self, object: u64) -> impl Iterator<Item = &Held> {
        let held = self.holders(object);
        let tie = |held: &Held| held.port.tie() as u8;
        let from = held.partition_point(|held| tie(held) < Tie::Receiver as u8);
        let to = held.partition_point(|held| tie(held) <= Tie::Kept as u8);
        held[from..to]
            .iter()
            .filter(|held| held.port.tie().receives())
    }

    /// Whether this process waits for the next message of a channel, and so has none of it in hand.
    pub(super) fn is_free_for(&self, process: u32, object: u64) -> bool {
        let next = Noted {
            kind: WaitKind::Recv,
            object,
        };
        self.waits(process as usize).contains(&next)
    }

    /// Of a channel whose messages a process passes on: the channels that it passes them to.
    pub(super) fn passed_to(&self, object: u64) -> Option<Vec<u64>> {
        let router = self.receivers(object).next()?.by;
        if !self.processes[router as usize].routes {
            return None;
        }
        let own = self.held.iter().filter(|held| held.by == router);
        let own = own.filter(|held| held.port.tie() == Tie::Sender);
        Some(own.map(|held| held.port.object()).collect())
    }

    /// The parked process with this id.
    pub(super) fn process(&self, id: u64) -> Option<u32> {
        self.of_id.get(&id).copied()
    }

    /// The parked processes inside of this scope.
    pub(super) fn within(&self, scope: u64) -> &[u32] {
        self.of_scope.get(&scope).map_or(&[], Vec::as_slice)
    }

    /// Who has the sender of this `oneshot`, and where that was made; `None` for another channel, and if it is not known.
    pub(super) fn oneshot(&self, object: u64) -> Option<(u32, &'static Location<'static>)> {
        self.oneshots.get(&object).copied()
    }

    /// How many strong senders, receivers and weak senders of a channel the parked processes hold.
    pub(super) fn known(&self, object: u64) -> [u64; 3] {
        self.of_channel.get(&object).map_or([0; 3], |of| of.known)
    }

    /// Where many wait to receive from a channel that many hold, what could let the first one go on could let all go on. So it is as much
    /// to say that each other one could be woken by whatever lets the first one run. Otherwise a pass over `n` of them would take `n`²
    /// steps.
    pub(super) fn first_in_line(&self, object: u64) -> Option<u32> {
        let &(first, _) = self.firsts.get(&object)?.as_ref()?;
        Some(first)
    }
}

/// How many strong senders, receivers and weak senders of their channel these are, which lie sorted.
fn known(held: &[Held]) -> [u64; 3] {
    let mut sum = [0; 3];
    let together = |one: &Held, other: &Held| {
        (one.owners, one.port.tie()) == (other.owners, other.port.tie()) && one.owners != 0
    };
    for held in held.chunk_by(together) {
        let first = held[0].by;
        let own = held.iter().take_while(|held| held.by == first).count();
        // What several own together counts once for all, as often as the first of them has it; and not at all as long as one of them
        // runs, or waits for something outside. The newest count is the smallest: one that has ended is gone.
        let owners = held.chunk_by(|one, other| one.by == other.by).count();
        let all = held.iter().map(|held| held.of).min();
        if held[0].owners == 0 || all == u32::try_from(owners).ok() {
            let weights = held[0].port.tie().weights();
            sum = [0, 1, 2].map(|side: usize| sum[side] + own as u64 * weights[side]);
        }
    }
    sum
}

/// How many wakers a poll has left that spoke of these waits. A process that has left more keeps a future that it polled earlier: its
/// last poll said nothing of that, but it may still wake the process.
pub(super) fn may_be_left(kinds: u16, waits: &[Noted]) -> usize {
    let joins = waits.iter().filter(|wait| wait.kind == WaitKind::Join);
    let joins = joins.count();
    // One for a whole set.
    let set = kinds & SET != 0;
    let joined = if set { joins.min(1) } else { joins };
    // A call that waits for room has left one for its reply already.
    let replies = usize::from(kinds & CALLS != 0);
    waits.len() - joins + joined + replies
}

/// The channels of which some process holds a sender as a port; and those whose messages are passed on: who does that may be the only one
/// who could have a call that another one waits for, whoever else can send there.
fn fed(scheduler: &Scheduler, breathe: &mut dyn FnMut()) -> HashSet<u64, Fast> {
    let mut fed = HashSet::default();
    for (at, slot) in scheduler.registry.slots().enumerate() {
        if at % BREATH == 0 {
            breathe();
        }
        if !slot.is_used() {
            continue;
        }
        let _ = slot.peek(|_, about, _| {
            fed.extend(about.ports.senders());
            if about.facts.is_router() {
                let inputs = about.ports.iter().filter(|port| port.tie().receives());
                fed.extend(inputs.map(Port::object));
            }
        });
    }
    fed
}

/// Whether no stop has reached the process: what a stop does with it is no leak.
///
/// One that was told to stop by its handle, and has seen the end of its inputs, is left alone as well: nobody sees to it that it ends
/// after a grace, unless a supervisor waits for its end.
pub(super) fn is_left_alone(slot: &Slot, task: &Header) -> bool {
    // ORDERING: Relaxed: a stop that begins now is seen by the next pass.
    let flags = slot.line.flags.load(Ordering::Relaxed) & !CYCLE;
    let told = || {
        // ORDERING: see `registry::Line`.
        let kinds = (slot.line.wait.load(Ordering::Relaxed) >> 16) as u16;
        flags == STOPPING | ENDED
            && kinds & KINDS == WaitKind::Join.bit()
            && !task.lineage().is_some_and(|lineage| lineage.is_hurried())
    };
    // A scope of a supervised process does not stop with the one around it, but is ended by that stop.
    let is_stopping = |scope: &Arc<ScopeInner>| scope.outermost_stopping().is_some();
    (flags == 0 || told()) && !task.scope().is_some_and(is_stopping)
}

/// Whether a process is parked, and was not polled since its `seq` was read.
pub(super) fn still_parked(slot: &Slot, task: &Header, seq: u64) -> bool {
    // ORDERING: Acquire: see `registry::Line`.
    task.state.is_at_rest() && slot.line.seq.load(Ordering::Acquire) == seq
}

/// A channel that some parked process holds an endpoint of. That process was found parked after the channels were pinned, so
/// the channel lived then, and its memory is kept as long as the pins live.
#[derive(Debug, Clone, Copy)]
pub(super) struct Channel<'a> {
    head: NonNull<Head>,
    pins: PhantomData<&'a Pins<'a>>,
}

impl<'a> Channel<'a> {
    /// The channel of an endpoint that a parked process holds.
    pub(super) fn of(pins: &'a Pins<'_>, held: &Held) -> Option<Self> {
        Self::of_port(pins, held.port)
    }

    /// The channel of a port of a process that was found parked after the pins were made.
    pub(super) fn of_port(_pins: &'a Pins<'_>, port: Port) -> Option<Self> {
        let head = port.head()?;
        Some(Self {
            head,
            pins: PhantomData,
        })
    }

    /// The channel of a head that is in its list, which is locked: the channel lives.
    pub(super) fn listed(head: &'a NonNull<Head>) -> Self {
        Self {
            head: *head,
            pins: PhantomData,
        }
    }

    fn head(&self) -> &Head {
        // SAFETY: see the type.
        unsafe { self.head.as_ref() }
    }

    /// How many strong senders, receivers and weak endpoints there are.
    pub(super) fn endpoints(&self) -> [u64; 3] {
        self.head().endpoints()
    }

    /// Where it was made.
    pub(super) fn site(&self) -> &'static Location<'static> {
        self.head().site
    }

    /// Whether those who wait for room wait for the receivers only: no room was granted and not used, and nobody before them waits
    /// for more of it.
    pub(super) fn is_plain(&self) -> bool {
        let stats = self.stats();
        stats.permits == 0 && !stats.wants_many
    }

    /// Whether it is the mailbox of a process.
    pub(super) fn is_mailbox(&self) -> bool {
        self.head().server() != 0
    }

    /// Who is parked there although what it waits for is there.
    pub(super) fn overdue(&self) -> Option<Overdue> {
        // SAFETY: the table fits the core that this is the head of; see the type.
        unsafe { (self.head().vtable.overdue)(self.head) }
    }

    /// The process whose mailbox it is.
    pub(super) fn server(&self) -> Option<ProcessId> {
        ProcessId::from_raw(self.head().server())
    }

    /// Its numbers, read under its lock.
    pub(super) fn stats(&self) -> Stats {
        // SAFETY: the table fits the core that this is the head of; see the type.
        unsafe { (self.head().vtable.stats)(self.head) }
    }
}
