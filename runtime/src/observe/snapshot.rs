//! A snapshot of a system, as plain types.
//!
//! Weakly consistent: each process is read once, while everything runs on. A process that was polled while it was read is
//! marked as `moving`. Nothing of the messages is in it, only names and numbers. With the feature `serde` the types can be
//! serialised; `schema` changes when their meaning does.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::ops::AddAssign;
use std::panic::Location;
use std::time::{Duration, SystemTime};

use super::take::{Limits, Pass, Taken};
use crate::channel::core::UNBOUNDED;
use crate::observe::Ledger;
use crate::process::exit::Reason;
use crate::scheduler::Scheduler;
use crate::sync::Ordering;
use crate::system::SystemInner;
use crate::task::current;
use crate::task::origin::Origin;
use crate::task::ports::Port;
use crate::task::registry::{About, Slot, WaitKind};

pub use crate::task::ports::Direction;
use crate::task::{ProcessId, TaskRef};

/// A system at one moment.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// The version of these types: 1.
    pub schema: u32,
    /// When it was taken.
    pub at: SystemTime,
    /// How long the system had run.
    pub uptime: Duration,
    /// The name of the system.
    pub system: String,
    /// The scope, if only one and what is inside it is shown.
    pub scope: Option<u64>,
    /// Its workers, spares included.
    pub workers: Vec<WorkerInfo>,
    /// Its scopes, each after the one around it.
    pub scopes: Vec<ScopeInfo>,
    /// Where its living processes come from, the most numerous first.
    pub origins: Vec<OriginInfo>,
    /// Its living processes, counted by origin and scope: ten lines for a million of them.
    pub groups: Vec<GroupInfo>,
    /// Its living processes.
    pub processes: Vec<ProcessInfo>,
    /// Its supervised children, those between two incarnations included.
    pub children: Vec<ChildInfo>,
    /// Its channels, mailboxes included.
    pub channels: Vec<ChannelInfo>,
    /// Who sends and receives where, as far as it is known.
    pub edges: Vec<EdgeInfo>,
    /// Its threads for blocking code.
    pub blocking: LaneInfo,
    /// Its threads for code that computes.
    pub cpu: LaneInfo,
    /// What was left out; nothing, unless it is part of a dump.
    pub truncated: Truncated,
    /// Timers that wait to fire.
    pub timers: usize,
    /// What became of all messages, those of channels that are gone included.
    pub ledger: Ledger,
    /// Processes that ran again although they were proven leaked: always 0.
    pub proof_violations: u64,
    /// Wakeups that the runtime lost: always 0.
    pub lost_wakeups: u64,
}

/// A worker.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct WorkerInfo {
    /// Its number.
    pub index: usize,
    /// Steps of processes that it ran.
    pub steps: u64,
    /// Batches that it took from others.
    pub steals: u64,
    /// How often it went to sleep.
    pub parks: u64,
    /// Processes in its queue.
    pub queued: usize,
}

/// A name in the program; owned only in a snapshot that was read back.
pub type Name = Cow<'static, str>;

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Site {
    /// The file.
    pub file: Name,
    /// The line.
    pub line: u32,
}

/// What all processes have in common that were spawned under one name at one place.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct OriginInfo {
    /// Its number: the same in all systems of the program, and another one in its next run.
    pub id: u32,
    /// The name.
    pub name: Name,
    /// The place; `None` for what has none.
    pub site: Option<Site>,
    /// How many of them live.
    pub alive: u64,
    /// How many may live before an alarm, as `#[process(budget = …)]` says.
    pub budget: Option<u32>,
    /// How long the first of those that live has lived, to a few milliseconds.
    pub oldest: Duration,
    /// How long the last of them has lived.
    pub youngest: Duration,
}

