//! The task cell of `task/state.rs` and `task/cell.rs`: a wake is never lost; one thread at a time polls; the future is
//! dropped once, before the exit is seen; the cell is freed once, by whoever gives up the last reference; of two who ask for the
//! value one gets it.
//!
//! The cells are the production ones in a system without threads; the model takes the tasks from the injector and runs
//! them, on one or two threads.
//!
//! Tried: a notification of a scheduled task that is not noted (a deadlock); `State::park` that ignores one (a task that never ends);
//! Relaxed instead of AcqRel in `park` (a race on the stage). Not seen: Relaxed in `may_poll`, since the queue orders as well.

#![expect(unsafe_code, reason = "cells that loom watches")]

use loom::thread;
use std::future::{IntoFuture, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};

use super::{Counted, Drops, Race, block_on, model, system};
use crate::process::Exit;
use crate::scheduler::queue::Local;
use crate::sync::{AtomicUsize, Lock, Ordering, UnsafeCell};
use crate::system::SystemInner;
use crate::task::Task;
use crate::task::cell::{self, Step};
use crate::task::waker::TaskWaker;

struct World {
    system: Arc<SystemInner>,
    /// How a waker is taken in a poll: as a wait of ours does, or as a foreign future does.
    ours: bool,
    wakers: [Lock<Option<Waiter>>; 2],
    /// What the wakers write and the task reads.
    written: [UnsafeCell<usize>; 2],
    ready: [AtomicUsize; 2],
    race: Race,
}

enum Waiter {
    Ours(TaskWaker),
    Foreign(Waker),
}

impl Waiter {
    fn wake(self) {
        match self {
            Self::Ours(waker) => waker.wake(),
            Self::Foreign(waker) => waker.wake(),
        }
    }
}

// SAFETY: each of `written` is given on by the flag of the same index.
unsafe impl Sync for World {}
// SAFETY: as above.
unsafe impl Send for World {}

impl World {
    fn new(ours: bool) -> Arc<Self> {
        Arc::new(Self {
            system: system(1),
            ours,
            wakers: [Lock::new(None), Lock::new(None)],
            written: [UnsafeCell::new(0), UnsafeCell::new(0)],
            ready: [AtomicUsize::new(0), AtomicUsize::new(0)],
            race: Race::default(),
        })
    }

    /// A process that waits until `count` wakers have written, and owns something.
    fn spawn(self: &Arc<Self>, count: usize, owned: Counted) -> Task<usize> {
        let world = Arc::clone(self);
        let mut polls = 0;
        self.system.run_internally("waits", async move {
            let _owned = owned;
            poll_fn(move |cx| {
                // A local of the future: two threads that poll at once race here.
                polls += 1;
                for (waker, ready) in world.wakers.iter().zip(&world.ready).take(count) {
                    if ready.load(Ordering::Relaxed) == 1 {
                        continue;
                    }
                    let new = if world.ours {
                        Waiter::Ours(TaskWaker::of(cx))
                    } else {
                        Waiter::Foreign(cx.waker().clone())
                    };
                    let old = waker.lock().replace(new);
                    drop(old.map(|old| match old {
                        Waiter::Ours(waker) => drop(waker),
                        Waiter::Foreign(waker) => drop(waker),
                    }));
                }
                let all = world.ready.iter().take(count);
                if all.clone().all(|flag| flag.load(Ordering::Acquire) == 1) {
                    let sum = world.written.iter().map(|place| {
                        // SAFETY: written before the flag was set, by one who does not come back.
                        place.with(|place| unsafe { *place })
                    });
                    return Poll::Ready(Ok::<usize, std::convert::Infallible>(sum.sum()));
                }
                Poll::Pending
            })
            .await
        })
    }

