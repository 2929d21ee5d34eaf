//! Others that run in the middle of a step: a simulation lets them, on the thread of the process whose step it is.

use std::cell::{Cell, RefCell};

use crate::sim::here;
use crate::task::current::{CURRENT, DEFERRED, with_task};

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
    let kept = CURRENT.with(|current| {
        (
            (current.registered.get(), current.budget.get()),
            (current.said.get(), current.waits.each_ref().map(Cell::get)),
            (current.object.get(), current.edge.get()),
            (current.flags.get(), current.monitors.get()),
            (current.deferred.take(), current.undelivered.take()),
            (current.coarse_ms.get(), current.deadline.take()),
        )
    });
    others();
    let ((registered, budget), (said, waits), wait, (flags, monitors), marks, times) = kept;
    CURRENT.with(|current| {
        current.registered.set(registered);
        current.budget.set(budget);
        current.said.set(said);
        let cells = current.waits.iter().zip(waits);
        cells.for_each(|(cell, wait)| cell.set(wait));
        current.object.set(wait.0);
        current.edge.set(wait.1);
        current.flags.set(flags);
        current.monitors.set(monitors);
        current.deferred.set(marks.0);
        current.undelivered.set(marks.1);
        current.coarse_ms.set(times.0);
        current.deadline.set(times.1);
    });
    DEFERRED.with(|list| list.borrow_mut().extend(deferred));
}
