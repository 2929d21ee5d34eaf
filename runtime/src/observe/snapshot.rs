//! A snapshot of a system: what the [model](super::model) is filled with.
//!
//! Weakly consistent: each process is read once, while everything runs on. A process that was polled while it was read is
//! marked as `moving`.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, SystemTime};

use super::locks::LockInfo;
use super::model::{
    ChannelInfo, Name, OtherChannel, PortInfo, ProcessInfo, Site, Snapshot, State, Times,
    Truncated, Wait, WorkerInfo,
};
use super::take::{Limits, Pass, Taken};
use crate::channel::core::UNBOUNDED;
use crate::observe::Ledger;
use crate::scheduler::Scheduler;
use crate::sync::Ordering;
use crate::system::SystemInner;
use crate::task::current;
use crate::task::ports::Port;
use crate::task::registry::{About, Slot, WaitKind};
use crate::task::{ProcessId, TaskRef};

/// Channels that hold messages and are in a snapshot that is limited, beside those that somebody is known to use.
const CHANNELS: usize = 1000;

impl Snapshot {
    pub(crate) fn take(system: &SystemInner, limits: Limits) -> Self {
        let scheduler = &*system.scheduler;
        let now = scheduler.clock.now();
        let mut pass = Pass::run(system, limits);
        let awaited = pass.awaited();
        let others = other_channels(scheduler, &awaited);
        let locks = LockInfo::among(scheduler, &awaited);
        let wanted = limits.per_group.map(|_| awaited);
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
            others,
            locks,
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

/// The sum over all channels of a system, past and present.
pub(crate) fn ledger(scheduler: &Scheduler) -> Ledger {
    let mut sum = Ledger::default();
    // All remotes, and not only those of workers that run: a spare that has ended may have made channels.
    for remote in &scheduler.remotes {
        sum += remote.channels.ledger();
    }
    sum
}

/// The channels that are not cores and that somebody waits for.
fn other_channels(scheduler: &Scheduler, awaited: &HashSet<u64>) -> Vec<OtherChannel> {
    let mut others = Vec::new();
    for remote in &scheduler.remotes {
        remote.channels.for_each_account(|id, kind, site| {
            if awaited.contains(&id) {
                others.push(OtherChannel {
                    id,
                    kind,
                    site: Site::of(site),
                    column: site.column(),
                });
            }
        });
    }
    others
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
    system: &SystemInner,
    (id, about, slot, task): (ProcessId, &About, &Slot, &TaskRef),
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
    let kind = WaitKind::from_u8((word >> 8) as u8);
    let bits = (word >> 16) as u16 & current::KINDS;
    let (kinds, name) = if bits & WaitKind::Other.bit() == 0 {
        (kinds(bits), None)
    } else {
        others(system, slot)
    };
    let wait = Wait {
        kind,
        kinds: if kind == WaitKind::Select || kinds.len() > 1 {
            kinds
        } else {
            Vec::new()
        },
        // A number of our own, which leads to the name.
        object: if kind == WaitKind::Name { 0 } else { object },
        name,
        since,
    };
    // ORDERING: Acquire: as above.
    let moving = line.seq.load(Ordering::Acquire) != seq;
    ProcessInfo {
        id,
        name: about.name.into(),
        origin: about.number,
        site: about.site.map(Site::of),
        scope: task.scope().map_or(0, |scope| scope.id),
        age: Duration::from_millis(now_ms.wrapping_sub(slot.born_ms()).into()),
        incarnation: task.lineage().map_or(0, |lineage| lineage.incarnation()),
        handler: about.handler_name(slot.handler()).map(Name::Borrowed),
        state: match task.lineage() {
            _ if parked => State::Parked,
            Some(lineage) if seq == 0 && lineage.is_held_back() => State::Unstarted,
            _ => State::Runnable,
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

/// The kinds of what a process waits for, one by one, where the word does not tell them apart; and the first name that it waits for.
fn others(system: &SystemInner, slot: &Slot) -> (Vec<WaitKind>, Option<Name>) {
    let (mut kinds, mut name) = (Vec::new(), None);
    system.scheduler.registry.waits(slot, |wait| {
        if !kinds.contains(&wait.kind) {
            kinds.push(wait.kind);
        }
        if wait.kind == WaitKind::Name && name.is_none() {
            let watched = system.names.watched(wait.object);
            name = watched.map(|name| Name::Owned(name.into()));
        }
    });
    (kinds, name)
}

/// The kinds in a word of bits.
fn kinds(bits: u16) -> Vec<WaitKind> {
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
    senders: &HashMap<usize, ProcessId>,
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
                owner: owner.map(|owner| owner.id()),
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
                column: shared.site.column(),
            });
        });
    }
    channels
}
