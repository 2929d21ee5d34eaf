//! A process that was told to stop, and the work beside its handlers (`process/then.rs`): it waits until the last piece is a monitor,
//! or is gone, and is woken then; with a piece that goes on to work again it may end or wait, and is not left asleep.
//!
//! Tried: a count that is looked at before the waker is left, under a lock of its own (the process sleeps for ever); `less` that wakes
//! before the last piece is gone, and not again (the same).

use loom::thread;
use std::future::poll_fn;
use std::sync::Arc;

use super::{block_on, model};
use crate::process::then::{Share, Work};

#[test]
fn a_process_is_woken_when_only_monitors_are_left() {
    model("monitor, gone", 3, || {
        let work = Arc::<Work>::default();
        let mut first = Share::new(&work);
        let second = Share::new(&work);
        let one = thread::spawn(move || {
            first.set(false);
            first
        });
        let other = thread::spawn(move || drop(second));
        block_on(poll_fn(|cx| work.poll_over(cx)));
        other.join().unwrap();
        drop(one.join().unwrap());
    });
}

#[test]
fn a_monitor_that_works_again_is_waited_for_or_not() {
    model("monitor, work, gone", 3, || {
        let work = Arc::<Work>::default();
        let mut share = Share::new(&work);
        let piece = thread::spawn(move || {
            share.set(false);
            share.set(true);
            drop(share);
        });
        block_on(poll_fn(|cx| work.poll_over(cx)));
        piece.join().unwrap();
        // Whoever asks later is not held up.
        block_on(poll_fn(|cx| work.poll_over(cx)));
    });
}
