//! A snapshot of a system, as plain types.
//!
//! Weakly consistent: each process is read once, while everything runs on. A process that was polled while it was read is
//! marked as `moving`. Nothing of the messages is in it, only names and numbers. With the feature `serde` the types can be
//! serialised; `schema` changes when their meaning does.

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::panic::Location;
use std::time::{Duration, SystemTime};

use crate::channel::core::UNBOUNDED;
use crate::observe::Ledger;
use crate::scheduler::Scheduler;
use crate::sync::Ordering;
use crate::system::SystemInner;
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
    /// Its workers, spares included.
    pub workers: Vec<WorkerInfo>,
    /// Where its living processes come from, the most numerous first.
    pub origins: Vec<OriginInfo>,
    /// Its living processes.
    pub processes: Vec<ProcessInfo>,
    /// Its channels, mailboxes included.
    pub channels: Vec<ChannelInfo>,
    /// Timers that wait to fire.
    pub timers: usize,
    /// What became of all messages, those of channels that are gone included.
    pub ledger: Ledger,
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
    /// The channel, process or scope: the `id` of an entry of this snapshot; 0 if it is none of them, or several.
    pub object: u64,
    /// Since when, to a few milliseconds.
    pub since: Duration,
}

/// Milliseconds of a process's life, by what it did. They are sampled: exact over seconds, not over moments.
#[derive(Debug, Clone, Copy, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[non_exhaustive]
pub struct Times {
    /// Ran.
    pub busy_ms: u32,
    /// Waited to receive.
    pub idle_ms: u32,
    /// Waited to send: back-pressure.
    pub pushed_ms: u32,
    /// Waited for I/O, a timer, a lock or another crate's future.
    pub extern_ms: u32,
    /// Waited for a reply or for another process to end.
    pub calling_ms: u32,
    /// Could have run, and waited for a worker.
    pub ready_ms: u32,
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

impl Snapshot {
    pub(crate) fn take(system: &SystemInner) -> Self {
        let scheduler = &*system.scheduler;
        let now_ms = scheduler.clock.coarse_ms();
        let mut processes = Vec::new();
        let mut origins: HashMap<u32, OriginInfo> = HashMap::new();
        scheduler.registry.for_each(|id, about, slot, task| {
            let age = Duration::from_millis(now_ms.wrapping_sub(slot.born_ms()).into());
            let origin = origins
                .entry(about.number)
                .or_insert_with(|| OriginInfo::new(about.origin, age));
            origin.alive += 1;
            origin.oldest = origin.oldest.max(age);
            origin.youngest = origin.youngest.min(age);
            processes.push(process(id, about, slot, &task, now_ms));
        });
        let mut origins: Vec<OriginInfo> = origins.into_values().collect();
        origins.sort_by_key(|origin| (Reverse(origin.alive), origin.id));
        Self {
            schema: 1,
            at: SystemTime::now(),
            uptime: scheduler.clock.uptime(),
            system: system.name().to_owned(),
            workers: workers(scheduler),
            origins,
            processes,
            channels: channels(scheduler),
            timers: scheduler.timers.len(),
            ledger: ledger(scheduler),
        }
    }
}

impl OriginInfo {
    fn new(origin: &'static Origin, age: Duration) -> Self {
        Self {
            id: origin.number,
            name: origin.name.into(),
            site: origin.site.map(Site::of),
            alive: 0,
            budget: Some(origin.budget).filter(|&budget| budget != 0),
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

fn process(id: ProcessId, about: &About, slot: &Slot, task: &TaskRef, now_ms: u32) -> ProcessInfo {
    let line = &slot.line;
    // ORDERING: Acquire here and Relaxed below: see `registry::Line`; a poll that ran meanwhile shows in `seq`.
    let seq = line.seq.load(Ordering::Acquire);
    let parked = task.state.is_parked();
    // ORDERING: Relaxed: as above.
    let (word, object) = (
        line.wait.load(Ordering::Relaxed),
        line.object.load(Ordering::Relaxed),
    );
    let millis = |counter: &crate::sync::AtomicU32| counter.load(Ordering::Relaxed);
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

fn port_info(about: &About, port: Port) -> Option<PortInfo> {
    let name = about.origin.ports.get(port.name());
    Some(PortInfo {
        name: name.map(|&name| name.into()),
        direction: port.direction()?,
        channel: port.object(),
    })
}

#[expect(unsafe_code, reason = "reads channels that their list keeps alive")]
fn channels(scheduler: &Scheduler) -> Vec<ChannelInfo> {
    let mut channels = Vec::new();
    for remote in scheduler.active_remotes() {
        remote.channels.for_each(|head| {
            // SAFETY: the list is locked, and its channels are alive.
            let shared = unsafe { head.as_ref() };
            // SAFETY: as above.
            let stats = unsafe { (shared.vtable.stats)(head) };
            let mean_wait = (stats.received > 0)
                .then(|| Duration::from_millis(stats.fill).div_f64(stats.received as f64));
            channels.push(ChannelInfo {
                id: head.as_ptr().addr() as u64,
                name: stats.name.map(str::to_owned),
                site: Site::of(shared.site),
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
