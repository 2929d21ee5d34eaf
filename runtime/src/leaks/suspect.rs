//! What is old and cannot be proven, with the reason, and the arms of a `select!` that can never win.
//!
//! A *suspect* has waited for the same thing for long: for a message, for room, for a reply or for a lock, perhaps also for a
//! stop. Somebody who is alive, or somebody outside of all processes, could still end that wait, and the report says who. Who sleeps,
//! or waits for I/O, for a stop alone, or for the end of another process, is none; nor is a struct process between two messages, for
//! that is its place. Nor is who waits behind a waker that another crate has: a server that waits for its next connection looks alike.
//!
//! An *orphan* waits for something whose owner has ended: see `orphan.rs`.
//!
//! A *dead arm* belongs to a process that lives: whoever could let this arm win is proven stuck. That is certain, as a proof is.
//!
//! Nothing is read here unless something is old or stuck. Suspects of one kind are one finding: the same name, the same place of
//! spawning, and the same place of what they wait for.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::facts::{Channel, Facts, Fast, Pins, is_left_alone, may_be_left};
use super::orphan;
use super::pass::Found;
use super::relation::{self, Locks, Queues};
use super::report::{Awaited, Holding, LISTED, Leak, Stuck, Verdict};
use super::search::{Graph, Wake};
use super::verdict::place_of_wait;
use crate::observe::{ChannelKind, Name, Site};
use crate::order::sort_by_key;
use crate::scheduler::Scheduler;
use crate::sync::{Ordering, fence};
use crate::task::ProcessId;
use crate::task::WaitKind;
use crate::task::current::{BETWEEN, KINDS, UNKNOWN};
use crate::task::ports::Tie;
use crate::task::registry::Slot;
use crate::task::waits::Noted;

/// Waits that somebody else ends, when he gets round to it.
const FOR_OTHERS: u16 =
    WaitKind::Recv.bit() | WaitKind::Send.bit() | WaitKind::Reply.bit() | WaitKind::Lock.bit();

/// A parked process, as it was read.
pub(super) struct Waiting {
    pub(super) id: ProcessId,
    pub(super) since: Duration,
    pub(super) waits: Vec<Noted>,
    /// Somebody outside has its waker.
    pub(super) given: bool,
    /// It keeps a future that it polled earlier, and that may wake it.
    kept: bool,
    /// Where it waits: see `verdict::place_of_wait`.
    asked: u32,
    /// It also waits for something that cannot be said.
    pub(super) unknown: bool,
    /// It is a struct that waits between two messages.
    pub(super) idle: bool,
}

/// A channel that somebody waits for.
pub(super) struct Awaiting {
    pub(super) name: Option<&'static str>,
    pub(super) kind: ChannelKind,
    pub(super) site: Site,
    column: u32,
    ends: [u64; 3],
    /// Its endpoints are counted; those of a `latest` and a `broadcast` are not, and of a `oneshot` only the sender, of which there is one.
    followed: bool,
    /// Room in it was granted, and is not used yet.
    pub(super) granted: bool,
    /// The last message was sent by a plain thread, which may send the next one.
    pub(super) from_outside: bool,
    /// The process whose mailbox it is.
    server: Option<ProcessId>,
}

impl Awaiting {
    /// Whether it is known of those who could end such a wait whether a process was lent what they need.
    pub(super) fn is_followed(&self, kind: WaitKind) -> bool {
        self.followed || self.is_oneshot() && kind == WaitKind::Recv
    }

    fn is_oneshot(&self) -> bool {
        self.kind == ChannelKind::Oneshot
    }
}

impl Waiting {
    /// Whether somebody else may wake it, whatever it waits for.
    pub(super) fn is_wakeable(&self) -> bool {
        self.given || self.kept
    }
}