/// A process.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ProcessInfo {
    /// Its id, as a number that is never used again in this system.
    pub id: u64,
    /// Its name.
    pub name: Name,
    /// Its origin: the `id` of an entry of this snapshot.
    pub origin: u32,
    /// Where it was spawned.
    pub site: Option<Site>,
    /// The number of its scope; 0 for the runtime's own processes and the body of `main`.
    pub scope: u64,
    /// How long it has lived, to a few milliseconds.
    pub age: Duration,
    /// How many incarnations of a supervised child there were before; 0 for every other process.
    pub incarnation: u32,
    /// The handler that it was in when it began to wait, if it is a struct.
    pub handler: Option<Name>,
    /// What it does now.
    pub state: State,
    /// What it waits for, if it is parked.
    pub wait: Option<Wait>,
    /// Where its time went.
    pub times: Times,
    /// How often it was polled.
    pub polls: u64,
    /// The endpoints that it was lent or keeps in its state, as far as they are known.
    pub ports: Vec<PortInfo>,
    /// It was polled while it was read: its parts may be of different moments.
    pub moving: bool,
}

/// An endpoint of a process: an argument that it was lent, or a field of its state.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct PortInfo {
    /// The name of the argument or field; `None` if it has none that is known.
    pub name: Option<Name>,
    /// Which way messages go.
    pub direction: Direction,
    /// The channel: the `id` of an entry of this snapshot, unless the channel is gone, or was made outside of the system.
    pub channel: u64,
}

/// What a process does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum State {
    /// Runs, or waits for a worker.
    Runnable,
    /// Waits.
    Parked,
}

/// What a parked process waits for.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Wait {
    /// The kind of wait.
    pub kind: WaitKind,
    /// The kinds of all that it waits for, if that is more than one; in no order.
    pub kinds: Vec<WaitKind>,
    /// The channel, process or scope: the `id` of an entry of this snapshot; 0 if it is none of them, or several.
    pub object: u64,
    /// Since when, to a few milliseconds.
    pub since: Duration,
}

/// Milliseconds of a process's life, by what it did. They are sampled: exact over seconds, not over moments. Those of one process
/// start again at 0 after 49 days.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Times {
    /// Ran.
    pub busy_ms: u64,
    /// Waited to receive.
    pub idle_ms: u64,
    /// Waited to send: back-pressure.
    pub pushed_ms: u64,
    /// Waited for I/O, a timer, a lock or another crate's future.
    pub extern_ms: u64,
    /// Waited for a reply or for another process to end.
    pub calling_ms: u64,
    /// Could have run, and waited for a worker.
    pub ready_ms: u64,
}

/// A channel.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChannelInfo {
    /// Its number; unique among living channels.
    pub id: u64,
    /// Its name, if it was given one.
    pub name: Option<String>,
    /// Where it was made.
    pub site: Site,
    /// The process whose mailbox it is.
    pub owner: Option<u64>,
    /// The process that sent there last, if it lives.
    pub last_sender: Option<u64>,
    /// How much it holds; `None` if there is no bound, 0 for a rendezvous.
    pub capacity: Option<u32>,
    /// Messages in it.
    pub len: u32,
    /// The most messages that were in it.
    pub high_water: u32,
    /// Messages that it accepted so far.
    pub sent: u64,
    /// Messages received so far.
    pub received: u64,
    /// What became of them.
    pub ledger: Ledger,
    /// Milliseconds for which it was full.
    pub full_ms: u32,
    /// The mean time that a message was in it, by Little's law.
    pub mean_wait: Option<Duration>,
    /// Senders that exist.
    pub senders: u64,
    /// Receivers that exist.
    pub receivers: u64,
    /// Senders that wait for room.
    pub blocked_senders: u32,
    /// Receivers that wait for a message.
    pub waiting_receivers: u32,
}

/// Channels that hold messages and are in a snapshot that is limited, beside those that somebody is known to use.
const CHANNELS: usize = 1000;

