//! Who is parked although a lock is his, or the process has ended that he waits for.
//!
//! A wake may be under way at any moment: a worker has given the lock on, or ended the process, and the operating system has put it
//! aside. So what is found is a doubt, and told when the same process, not polled since, is found again a second later. In a
//! simulation, where a step is over when anybody looks, it is told at once.
//!
//! Replies, and channels with endpoints of their own, do not show what lies in them to anybody but their two sides, so nothing is
//! known of these.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use super::lost::Late;
use crate::scheduler::Scheduler;
use crate::sync::{Lock, Ordering};
use crate::task::current::{KINDS, UNKNOWN};
use crate::task::registry::Slot;
use crate::task::{ProcessId, WaitKind};

/// How long a wake may be under way.
const UNDER_WAY: Duration = Duration::from_secs(1);

/// Whom a look has found, how often he had been polled, and when it was that he was found first.
#[derive(Debug)]
pub(crate) struct Doubts(Lock<HashMap<ProcessId, (u64, Instant)>>);

impl Doubts {
    pub(crate) fn new() -> Self {
        Self(Lock::new(HashMap::new()))
    }

    /// Those who have been in doubt for long enough.
    fn settle(&self, scheduler: &Scheduler, found: Vec<Late>) -> Vec<Late> {
        let now = scheduler.clock.now();
        let mut known = self.0.lock();
        let mut doubts = HashMap::new();
        let is_late = |late: &Late| {
            let (Some(&id), Some(&polls)) = (late.processes.first(), late.polls.first()) else {
                return false;
            };
            let before = known.get(&id).filter(|(seen, _)| *seen == polls);
            let since = before.map_or(now, |&(_, since)| since);
            doubts.insert(id, (polls, since));
            scheduler.clock.is_virtual() || now.saturating_duration_since(since) >= UNDER_WAY
        };
        let late = found.into_iter().filter(is_late).collect();
        *known = doubts;
        late
    }
}

pub(super) fn find(scheduler: &Scheduler) -> Vec<Late> {
    let slots = scheduler.registry.slots();
    let found = slots.filter_map(|slot| look(scheduler, slot)).collect();
    scheduler.lost.doubts.settle(scheduler, found)
}

/// What a process waits for, if that is one thing, and there.
fn look(scheduler: &Scheduler, slot: &Slot) -> Option<Late> {
    // ORDERING: see `registry::Line`; what is read here only saves a closer look.
    let kinds = (slot.line.wait.load(Ordering::Relaxed) >> 16) as u16;
    let (join, lock) = (WaitKind::Join.bit(), WaitKind::Lock.bit());
    let one_kind = kinds & KINDS == join || kinds & KINDS == lock;
    if !one_kind || kinds & UNKNOWN != 0 || !slot.is_used() || slot.scope_bits() == 0 {
        return None;
    }
    slot.peek(|id, _, task| {
        // ORDERING: Acquire: see `registry::Line`.
        let seq = slot.line.seq.load(Ordering::Acquire);
        let mut waits = Vec::new();
        scheduler.registry.waits(slot, |wait| waits.push(wait));
        let there = waits.iter().find_map(|wait| match wait.kind {
            WaitKind::Join => {
                let awaited = ProcessId::from_raw(wait.object)?;
                was_seen_to_be_gone(scheduler, awaited)
                    .then(|| ("that has ended".to_owned(), Some(awaited)))
            }
            WaitKind::Lock => {
                let gate = scheduler.gates.get(wait.object)?;
                gate.owes(id).map(|why| (why.to_owned(), None))
            }
            _ => None,
        });
        // ORDERING: Acquire: as above; nothing of it is said unless the same is seen again later.
        let rests = task.state.is_at_rest() && slot.line.seq.load(Ordering::Acquire) == seq;
        let (why, ended) = there.filter(|_| rests)?;
        Some(Late {
            kind: if ended.is_some() {
                WaitKind::Join
            } else {
                WaitKind::Lock
            },
            processes: vec![id],
            polls: vec![seq],
            why,
            mailbox: false,
            name: None,
            site: None,
            ended,
        })
    })?
}

/// Whether this process is over, and that could be seen without waiting. False says nothing: whoever is at a slot may be about to
/// take its process out, so the doubt that would come of it is left to the next look.
///
/// The task that stands for a supervised child is never shown, and is polled once: when the child is over.
fn was_seen_to_be_gone(scheduler: &Scheduler, id: ProcessId) -> bool {
    let slot = scheduler.registry.slot(id.index());
    slot.is_some_and(|slot| {
        slot.peek_if_free(|now, _, _| now == id) == Some(false)
            && (slot.id() != id || slot.has_run())
    })
}