/// Reads a process, if it is parked and no stop has reached it.
pub(super) fn read(scheduler: &Scheduler, slot: &Slot, now_ms: u32) -> Option<Waiting> {
    slot.peek(|id, about, task| {
        let line = &slot.line;
        // ORDERING: Acquire: see `registry::Line`.
        let seq = line.seq.load(Ordering::Acquire);
        if !task.state.is_parked() || task.state.is_killed() || !is_left_alone(slot, task) {
            return None;
        }
        // ORDERING: Relaxed: see `registry::Line`; a change shows in `seq`.
        let word = line.wait.load(Ordering::Relaxed);
        let kinds = (word >> 16) as u16;
        let mut waits = Vec::new();
        scheduler.registry.waits(slot, |wait| waits.push(wait));
        let asked = place_of_wait(word, &waits, task.asked());
        let kept = usize::from(task.state.waits()) > may_be_left(kinds, &waits);
        // The arms of a `select!` are asked in turn; for the reader they are the same.
        waits.sort_unstable_by_key(|wait| (wait.kind as u8, wait.object));
        // ORDERING: Acquire fence, and Acquire: what was read above was read before what is read below.
        fence(Ordering::Acquire);
        let same = task.state.is_parked() && line.seq.load(Ordering::Acquire) == seq;
        let since = now_ms.wrapping_sub((word >> 32) as u32);
        let mailbox = about.ports.mailbox().map(|mailbox| mailbox.object());
        let idle = waits
            .iter()
            .any(|wait| Some(wait.object) == mailbox && wait.kind == WaitKind::Recv);
        // The directory of names has a waker for each of these.
        let names = waits.iter().filter(|wait| wait.kind == WaitKind::Name);
        let names = names.count() as u64;
        same.then(|| Waiting {
            id,
            since: Duration::from_millis(since.into()),
            waits,
            idle,
            given: task.state.outside() > names,
            kept,
            asked,
            unknown: kinds & UNKNOWN != 0,
        })
    })?
}

/// The slots of the program's own processes, with the kinds of their waits and since when.
pub(super) fn lines(
    scheduler: &Scheduler,
    entry: Option<ProcessId>,
) -> impl Iterator<Item = (&Slot, u16, u32)> {
    scheduler.registry.slots().filter_map(move |slot| {
        if !slot.is_used() || slot.scope_bits() == 0 && Some(slot.id()) != entry {
            return None;
        }
        // ORDERING: Relaxed: see `registry::Line`; what is read here only saves a closer look.
        let word = slot.line.wait.load(Ordering::Relaxed);
        Some((slot, (word >> 16) as u16, (word >> 32) as u32))
    })
}

pub(super) fn now_ms(scheduler: &Scheduler) -> u32 {
    ((scheduler.clock.now_nanos() / 1_000_000) as u32).wrapping_add(1)
}

/// The processes that have waited for `after` at least, of whom nothing is said yet: that they are proven, or what is in `said`.
pub(super) fn suspects(
    found: &Found,
    scheduler: &Scheduler,
    entry: Option<ProcessId>,
    after: Duration,
    said: &[Leak],
) -> Vec<Leak> {
    let now_ms = now_ms(scheduler);
    let said = said.iter().filter(|leak| leak.is_suspected());
    let said: HashSet<ProcessId, Fast> = said
        .flat_map(|leak| leak.processes.iter().map(|process| process.id))
        .collect();
    let is_old = |since_ms: u32| {
        Duration::from_millis(now_ms.wrapping_sub(since_ms).into()) >= after
            // A process that parked a moment ago may be ahead of this clock.
            && now_ms.wrapping_sub(since_ms) < u32::MAX / 2
    };
    let may_be = |kinds: u16| {
        let answered_later = kinds & WaitKind::Reply.bit() != 0;
        kinds & FOR_OTHERS != 0
            && kinds & KINDS & !(FOR_OTHERS | WaitKind::Stopping.bit()) == 0
            && kinds & BETWEEN == 0
            && (kinds & UNKNOWN == 0 || answered_later)
    };
    let old: Vec<_> = lines(scheduler, entry)
        .filter(|&(_, kinds, since_ms)| may_be(kinds) && is_old(since_ms))
        .filter_map(|(slot, ..)| read(scheduler, slot, now_ms))
        .filter(|process| !process.idle && process.since >= after)
        .filter(|process| !is_known(found, process.id) && !said.contains(&process.id))
        .collect();
    if old.is_empty() {
        return Vec::new();
    }
    let witness = Witness::new(scheduler, &old);
    let whose = |process: &Waiting| orphan::why(&witness, scheduler, process);
    let (orphans, old): (Vec<_>, Vec<_>) = old
        .into_iter()
        .partition(|process| whose(process).is_some());
    let mut leaks = Vec::new();
    for group in witness.groups(&orphans) {
        if let Some(why) = whose(group[0]) {
            leaks.push(witness.leak(Verdict::Orphaned { why }, &group));
        }
    }
    leaks.extend(witness.groups(&old).into_iter().map(|mut group| {
        sort_by_key(&mut group, |process| std::cmp::Reverse(process.since));
        let why = witness.why(group[0]);
        witness.leak(Verdict::Suspected { why }, &group)
    }));
    // The many and the old first.
    sort_by_key(&mut leaks, |leak| {
        let age = leak
            .processes
            .first()
            .map_or(0, |first| first.since.as_secs());
        std::cmp::Reverse(leak.count as u64 * (age + 1))
    });
    leaks
}

