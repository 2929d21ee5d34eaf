//! The run-next slot of `scheduler/worker.rs`: every task that is put there is taken once, by the owner or by the monitor, and
//! whoever takes it sees what was written to it before.
//!
//! Tried: no fence in `Remote::take_next`, none in `Remote::rob`, and a `rob` that does not look at the step (a task that is taken
//! twice, in all three). A swap in `rob` instead of the exchange fails too, though it is right: loom does not know that nothing
//! comes between the two halves of a swap in the order of stores, and loses the task that is stored next.

#![expect(unsafe_code, reason = "plays the owner of a task cell")]

use loom::cell::UnsafeCell;
use loom::thread;
use std::ptr::NonNull;
use std::sync::Arc;

use super::model;
use crate::channel::dead::Desk;
use crate::scheduler::queue::{Local, Runnable};
use crate::scheduler::worker::Remote;

/// What stands for a task: the slot only carries its address.
type Toy = UnsafeCell<usize>;

fn make(value: usize) -> Runnable {
    let toy: &mut Toy = Box::leak(Box::new(UnsafeCell::new(0)));
    toy.with_mut(|place| {
        // SAFETY: nobody else knows it yet.
        unsafe { *place = value }
    });
    Runnable(NonNull::from(toy).cast())
}

/// Takes the toy, and so checks that nobody else has it.
fn open(task: Runnable) -> usize {
    // SAFETY: made by `make`; whoever takes it from the slot owns it.
    let toy = unsafe { Box::from_raw(task.0.cast::<Toy>().as_ptr()) };
    toy.with_mut(|place| {
        // SAFETY: as above.
        unsafe { std::mem::take(&mut *place) }
    })
}

#[test]
fn every_task_in_the_slot_is_taken_once() {
    model("run-next slot", 3, || {
        let (_local, thief) = Local::new();
        let remote = Arc::new(Remote::new(thief, &Desk::new(), true));
        // In its first step the owner wakes two, in its second one another.
        remote.begin_step(0, 0);
        let monitor = thread::spawn({
            let remote = Arc::clone(&remote);
            move || {
                // The step that it has seen may have ended meanwhile.
                let first = remote.rob(1).map_or(0, open);
                first + remote.rob(3).map_or(0, open)
            }
        });
        let mut sum = 0;
        sum += remote.put_next(make(1)).map_or(0, open);
        sum += remote.put_next(make(10)).map_or(0, open);
        remote.end_step(0);
        sum += remote.take_next().map_or(0, open);
        remote.begin_step(1, 0);
        sum += remote.put_next(make(100)).map_or(0, open);
        remote.end_step(1);
        sum += remote.take_next().map_or(0, open);
        sum += monitor.join().unwrap();
        assert_eq!(sum, 111);
        assert!(remote.take_next().is_none());
    });
}