impl Snapshot {
    pub(crate) fn take(system: &SystemInner, limits: Limits) -> Self {
        let scheduler = &*system.scheduler;
        let now = scheduler.clock.now();
        let mut pass = Pass::run(system, limits);
        let wanted = limits.per_group.map(|_| pass.awaited());
        let senders = pass.take_senders();
        let mut taken = pass.finish();
        let channels = channels(
            scheduler,
            wanted.as_ref(),
            limits.scope,
            &senders,
            &mut taken.truncated,
        );
        let Taken {
            origins,
            groups,
            scopes,
            processes,
            edges,
            children,
            truncated,
        } = taken;
        Self {
            schema: 1,
            at: SystemTime::now(),
            uptime: scheduler.clock.uptime(),
            system: system.name().to_owned(),
            scope: limits.scope,
            workers: workers(scheduler),
            scopes,
            origins,
            groups,
            processes,
            children,
            channels,
            edges,
            blocking: system.blocking.info(now),
            cpu: system.cpu.info(now),
            truncated,
            timers: scheduler.timers.len(),
            ledger: ledger(scheduler),
            proof_violations: scheduler.proofs.violations(scheduler),
            lost_wakeups: scheduler.lost.count(scheduler),
        }
    }
}

/// Processes that were spawned under one name at one place, in one scope, counted together.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GroupInfo {
    /// Where they come from: the `id` of an entry of this snapshot.
    pub origin: u32,
    /// Their name.
    pub name: Name,
    /// Where they were spawned.
    pub site: Option<Site>,
    /// The number of their scope; 0 for the runtime's own processes and the body of `main`.
    pub scope: u64,
    /// How many live.
    pub alive: u64,
    /// How many of them run, or wait for a worker.
    pub runnable: u64,
    /// How long the first of them has lived.
    pub oldest: Duration,
    /// How long the last of them has lived.
    pub youngest: Duration,
    /// Where their time went, in all.
    pub times: Times,
    /// How often they were polled, in all.
    pub polls: u64,
    /// What the others wait for, most of them first.
    pub waits: Vec<GroupWait>,
}

/// Processes of a group that wait for the same.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct GroupWait {
    /// The kind of wait.
    pub kind: WaitKind,
    /// The kinds of all that the first of them waits for, if that is more than one.
    pub kinds: Vec<WaitKind>,
    /// The handler that they are in.
    pub handler: Option<Name>,
    /// The channel, process or scope, as in [`Wait::object`]; `None` if it is none of them, or not the same for all.
    pub object: Option<u64>,
    /// How many wait for it.
    pub count: u64,
    /// How long the last of them has waited.
    pub shortest: Duration,
    /// How long the first of them has waited.
    pub longest: Duration,
    /// The one that has waited longest.
    pub example: u64,
}

/// A scope.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ScopeInfo {
    /// Its number.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The scope around it.
    pub parent: Option<u64>,
    /// Processes and scopes in it that have not ended.
    pub alive: u64,
    /// How long it has been stopping, if it does.
    pub stopping: Option<Duration>,
    /// How long the stop may take before it drops what is left.
    pub grace: Option<Duration>,
    /// How much is left of the time that calls in it inherit.
    pub deadline: Option<Duration>,
    /// What failed in it first, and is not yet known to who waits for the scope.
    pub failure: Option<String>,
}

/// A way of messages between processes and a channel. Whose mailbox a channel is, and who sent there last, is said by
/// [`ChannelInfo::owner`] and [`ChannelInfo::last_sender`].
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct EdgeInfo {
    /// Where the processes come from.
    pub origin: u32,
    /// Their scope.
    pub scope: u64,
    /// The process, if it is one.
    pub process: Option<u64>,
    /// The name of the port, if it is known.
    pub port: Option<Name>,
    /// The channel.
    pub channel: u64,
    /// Which way messages go.
    pub direction: Direction,
    /// How this is known.
    pub evidence: Evidence,
    /// How many processes of this origin and scope have it.
    pub count: u64,
}

/// How an edge is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub enum Evidence {
    /// The process was lent the endpoint: it has it for all its life.
    Lent,
    /// The process keeps the endpoint in its state, or did so when it was spawned.
    State,
}