/// Whether something is said of a process already.
pub(super) fn is_known(found: &Found, id: ProcessId) -> bool {
    let process = found.facts.process(id.raw());
    process.is_some_and(|process| found.stuck[process as usize] || found.stranded[process as usize])
}

/// The number of no process.
const NOBODY: u32 = u32::MAX;

/// The arms that can never win, of processes that live.
pub(super) fn dead_arms(
    found: &Found,
    pins: &Pins<'_>,
    scheduler: &Scheduler,
    entry: Option<ProcessId>,
) -> Vec<Leak> {
    if !found.stuck.contains(&true) {
        return Vec::new();
    }
    let now_ms = now_ms(scheduler);
    let facts = &found.facts;
    let channels = WaitKind::Recv.bit() | WaitKind::Send.bit() | WaitKind::Reply.bit();
    let mut queues = Queues::of_one_look(Locks::Known);
    // The same for all who live and wait for the same.
    let mut dead: HashMap<Noted, bool> = HashMap::new();
    let mut living = Vec::new();
    for (slot, kinds, _) in lines(scheduler, entry) {
        if kinds & channels == 0 || is_known(found, slot.id()) {
            continue;
        }
        let Some(mut process) = read(scheduler, slot, now_ms) else {
            continue;
        };
        process.waits.retain(|&wait| {
            // Whoever has the token for a reply that is given later may be anybody.
            let answered_later = kinds & UNKNOWN != 0 && wait.kind == WaitKind::Reply;
            if channels & wait.kind.bit() == 0 || answered_later {
                return false;
            }
            *dead.entry(wait).or_insert_with(|| {
                let mut graph = Graph::new();
                // One that lives may call itself, or drop a message that it has put aside, so it is not left out as if it were stuck.
                match relation::wake(&mut graph, facts, pins, NOBODY, wait, &mut queues) {
                    Wake::Any(group) => {
                        let members = graph.members(group);
                        !members.is_empty() && members.iter().all(|&at| found.stuck[at as usize])
                    }
                    _ => false,
                }
            })
        });
        if !process.waits.is_empty() {
            living.push(process);
        }
    }
    if living.is_empty() {
        return Vec::new();
    }
    let witness = Witness::new(scheduler, &living);
    let groups = witness.groups(&living).into_iter();
    groups
        .map(|group| witness.leak(Verdict::DeadArm, &group))
        .collect()
}

/// The names of the scopes that these wait for, from the processes in them.
fn names_of_scopes(scheduler: &Scheduler, waiting: &[Waiting]) -> HashMap<u64, Name, Fast> {
    let waits = waiting.iter().flat_map(|process| &process.waits);
    let waits = waits.filter(|wait| wait.kind == WaitKind::Scope);
    let mut wanted: HashSet<u64, Fast> = waits.map(|wait| wait.object).collect();
    let mut names = HashMap::default();
    for slot in scheduler.registry.slots().filter(|slot| slot.is_used()) {
        if wanted.is_empty() {
            break;
        }
        let _ = slot.peek(|_, _, task| {
            let around = task.scope().into_iter().flat_map(|scope| scope.around());
            for scope in around
                .filter(|scope| wanted.remove(scope))
                .collect::<Vec<_>>()
            {
                let name = task.scope().and_then(|own| own.name_around(scope));
                names.extend(name.map(|name| (scope, name)));
            }
        });
    }
    names
}

