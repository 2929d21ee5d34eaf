//! The run-next slot of `scheduler/worker.rs`: every task that is put there is taken once, by the owner or by a thief, and
//! whoever takes it sees what was written to it before.
//!
//! Tried: a store instead of the swap in `Remote::put_next` when the slot is full (a task is lost or doubled); Relaxed
//! instead of Release there, and instead of Acquire in `take_next` (a race on the task).

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
        let remote = Arc::new(Remote::new(thief, &Desk::new()));
        let thieves: Vec<_> = (0..2)
            .map(|_| {
                let remote = Arc::clone(&remote);
                thread::spawn(move || remote.take_next().map_or(0, open))
            })
            .collect();
        let mut sum = 0;
        for value in [1, 10, 100] {
            sum += remote.put_next(make(value)).map_or(0, open);
        }
        sum += remote.take_next().map_or(0, open);
        for thief in thieves {
            sum += thief.join().unwrap();
        }
        assert_eq!(sum, 111);
        assert!(remote.take_next().is_none());
    });
}
