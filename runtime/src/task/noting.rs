//! What a poll says that its process waits for: one wait, several, or something that cannot be said.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::pin;
use std::ptr;
use std::task::Poll;

use crate::observe::BOOKS;
use crate::scheduler::Scheduler;
use crate::task::cell::Header;
use crate::task::current::{
    BETWEEN, CALLS, CURRENT, CYCLE, KINDS, PLACED, SET, UNKNOWN, note, waits_at, waits_for,
    with_task,
};
use crate::task::registry::WaitKind;
use crate::task::waits::{self, Said};
use crate::task::{again, asked};

/// What a poll said that it waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Waits {
    kind: WaitKind,
    kinds: u16,
    object: u64,
}

/// Calls `poll` on a thread that polls no process, and says what it waits for then.
pub(crate) fn watched<T>(poll: impl FnOnce() -> T) -> (T, Waits) {
    CURRENT.with(|current| {
        again::begin(current);
        current.said.set(Said::NOTHING.last(WaitKind::Other));
    });
    let polled = poll();
    let waits = CURRENT.with(|current| Waits {
        kind: current.said.get().kind(),
        kinds: current.said.get().kinds(),
        object: current.object.get(),
    });
    (polled, waits)
}

/// Notes that the current process waits for what a thread waits for that works for it.
pub(crate) fn waits_as(waits: Waits) {
    CURRENT.with(|current| {
        let said = current.said.get().last(waits.kind);
        // What the thread does next is not up to this process.
        current.said.set(said.and_kinds(waits.kinds | UNKNOWN));
        current.object.set(waits.object);
    });
}

/// Notes a wait that one process only can end, as [`waits_for`]; `by` is its id, or zero if it is not known.
#[inline]
pub(crate) fn waits_for_process(kind: WaitKind, object: u64, by: u64) {
    if !BOOKS {
        return;
    }
    CURRENT.with(|current| {
        note(current, kind, object, |said| said.and_edge(by));
        current.edge.set(by);
    });
}

/// Says that the wait for room that was noted last is a part of a call, which may be refused, and where that was made.
pub(crate) fn waits_in_call(asked: u32) {
    mark(CALLS);
    waits_at(asked);
}

/// Says where the current process waits: of a wait for a message or for room, or of a `select!`, that this poll has noted last.
#[inline]
pub(crate) fn waits_here(site: &'static Location<'static>) {
    mark(PLACED);
    waits_at(asked::at(site, 0));
}

/// The same, of a message for a handler.
pub(crate) fn waits_here_for(asked: u32) {
    mark(PLACED);
    waits_at(asked);
}

/// Passes on what a poll has returned that was made where the caller stands, which is where its process waits if it is pending. A poll
/// that is not costs nothing: the place is a constant of the program.
#[inline(always)]
#[track_caller]
pub(crate) fn placed<T>(polled: Poll<T>) -> Poll<T> {
    if polled.is_pending() {
        waits_here(Location::caller());
    }
    polled
}

/// Whether a call of the current process was refused: [`refusal`] says which one, and why.
#[inline]
pub(crate) fn is_refused() -> bool {
    CURRENT.with(|current| current.flags.get() & CYCLE != 0)
}

/// The names of those in the cycle because of which this call to a mailbox is refused, if the current process waited for nothing
/// else when it parked last. They are told once.
#[cold]
pub(crate) fn refusal(mailbox: u64) -> Option<Vec<String>> {
    if !is_refused() {
        return None;
    }
    with_task(|task| {
        let (slot, scheduler) = task.map(|task| (task.slot(), task.scheduler()))?;
        scheduler.cycles.take(slot, mailbox)
    })
}

/// Notes a wait that any of several objects ends, for which one waker was left; `shown` is the one in the line of counters.
pub(crate) fn waits_for_one_of(kind: WaitKind, objects: impl Iterator<Item = u64>, shown: u64) {
    let mut objects = objects.peekable();
    for _ in 0..waits::MOST {
        let Some(object) = objects.next() else { break };
        waits_for(kind, object);
    }
    if objects.peek().is_some() {
        waits_for_more();
    }
    mark(SET);
    CURRENT.with(|current| current.object.set(shown));
}

/// Notes that the current process also waits for something that cannot be said: anybody may wake it.
pub(crate) fn waits_for_more() {
    mark(UNKNOWN);
}

/// Notes that what was noted last is of systems with these schedulers: the numbers of another system say nothing here.
pub(crate) fn waits_in<'a>(mut schedulers: impl Iterator<Item = &'a Scheduler>) {
    let mut elsewhere =
        |task: &Header| schedulers.any(|scheduler| !ptr::eq(task.scheduler(), scheduler));
    if with_task(|task| task.is_some_and(&mut elsewhere)) {
        waits_for_more();
    }
}