/// A supervised child.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ChildInfo {
    /// Its scope.
    pub scope: u64,
    /// Its name.
    pub name: Name,
    /// Its present incarnation; `None` between two of them.
    pub process: Option<u64>,
    /// How often it was started again.
    pub restarts: u32,
    /// How its last incarnations ended, the last one first: four at most.
    pub exits: Vec<ExitInfo>,
}

/// How an incarnation ended.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct ExitInfo {
    /// How many incarnations there were before it.
    pub incarnation: u32,
    /// How it ended.
    pub reason: Reason,
    /// How long ago, to a few milliseconds.
    pub ago: Duration,
}

/// Threads for blocking code.
#[derive(Debug, Clone, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct LaneInfo {
    /// Threads that exist.
    pub threads: usize,
    /// Jobs that wait for a thread.
    pub queued: usize,
    /// Jobs that run.
    pub running: Vec<JobInfo>,
}

/// A job on a thread of its own.
#[derive(Debug, Clone)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct JobInfo {
    /// The process that wants its result, which may be gone.
    pub process: u64,
    /// The name of that process.
    pub name: Name,
    /// How long it has run.
    pub running_for: Duration,
}

/// How much was left out of a snapshot that was limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Truncated {
    /// Processes that are counted in their groups only.
    pub processes: u64,
    /// Channels that nothing is known to wait for.
    pub channels: u64,
    /// Edges.
    pub edges: u64,
}

impl AddAssign for Times {
    fn add_assign(&mut self, other: Self) {
        let Self {
            busy_ms,
            idle_ms,
            pushed_ms,
            extern_ms,
            calling_ms,
            ready_ms,
        } = other;
        self.busy_ms += busy_ms;
        self.idle_ms += idle_ms;
        self.pushed_ms += pushed_ms;
        self.extern_ms += extern_ms;
        self.calling_ms += calling_ms;
        self.ready_ms += ready_ms;
    }
}

impl OriginInfo {
    pub(super) fn new(origin: &'static Origin, age: Duration) -> Self {
        Self {
            id: origin.number,
            name: origin.name.into(),
            site: origin.site.map(Site::of),
            alive: 0,
            budget: Some(origin.facts.budget).filter(|&budget| budget != 0),
            oldest: age,
            youngest: age,
        }
    }
}

impl Site {
    pub(crate) fn of(location: &'static Location<'static>) -> Self {
        Self {
            file: location.file().into(),
            line: location.line(),
        }
    }
}

/// The sum over all channels of a system, past and present.
pub(crate) fn ledger(scheduler: &Scheduler) -> Ledger {
    let mut sum = Ledger::default();
    // All remotes, and not only those of workers that run: a spare that has ended may have made channels.
    for remote in &scheduler.remotes {
        sum += remote.channels.ledger();
    }
    sum
}

fn workers(scheduler: &Scheduler) -> Vec<WorkerInfo> {
    let remotes = scheduler.active_remotes().iter().enumerate();
    remotes
        .map(|(index, remote)| WorkerInfo {
            index,
            // ORDERING: Relaxed (all three): counters with one writer, for observers.
            steps: remote.counters.steps.load(Ordering::Relaxed) / 2,
            steals: remote.counters.steals.load(Ordering::Relaxed),
            parks: remote.counters.parks.load(Ordering::Relaxed),
            queued: remote.thief.len(),
        })
        .collect()
}