/// What can be said of those who wait.
pub(super) struct Witness<'a> {
    scheduler: &'a Scheduler,
    pub(super) channels: HashMap<u64, Awaiting, Fast>,
    /// Who holds endpoints of these channels, parked or not.
    holders: Facts,
    /// The names of the scopes that somebody waits for.
    scopes: HashMap<u64, Name, Fast>,
}

/// What processes have in common that are reported together: name and place of spawning, the place of their call, and what they wait
/// for.
type Likeness = (Name, Option<Site>, u32, Vec<(WaitKind, Option<Site>)>);

impl<'a> Witness<'a> {
    pub(super) fn new(scheduler: &'a Scheduler, waiting: &[Waiting]) -> Self {
        let wanted: HashSet<u64, Fast> = waiting
            .iter()
            .flat_map(|process| process.waits.iter().map(|wait| wait.object))
            .collect();
        let mut channels = HashMap::default();
        for remote in &scheduler.remotes {
            remote.channels.for_each(|head| {
                let object = head.as_ptr().addr() as u64;
                if wanted.contains(&object) {
                    let channel = Channel::listed(&head);
                    let stats = channel.stats();
                    channels.insert(
                        object,
                        Awaiting {
                            name: stats.name,
                            kind: ChannelKind::Queue,
                            followed: true,
                            granted: stats.permits > 0 && stats.len < stats.capacity,
                            from_outside: stats.sent > 0 && stats.sent_by == 0,
                            server: channel.server(),
                            site: super::verdict::site(channel.site()),
                            column: channel.site().column(),
                            ends: channel.endpoints(),
                        },
                    );
                }
            });
        }
        for remote in &scheduler.remotes {
            remote.channels.for_each_account(|object, kind, site| {
                if wanted.contains(&object) {
                    channels.insert(
                        object,
                        Awaiting {
                            name: None,
                            kind,
                            followed: false,
                            granted: false,
                            from_outside: false,
                            server: None,
                            site: super::verdict::site(site),
                            column: site.column(),
                            // While somebody waits for its value, the sender is there.
                            ends: [u64::from(kind == ChannelKind::Oneshot), 0, 0],
                        },
                    );
                }
            });
        }
        Self {
            scheduler,
            channels,
            holders: Facts::holders_of(scheduler, &wanted),
            scopes: names_of_scopes(scheduler, waiting),
        }
    }

    pub(super) fn name(&self, id: ProcessId) -> (Name, Option<Site>) {
        super::verdict::name_of(self.scheduler, id)
    }