/// Notes that the current process waits between two messages: its loop owns its state, and nobody borrows it.
pub(crate) fn waits_between() {
    mark(BETWEEN);
}

/// Notes that the loop of the current process keeps so many timers while one of its handlers waits, which it does not look at before
/// that has ended.
pub(crate) fn keeps_timers(timers: usize) {
    CURRENT.with(|current| current.said.set(current.said.get().keeps(timers)));
}

/// Notes the number of the handler that the current process is in, whenever that waits. One that does not wait pays nothing.
pub(crate) async fn in_handler<F: Future>(handler: u8, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut noted = false;
    poll_fn(move |cx| {
        let polled = future.as_mut().poll(cx);
        if polled.is_pending() != noted {
            noted = !noted;
            let handler = if noted { handler.saturating_add(1) } else { 0 };
            with_task(|task| {
                if let Some(task) = task {
                    task.slot().set_handler(handler);
                }
            });
        }
        polled
    })
    .await
}

fn mark(bit: u16) {
    CURRENT.with(|current| current.said.set(current.said.get().and_kinds(bit)));
}

/// Polls one of several futures that the process waits for. One that does not say what it waits for, waits for something unknown.
pub(crate) fn noted<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
    let before = waits_so_far();
    let others = CURRENT.with(|current| {
        let said = current.said.get();
        current.said.set(said.only_kinds(0));
        said.kinds()
    });
    let polled = again::part(poll);
    if polled.is_ready() {
        wait_no_more(before);
        return polled;
    }
    CURRENT.with(|current| {
        if current.said.get().kinds() & !PLACED == 0 {
            waits_for(WaitKind::Other, 0);
        }
        current.said.set(current.said.get().and_kinds(others));
    });
    polled
}

/// The wait for an end that was noted last is a monitor's: it wants to be told of the end, and no value of it.
pub(crate) fn monitors() {
    CURRENT.with(|current| current.monitors.set(current.monitors.get().wrapping_add(1)));
}

/// Polls a future. True if it waits for nothing but to be told of the end of one process.
pub(crate) fn monitoring<T>(poll: impl FnOnce() -> Poll<T>) -> (Poll<T>, bool) {
    let before = CURRENT.with(|current| current.monitors.get());
    let polled = poll();
    let monitors = CURRENT.with(|current| {
        let said = current.said.get();
        said.kinds() & (KINDS | UNKNOWN) == WaitKind::Join.bit()
            && said.noted() == 1
            && current.monitors.get().wrapping_sub(before) == 1
    });
    let monitors = monitors && polled.is_pending();
    (polled, monitors)
}

/// What the operation that was polled last waits for.
pub(crate) fn wait_in_words() -> &'static str {
    CURRENT.with(|current| match current.said.get().kind() {
        WaitKind::Recv => "`blocking_recv` waits for a message",
        WaitKind::Send => "`blocking_send` waits for room",
        WaitKind::Lock => "it waits for a lock",
        _ => "it waits for another process",
    })
}

/// The waits that a poll has noted by now.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SoFar {
    said: Said,
    object: u64,
    edge: u64,
}

/// What this poll waits for by now: for [`wait_no_more`].
#[inline]
pub(crate) fn waits_so_far() -> SoFar {
    CURRENT.with(|current| SoFar {
        said: current.said.get(),
        object: current.object.get(),
        edge: current.edge.get(),
    })
}

/// The wait that was noted last is over, before anything came of it. If there are others, another poll says which.
#[cold]
pub(crate) fn last_is_over() {
    CURRENT.with(|current| {
        let said = current.said.get();
        if said.noted() > 1 {
            return current.stale.set(true);
        }
        // One that noted nothing, because its budget was used up, is polled again in any case.
        current.said.set(said.without_waits());
        current.object.set(0);
    });
}

/// Takes back the waits that were noted since: the operation that noted them has ended, and the process goes on.
#[inline]
pub(crate) fn wait_no_more(before: SoFar) {
    CURRENT.with(|current| {
        current.said.set(before.said);
        // The one wait that is left may have been noted before.
        current.object.set(before.object);
        current.edge.set(before.edge);
    });
}

/// Polls several futures, of which the first one that is ready wins: nothing is awaited any more of what the others have said.
#[inline]
pub(crate) fn race<T>(poll: impl FnOnce() -> Poll<T>) -> Poll<T> {
    let before = waits_so_far();
    let polled = poll();
    if polled.is_ready() {
        wait_no_more(before);
    }
    polled
}

/// Notes a wait of several arms.
pub(crate) fn waits_for_any() {
    CURRENT.with(|current| {
        current.said.set(current.said.get().last(WaitKind::Select));
        current.object.set(0);
    });
}
