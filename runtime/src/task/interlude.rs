//! Others that run in the middle of a step: a simulation lets them, on the thread of the process whose step it is.

use std::cell::RefCell;

use crate::sim::here;
use crate::task::current::{CURRENT, Current, DEFERRED, with_task};

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
    let kept = Current::new();
    CURRENT.with(|current| {
        // The time is that of the last step, whoever made it.
        kept.coarse_ms.set(current.coarse_ms.get());
        swap(current, &kept);
    });
    others();
    CURRENT.with(|current| swap(current, &kept));
    DEFERRED.with(|list| list.borrow_mut().extend(deferred));
}

/// Calls `f` between two steps of those others: what it does is done by no process, also not by the one in whose step they run.
pub(crate) fn by_nobody(f: impl FnOnce()) {
    let task = CURRENT.with(|current| current.task.replace(std::ptr::null()));
    f();
    CURRENT.with(|current| current.task.set(task));
}

/// Exchanges what a step leaves on its thread.
fn swap(one: &Current, other: &Current) {
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
        others,
        counted,
        stale,
        edge,
        flags,
        monitors,
        deferred,
        coarse_ms,
        undelivered,
        deadline,
    } = one;
    registered.swap(&other.registered);
    budget.swap(&other.budget);
    // What lies behind those that were said is of earlier steps.
    let most = said.get().noted().max(other.said.get().noted());
    for (one, other) in waits.iter().zip(&other.waits).take(most) {
        one.swap(other);
    }
    said.swap(&other.said);
    object.swap(&other.object);
    others.swap(&other.others);
    counted.swap(&other.counted);
    stale.swap(&other.stale);
    edge.swap(&other.edge);
    flags.swap(&other.flags);
    monitors.swap(&other.monitors);
    deferred.swap(&other.deferred);
    coarse_ms.swap(&other.coarse_ms);
    undelivered.swap(&other.undelivered);
    deadline.swap(&other.deadline);
}
