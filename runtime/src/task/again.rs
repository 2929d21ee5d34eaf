//! A second poll, where the first one has said of its waits what is no longer so.
//!
//! An operation says what it waits for when its poll returns `Pending` (`noting.rs`). Ours take that back when another one wins:
//! `select!`, `join!`, `timeout`. Somebody else's combinator knows nothing of it: a `tokio::select!` drops the sleep that it has polled, and
//! one in a loop polls the same future again. What was said then names waits that nobody has, and whoever reads it is misled: a
//! future that was polled earlier, and is kept, hides behind the number of waits, a call in a circle looks like one with a limit of
//! time, and an end that nobody waits for looks like one that was missed.
//!
//! So such a poll is made once more before its process parks: what is dropped by then is not polled, and says nothing. One that does the
//! same again, waits for something unknown as well.
//!
//! Told by two signs:
//! - A wait was given up after another one was said, so that fewer are left than there were then.
//! - The same was said twice, and not by two parts of a `select!` or `join!`.

use std::ptr::NonNull;

use crate::task::cell::Header;
use crate::task::current::{self, CURRENT, CYCLE, Current, UNKNOWN};
use crate::task::state::WAIT;
use crate::task::waits::{Noted, Said};

/// A poll begins, which has said nothing yet.
#[inline]
pub(super) fn begin(current: &Current) {
    current.said.set(Said::NOTHING);
    current.object.set(0);
    current.others.set(0);
    current.stale.set(false);
}

/// How many waits this poll has registered, less those that it gave up, in a unit of its own: the references that are counted with them
/// lie in the upper half.
#[inline]
fn count_of_waits(registered: i64) -> i32 {
    registered as i32
}

/// A wait is said, after `before` others.
#[inline]
pub(super) fn counts(current: &Current, before: usize, wait: Noted) {
    current
        .counted
        .set(count_of_waits(current.registered.get()));
    if before > current.others.get() {
        look_for(current, before, wait);
    }
}

/// Whether it was said before. What says nothing of an object is no sign.
#[cold]
fn look_for(current: &Current, before: usize, wait: Noted) {
    let said = current.waits.iter().take(before).skip(current.others.get());
    if wait.object != 0 && said.into_iter().any(|said| said.get() == wait) {
        current.stale.set(true);
    }
}

/// Polls one of several futures of a combinator of ours, which polls each once: what the others have said is no sign.
#[inline]
pub(crate) fn part<T>(poll: impl FnOnce() -> T) -> T {
    let around = CURRENT.with(|current| current.others.replace(current.said.get().noted()));
    // UNWIND: a step begins with none.
    let polled = poll();
    CURRENT.with(|current| current.others.set(around));
    polled
}

/// A wait of ours is given up. Free of charge if its task is the one that this thread polls.
#[inline]
pub(crate) fn gives_up(header: NonNull<Header>) -> bool {
    let own = current::count_for(header, -WAIT);
    if own {
        CURRENT.with(|current| {
            let fewer = count_of_waits(current.registered.get()) < current.counted.get();
            if fewer && current.said.get().noted() > current.others.get() {
                current.stale.set(true);
            }
        });
    }
    own
}

/// Whether the poll that has just ended is to be made again.
#[inline]
pub(super) fn is_due() -> bool {
    CURRENT.with(|current| current.stale.get())
}

/// Forgets what the first poll has said.
pub(super) fn begin_anew() {
    CURRENT.with(|current| {
        begin(current);
        // Refused is a call that had waited before this step. The first poll has told it.
        current.flags.set(current.flags.get() & !CYCLE);
    });
}

/// Says that what the second poll has said may not be all.
pub(super) fn end_anew() {
    CURRENT.with(|current| {
        if current.stale.get() {
            current.said.set(current.said.get().and_kinds(UNKNOWN));
        }
    });
}