pub(super) fn process(
    id: ProcessId,
    about: &About,
    slot: &Slot,
    task: &TaskRef,
    now_ms: u32,
) -> ProcessInfo {
    let line = &slot.line;
    // ORDERING: Acquire here and Relaxed below: see `registry::Line`; a poll that ran meanwhile shows in `seq`.
    let seq = line.seq.load(Ordering::Acquire);
    let parked = task.state.is_parked();
    // ORDERING: Relaxed: as above.
    let (word, object) = (
        line.wait.load(Ordering::Relaxed),
        line.object.load(Ordering::Relaxed),
    );
    let millis = |counter: &crate::sync::AtomicU32| u64::from(counter.load(Ordering::Relaxed));
    let times = Times {
        busy_ms: millis(&line.busy_ms),
        idle_ms: millis(&line.idle_ms),
        pushed_ms: millis(&line.pushed_ms),
        extern_ms: millis(&line.extern_ms),
        calling_ms: millis(&line.calling_ms),
        ready_ms: millis(&line.ready_wait_ms),
    };
    let since = Duration::from_millis(now_ms.wrapping_sub((word >> 32) as u32).into());
    let wait = Wait {
        kind: WaitKind::from_u8((word >> 8) as u8),
        kinds: kinds((word >> 16) as u16 & current::KINDS),
        object,
        since,
    };
    // ORDERING: Acquire: as above.
    let moving = line.seq.load(Ordering::Acquire) != seq;
    ProcessInfo {
        id: id.raw(),
        name: about.name.into(),
        origin: about.number,
        site: about.site.map(Site::of),
        scope: task.scope().map_or(0, |scope| scope.id),
        age: Duration::from_millis(now_ms.wrapping_sub(slot.born_ms()).into()),
        incarnation: task.lineage().map_or(0, |lineage| lineage.incarnation()),
        handler: about.handler_name(slot.handler()).map(Name::Borrowed),
        state: if parked {
            State::Parked
        } else {
            State::Runnable
        },
        wait: parked.then_some(wait),
        times,
        polls: seq,
        ports: about
            .ports
            .iter()
            .filter_map(|port| port_info(about, port))
            .collect(),
        moving,
    }
}

/// The kinds in a word of bits, if there are several.
fn kinds(bits: u16) -> Vec<WaitKind> {
    if bits.count_ones() < 2 {
        return Vec::new();
    }
    let kinds = (0..16).filter(|kind| bits & (1 << kind) != 0);
    kinds.map(WaitKind::from_u8).collect()
}

fn port_info(about: &About, port: Port) -> Option<PortInfo> {
    let name = about.facts.ports.get(port.name());
    Some(PortInfo {
        name: name.map(|&name| name.into()),
        direction: port.direction()?,
        channel: port.object(),
    })
}

#[expect(unsafe_code, reason = "reads channels that their list keeps alive")]
fn channels(
    scheduler: &Scheduler,
    wanted: Option<&HashSet<u64>>,
    part: Option<u64>,
    senders: &HashMap<usize, u64>,
    truncated: &mut Truncated,
) -> Vec<ChannelInfo> {
    let mut channels = Vec::new();
    for remote in scheduler.active_remotes() {
        remote.channels.for_each(|head| {
            // SAFETY: the list is locked, and its channels are alive.
            let shared = unsafe { head.as_ref() };
            // SAFETY: as above.
            let stats = unsafe { (shared.vtable.stats)(head) };
            let id = head.as_ptr().addr() as u64;
            let moves = stats.len > 0 || stats.blocked_senders > 0;
            if wanted.is_some_and(|wanted| !wanted.contains(&id))
                && !(moves && part.is_none() && channels.len() < CHANNELS)
            {
                truncated.channels += 1;
                return;
            }
            // SAFETY: as above.
            let owner = unsafe { (shared.vtable.owner)(head) };
            let mean_wait = (stats.received > 0)
                .then(|| Duration::from_millis(stats.fill).div_f64(stats.received as f64));
            channels.push(ChannelInfo {
                id,
                name: stats.name.map(str::to_owned),
                site: Site::of(shared.site),
                owner: owner.map(|owner| owner.id().raw()),
                last_sender: senders.get(&stats.sent_by).copied(),
                capacity: (stats.capacity != UNBOUNDED).then_some(stats.capacity),
                len: stats.len,
                high_water: stats.high_water,
                sent: stats.sent,
                received: stats.received,
                // SAFETY: as above.
                ledger: unsafe { (shared.vtable.ledger)(head) },
                full_ms: stats.full_ms,
                mean_wait,
                senders: shared.senders(),
                receivers: shared.receivers(),
                blocked_senders: stats.blocked_senders,
                waiting_receivers: stats.waiting_receivers,
            });
        });
    }
    channels
}
