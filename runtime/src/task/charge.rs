//! What the time of a process is charged to: while it waits, and while it is queued.

use crate::sync::{AtomicU32, Ordering};
use crate::task::cell::Header;
use crate::task::registry::WaitKind;

/// Adds to a counter that only this thread writes.
pub(super) fn add(counter: &AtomicU32, by: u32) {
    // ORDERING: see `registry::Line`.
    counter.store(
        counter.load(Ordering::Relaxed).wrapping_add(by),
        Ordering::Relaxed,
    );
}

/// Charges the time since the process parked, if a tick of the coarse clock passed over it.
#[inline]
pub(super) fn charge_wait(task: &Header, now: u32) {
    let line = &task.slot().line;
    // ORDERING: see `registry::Line`.
    let word = line.wait.load(Ordering::Relaxed);
    let since = (word >> 32) as u32;
    if since != now && word != 0 {
        charge_wait_slow(task, now, since, WaitKind::from_u8((word >> 8) as u8));
    }
}

#[cold]
fn charge_wait_slow(task: &Header, now: u32, since: u32, kind: WaitKind) {
    let line = &task.slot().line;
    // ORDERING: see `registry::Line`.
    // Times wrap around after 49 days, and clocks of workers differ: who was woken before it parked, or later than now, was so then.
    let waited = now.wrapping_sub(since);
    let ready = task.scheduler().clock.settled(task.ready_ms());
    let until_ready = ready.wrapping_sub(since);
    let until_ready = match until_ready.cast_signed() < 0 {
        true => 0,
        false => until_ready.min(waited),
    };
    let class = match kind {
        WaitKind::Recv | WaitKind::Select | WaitKind::Stopping => &line.idle_ms,
        WaitKind::Send => &line.pushed_ms,
        WaitKind::Reply | WaitKind::Join | WaitKind::Scope => &line.calling_ms,
        WaitKind::Other
        | WaitKind::Lock
        | WaitKind::Timer
        | WaitKind::Blocking
        | WaitKind::Name
        | WaitKind::Caller => &line.extern_ms,
    };
    add(class, until_ready);
    add(&line.ready_wait_ms, waited - until_ready);
}