    /// Those that are reported together, in the order of their first ones.
    fn groups<'p>(&self, waiting: &'p [Waiting]) -> Vec<Vec<&'p Waiting>> {
        let mut groups: Vec<Vec<_>> = Vec::new();
        let mut places = HashMap::new();
        for process in waiting {
            let at = *places.entry(self.likeness(process)).or_insert_with(|| {
                groups.push(Vec::new());
                groups.len() - 1
            });
            groups[at].push(process);
        }
        groups
    }

    /// The report about a group.
    pub(super) fn leak(&self, verdict: Verdict, group: &[&Waiting]) -> Leak {
        let listed = group.iter().take(LISTED);
        Leak {
            verdict,
            processes: listed.map(|process| self.stuck(process)).collect(),
            count: group.len(),
            behind: 0,
            standstill: false,
        }
    }

    fn likeness(&self, process: &Waiting) -> Likeness {
        let (name, site) = self.name(process.id);
        let place = |wait: &Noted| {
            let channel = self.channels.get(&wait.object);
            (wait.kind, channel.map(|channel| channel.site.clone()))
        };
        let waits = process.waits.iter().map(place).collect();
        (name, site, process.asked, waits)
    }

    fn stuck(&self, process: &Waiting) -> Stuck {
        let (name, site) = self.name(process.id);
        Stuck {
            id: process.id,
            name,
            pool: super::verdict::is_pool(self.scheduler, process.id),
            site,
            since: process.since,
            waits: process
                .waits
                .iter()
                .map(|&wait| {
                    let mut awaited = self.awaited(process.id, wait);
                    awaited.called(process.asked, self.scheduler);
                    awaited
                })
                .collect(),
        }
    }

    /// The processes that hold the other side of a channel, and whether they are all who do.
    pub(super) fn others(&self, wait: Noted) -> (Vec<Holding>, bool) {
        // Of a `latest`, say, the one that is known says nothing of the others.
        let one_sender = self
            .channels
            .get(&wait.object)
            .is_some_and(Awaiting::is_oneshot);
        let is_side = |tie: Tie| match wait.kind {
            WaitKind::Recv if one_sender => matches!(tie, Tie::Feeds),
            WaitKind::Recv => matches!(tie, Tie::Sender | Tie::Weak),
            _ => tie.receives(),
        };
        let held = self.holders.holders(wait.object).iter();
        let mut numbers: Vec<_> = held
            .filter(|held| is_side(held.port.tie()))
            .map(|held| held.by)
            .collect();
        numbers.dedup();
        let holding = |number: &u32| self.holding(self.holders.processes[*number as usize].id);
        let known = self.holders.known(wait.object);
        let all = self.channels.get(&wait.object).is_some_and(|channel| {
            if !channel.is_followed(wait.kind) || channel.ends == [0; 3] {
                return false;
            }
            if channel.is_oneshot() {
                return !numbers.is_empty();
            }
            let sides: &[usize] = match wait.kind {
                WaitKind::Recv => &[relation::SENDERS, relation::WEAK],
                _ => &[relation::RECEIVERS],
            };
            sides.iter().all(|&side| channel.ends[side] == known[side])
        });
        (numbers.iter().take(LISTED).map(holding).collect(), all)
    }

    /// In whose field the other side of a channel lay when the handler began that its struct is in now, in words; if that is all there is
    /// of it.
    pub(super) fn field_of(&self, wait: Noted) -> Option<String> {
        let is_side = |tie: Tie| match wait.kind {
            WaitKind::Recv => matches!(tie, Tie::Sender | Tie::Weak | Tie::Feeds),
            _ => tie == Tie::Receiver,
        };
        let mut held = self.holders.holders(wait.object).iter();
        let process = |number: u32| &self.holders.processes[number as usize];
        let of_field = held.find(|held| is_side(held.port.tie()) && process(held.by).handles)?;
        if !self.others(wait).1 {
            return None;
        }
        let holder = self.holding(process(of_field.by).id);
        let id = holder.process.map_or_else(String::new, |id| id.to_string());
        Some(format!(
            "lay in a field of {}{id} when the handler began that it is in, and what a handler does with its fields is not followed",
            holder.name
        ))
    }

    /// The process that was called.
    pub(super) fn server_of(&self, wait: Noted) -> Option<ProcessId> {
        self.channels.get(&wait.object)?.server
    }

    /// The process whose end is awaited.
    fn joined(&self, wait: Noted) -> Option<Holding> {
        let id = ProcessId::from_raw(wait.object)?;
        Some(self.holding(id))
    }

    pub(super) fn holding(&self, id: ProcessId) -> Holding {
        super::verdict::holding(self.scheduler, id)
    }

    fn awaited(&self, id: ProcessId, wait: Noted) -> Awaited {
        if wait.kind == WaitKind::Lock
            && let Some(gate) = self.scheduler.gates.get(wait.object)
            && let Some(lock) = super::verdict::lock(&gate, id)
        {
            return lock;
        }
        let channel = self.channels.get(&wait.object);
        let (mut holders, all) = match wait.kind {
            WaitKind::Stopping | WaitKind::Name => (Vec::new(), true),
            WaitKind::Join => (self.joined(wait).into_iter().collect(), true),
            _ => self.others(wait),
        };
        // One that has ended has no mailbox any more.
        let server = self.server_of(wait).filter(|_| holders.is_empty());
        let server = server.filter(|_| wait.kind == WaitKind::Reply);
        holders.extend(server.map(|id| self.holding(id)));
        if !all && channel.is_some_and(|channel| channel.is_followed(wait.kind)) {
            holders.push(Holding::outside());
        }
        let held = self.holders.holders(wait.object).iter();
        let mut mailbox = held.filter(|held| matches!(held.port.tie(), Tie::Mailbox | Tie::Kept));
        let side = match wait.kind {
            WaitKind::Recv => relation::SENDERS,
            _ => relation::RECEIVERS,
        };
        let scope = self.scopes.get(&wait.object);
        let scope = scope.filter(|_| wait.kind == WaitKind::Scope).cloned();
        let wanted = self.wanted(wait).map(Name::from);
        Awaited {
            name: scope
                .or(wanted)
                .or_else(|| channel.and_then(|channel| channel.name.map(Name::from))),
            site: channel.map(|channel| channel.site.clone()),
            channel: channel.map_or(0, |_| wait.object),
            column: channel.map_or(0, |channel| channel.column),
            channel_kind: channel.map_or_else(ChannelKind::default, |channel| channel.kind),
            mailbox: mailbox.next().is_some(),
            ends: channel.map_or(0, |channel| channel.ends[side] as usize),
            holders,
            ..Awaited::of(wait.kind)
        }
    }

    /// The name that this wait is for.
    fn wanted(&self, wait: Noted) -> Option<String> {
        let system = self.scheduler.system()?;
        let name = (wait.kind == WaitKind::Name).then(|| system.names.watched(wait.object));
        Some(name??.into())
    }

    /// Whether this is a supervised child of which no incarnation lives: a task that is polled when there will be none any more.
    fn is_between(&self, id: ProcessId) -> bool {
        let slot = self.scheduler.registry.slot(id.index());
        slot.is_some_and(|slot| !slot.has_run())
    }

    /// Why a wait for a lock or for permits is not proven, with the name of who took them.
    pub(super) fn why_lock(&self, id: ProcessId, wait: Noted) -> String {
        let gate = self.scheduler.gates.get(wait.object);
        let lock = gate
            .as_ref()
            .and_then(|gate| super::verdict::lock(gate, id));
        let Some(lock) = lock else {
            return "whoever has it may still give it back".to_owned();
        };
        match lock.permit {
            true => "permits of a semaphore go anywhere; whoever has them may still give them back",
            false => {
                "the guard may be anywhere, for not every way to the lock is an `Arc` that was lent with the lock in it, or who has it \
                 may still run; whoever has it may still give it back"
            }
        }
        .to_owned()
    }

    /// Why a process is not proven.
    fn why(&self, process: &Waiting) -> String {
        if process.given {
            return "its waker was given to somebody outside of any process".to_owned();
        }
        if process.kept {
            return "it keeps a future that it has polled before, and that may still wake it"
                .to_owned();
        }
        if process.unknown {
            return "whoever has the `Reply` of its call may still answer".to_owned();
        }
        // Of a stop, nobody asks why it has not come.
        let waits = process.waits.iter();
        for &wait in waits.filter(|wait| wait.kind != WaitKind::Stopping) {
            let (holders, all) = self.others(wait);
            let channel = self.channels.get(&wait.object);
            if let Some(channel) = channel.filter(|channel| !channel.is_followed(wait.kind)) {
                return format!(
                    "who has the other end of a `{}` is not followed",
                    channel.kind
                );
            }
            if wait.kind == WaitKind::Send && channel.is_some_and(|channel| channel.granted) {
                return "room in it was granted with `ready()`, and whoever has that may still use it".to_owned();
            }
            let what = match wait.kind {
                WaitKind::Recv => "a sender of it",
                WaitKind::Reply => "the mailbox of its call",
                WaitKind::Lock => return self.why_lock(process.id, wait),
                _ => "a receiver of it",
            };
            if channel.is_none() {
                return "what it waits for is not among the channels that are followed".to_owned();
            }
            if let Some(lay) = self.field_of(wait) {
                return format!("{what} {lay}");
            }
            if !all {
                return format!(
                    "{what} is in a local variable (perhaps its own), an `Arc`, a message or on a plain thread: the runtime does not know whose"
                );
            }
            if let Some(holder) = holders.first() {
                let id = holder.process;
                if id.is_some_and(|id| self.is_between(id)) {
                    return format!(
                        "{what} is kept for {}, which its supervisor has not started, or not again yet",
                        holder.name
                    );
                }
                let id = id.map_or_else(String::new, |id| id.to_string());
                return format!("{what} is held by {}{id}, which may still run", holder.name);
            }
        }
        "somebody else may still end its wait".to_owned()
    }
}