    /// Writes and wakes, as a peer does.
    fn wake(&self, at: usize) {
        // SAFETY: the task reads it only after the flag is set below.
        self.written[at].with_mut(|place| unsafe { *place = 1 });
        self.ready[at].store(1, Ordering::Release);
        let waker = self.wakers[at].lock().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Runs everything that is queued, as a worker does.
    fn run(&self) {
        let (local, _) = Local::new();
        while let Some(task) = self
            .system
            .scheduler
            .injector
            .steal(&local)
            .or_else(|| local.pop())
        {
            if cell::step(task.0, &self.system.scheduler) == Step::Again {
                self.system.scheduler.injector.push(task);
            }
        }
    }
}

/// No cell is left that would keep the system alive, and no waker that would keep a cell.
fn assert_gone(world: &Arc<World>) {
    for waker in &world.wakers {
        drop(waker.lock().take().map(Waiter::wake));
    }
    assert_eq!(Arc::strong_count(&world.system), 1);
    assert_eq!(Arc::strong_count(world), 1);
}

#[test]
fn a_wake_is_never_lost() {
    for ours in [true, false] {
        model("poll against two wakers", 3, move || {
            let (world, drops) = (World::new(ours), Drops::default());
            let task = world.spawn(2, drops.value());
            let wakers = [0, 1].map(|at| {
                let world = Arc::clone(&world);
                thread::spawn(move || world.wake(at))
            });
            world.run();
            for waker in wakers {
                waker.join().unwrap();
            }
            world.run();
            assert_eq!(drops.count(), 1);
            assert_eq!(block_on(task.into_future()).unwrap(), 2);
            assert_gone(&world);
        });
    }
}

#[test]
fn one_thread_at_a_time_polls() {
    for ours in [true, false] {
        model("two workers against a waker", 3, move || {
            let (world, drops) = (World::new(ours), Drops::default());
            let task = world.spawn(1, drops.value());
            let other = Arc::clone(&world);
            let other = thread::spawn(move || {
                other.wake(0);
                other.run();
            });
            world.run();
            other.join().unwrap();
            world.run();
            assert_eq!(drops.count(), 1);
            assert_eq!(block_on(task.into_future()).unwrap(), 1);
            assert_gone(&world);
        });
    }
}

#[test]
fn the_cell_is_freed_once_wherever_its_last_reference_goes() {
    for ours in [true, false] {
        model("handle and waker dropped elsewhere", 3, move || {
            let (world, drops) = (World::new(ours), Drops::default());
            let task = world.spawn(1, drops.value());
            let owner = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    world.race.step();
                    drop(task);
                }
            });
            let waker = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    world.race.step();
                    world.wake(0);
                }
            });
            world.race.step();
            world.run();
            owner.join().unwrap();
            waker.join().unwrap();
            world.run();
            assert_eq!(drops.count(), 1);
            assert_gone(&world);
        });
    }
}

#[test]
fn a_kill_drops_the_future_once_and_is_not_lost() {
    for ours in [true, false] {
        model("kill, park, wake", 3, move || {
            let (world, drops) = (World::new(ours), Drops::default());
            let task = world.spawn(1, drops.value());
            let killer = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    world.race.step();
                    task.kill();
                    task
                }
            });
            let waker = thread::spawn({
                let world = Arc::clone(&world);
                move || {
                    world.race.step();
                    world.wake(0);
                }
            });
            world.race.step();
            world.run();
            let task = killer.join().unwrap();
            waker.join().unwrap();
            world.run();
            assert_eq!(drops.count(), 1);
            assert!(matches!(task.exit(), Some(Exit::Ok | Exit::Killed)));
            drop(task);
            assert_gone(&world);
        });
    }
}

#[test]
fn who_waits_for_the_end_is_woken_and_finds_everything_dropped() {
    model("join", 3, || {
        let (world, drops) = (World::new(true), Drops::default());
        let task = world.spawn(0, drops.value());
        let waiter = thread::spawn({
            let drops = drops.clone();
            let world = Arc::clone(&world);
            move || {
                world.race.step();
                let done = task.done();
                let exit = block_on(done);
                assert_eq!(drops.count(), 1);
                drop(world);
                (exit, task)
            }
        });
        world.race.step();
        world.run();
        let (exit, task) = waiter.join().unwrap();
        assert!(matches!(exit, Exit::Ok));
        drop(task);
        assert_gone(&world);
    });
}

#[test]
fn the_value_goes_to_one_of_two_who_ask() {
    model("two who take", 3, || {
        let (world, drops) = (World::new(true), Drops::default());
        let task = world.spawn(0, drops.value());
        world.run();
        // SAFETY: the process returns a number.
        let other = unsafe { Task::<usize>::from_ref(task.task().clone()) };
        // Each gives its reference up afterwards: whoever is last takes without changing the word.
        let other = thread::spawn(move || other.take());
        let own = task.take();
        drop(task);
        let values = [own, other.join().unwrap()];
        assert_eq!(values.iter().flatten().count(), 1);
        assert_gone(&world);
    });
}
