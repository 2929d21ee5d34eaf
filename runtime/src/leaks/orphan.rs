//! Waits for something whose owner has ended: a lock, permits, or the answer to a call.
//!
//! Whoever ends gives back what it has: endpoints are dropped, locks go to the next, calls are told that no reply comes. Three things
//! can be taken out of a process, or be forgotten with it, and it is known who had them: a guard, a permit, and the
//! [`Reply`](crate::Reply) of a call. If that process is gone, and somebody still waits, what it had was forgotten (`mem::forget`, an
//! `Arc` that keeps itself), or it lies with somebody else who may still give it back: so this is no proof, and told of waits that are
//! old only.
//!
//! Endpoints of channels have no owner that is known, unless they are lent, and what was lent ends with its process. So who forgets one
//! leaves a suspect behind, and no orphan.

use super::suspect::{Waiting, Witness};
use crate::scheduler::Scheduler;
use crate::task::waits::Noted;
use crate::task::{ProcessId, WaitKind};

/// Why nobody is left who could end the waits of this process, as far as it is known: the owner of each is gone.
pub(super) fn why(
    witness: &Witness<'_>,
    scheduler: &Scheduler,
    process: &Waiting,
) -> Option<String> {
    if process.is_wakeable() {
        return None;
    }
    let waits = process.waits.iter();
    // A stop may always come.
    let waits = waits.filter(|wait| wait.kind != WaitKind::Stopping);
    let reasons: Option<Vec<_>> = waits
        .map(|&wait| reason(witness, scheduler, process.id, wait))
        .collect();
    reasons?.into_iter().next()
}

/// Why the owner of what this wait is for is gone.
pub(super) fn reason(
    witness: &Witness<'_>,
    scheduler: &Scheduler,
    process: ProcessId,
    wait: Noted,
) -> Option<String> {
    match wait.kind {
        WaitKind::Lock => {
            let gate = scheduler.gates.get(wait.object)?;
            let turn = gate.turn(process)?;
            // Who waits for his turn waits for those before him.
            let holders = &turn.holders;
            let ended = |id: Option<ProcessId>| id.is_some_and(|id| is_gone(scheduler, id));
            let gone = turn.ahead.is_empty()
                && !holders.is_empty()
                && holders.iter().all(|holder| ended(holder.process));
            let first = holders.first().filter(|_| gone)?;
            let id = first.process?;
            let (name, what) = match gate.is_semaphore() {
                true => (first.name, "the permit"),
                false => (first.name, "the guard"),
            };
            Some(format!(
                "{name}{id} has ended, and did not give back {what}: it was forgotten, or given to somebody else, who may still give it back"
            ))
        }
        WaitKind::Reply => {
            let server = witness.server_of(wait)?;
            if !is_gone(scheduler, server) {
                return None;
            }
            let (name, _) = witness.name(server);
            Some(format!(
                "{name}{server} has ended, and did not answer: the `Reply` was forgotten, or given to somebody else, who may still answer"
            ))
        }
        _ => None,
    }
}

/// Whether this process is over. Waits for whoever is at its slot, so the answer is true of this moment, whatever it is.
fn is_gone(scheduler: &Scheduler, id: ProcessId) -> bool {
    let slot = scheduler.registry.slot(id.index());
    slot.and_then(|slot| slot.look(|now, _, _| now == id)) != Some(true)
}
