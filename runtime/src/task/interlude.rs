//! Others that run in the middle of a step: a simulation lets them, on the thread of the process whose step it is.

use std::cell::{Cell, RefCell};
use std::time::Instant;

use crate::sim::here;
use crate::task::current::{CURRENT, Current, DEFERRED, with_task};
use crate::task::waits::{self, Noted, Said};

/// In a simulation, after an operation that had not to wait: others may run before the process goes on.
#[inline]
pub(crate) fn lags() {
    if here::is_here() {
        with_task(|task| task.into_iter().for_each(here::lags));
    }
}

/// Lets others run in the middle of a step of the current process, and puts everything back that says what this thread does.
pub(crate) fn run_others(others: impl FnOnce()) {
    let deferred = DEFERRED.with(RefCell::take);
    let kept = CURRENT.with(Kept::take);
    others();
    CURRENT.with(|current| kept.put_back(current));
    DEFERRED.with(|list| list.borrow_mut().extend(deferred));
}

/// What a step has left on its thread so far.
struct Kept {
    registered: i64,
    budget: u32,
    said: Said,
    waits: [Noted; waits::MOST],
    object: u64,
    edge: u64,
    flags: u32,
    monitors: u32,
    deferred: bool,
    coarse_ms: u32,
    undelivered: bool,
    deadline: Option<Instant>,
}

impl Kept {
    fn take(current: &Current) -> Self {
        // By name, all of them: who adds one must say here whether it is kept.
        let Current {
            // A frame puts it back, no process is attached to a thread that polls one, and a place is of one step only.
            task: _,
            attached: _,
            panicked_at: _,
            registered,
            budget,
            said,
            waits,
            object,
            edge,
            flags,
            monitors,
            deferred,
            coarse_ms,
            undelivered,
            deadline,
        } = current;
        Self {
            registered: registered.get(),
            budget: budget.get(),
            said: said.get(),
            waits: waits.each_ref().map(Cell::get),
            object: object.get(),
            edge: edge.get(),
            flags: flags.get(),
            monitors: monitors.get(),
            deferred: deferred.take(),
            coarse_ms: coarse_ms.get(),
            undelivered: undelivered.take(),
            deadline: deadline.take(),
        }
    }

    fn put_back(self, current: &Current) {
        let Self {
            registered,
            budget,
            said,
            waits,
            object,
            edge,
            flags,
            monitors,
            deferred,
            coarse_ms,
            undelivered,
            deadline,
        } = self;
        current.registered.set(registered);
        current.budget.set(budget);
        current.said.set(said);
        for (cell, wait) in current.waits.iter().zip(waits) {
            cell.set(wait);
        }
        current.object.set(object);
        current.edge.set(edge);
        current.flags.set(flags);
        current.monitors.set(monitors);
        current.deferred.set(deferred);
        current.coarse_ms.set(coarse_ms);
        current.undelivered.set(undelivered);
        current.deadline.set(deadline);
    }
}
