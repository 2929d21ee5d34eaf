//! The timers of `time/queue.rs`: an entry fires at most once, and once unless it is removed; after `remove` nobody touches it;
//! the keeper never sleeps over a deadline that somebody registers meanwhile.
//!
//! Time stands still at one millisecond: deadlines of a few nanoseconds are due, one in thirty years is not.
//!
//! Tried: no fence in `insert` or in `keep`, no second look in `keep`, and a keeper that releases its limit after it gave up the
//! driver (a deadlock: the keeper sleeps on); `remove` that does not look again under the lock (a wrong entry is taken out).

#![expect(unsafe_code, reason = "plays the owner of an entry")]

use loom::thread;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Wake, Waker};
use std::time::Duration;

use super::{Race, model, waker};
use crate::scheduler::driver::{Driver, Parker, Reactor};
use crate::sync::advance;
use crate::task::waker::TaskWaker;
use crate::time::clock::Clock;
use crate::time::queue::{Entry, Timers};

const NEVER: u64 = 1 << 60;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Count {
    fn waker(self: &Arc<Self>) -> TaskWaker {
        TaskWaker::Other(Waker::from(Arc::clone(self)))
    }
}

struct World {
    timers: Timers,
    clock: Clock,
    driver: Driver,
    parkers: [Parker; 2],
    race: Race,
}

impl World {
    fn new() -> Arc<Self> {
        let clock = Clock::start();
        advance(Duration::from_millis(1));
        Arc::new(Self {
            timers: Timers::new(2),
            clock,
            driver: Driver::new(Reactor::default()).expect("a driver"),
            parkers: [Parker::default(), Parker::default()],
            race: Race::default(),
        })
    }

    fn insert(&self, shard: usize, entry: &Entry, deadline: u64, waker: TaskWaker) {
        self.race.step();
        // SAFETY: every model removes its entries before they go.
        let keeper = unsafe { self.timers.insert(shard, entry, deadline, waker) };
        if let Some(keeper) = keeper {
            self.parkers[keeper].unpark();
        }
    }

    fn remove(&self, entry: &Entry) {
        self.race.step();
        self.timers.remove(entry);
    }

    fn fire(&self) -> usize {
        self.race.step();
        self.timers.fire(&self.clock, 0, true).count
    }

    /// Sleeps once, as a worker does. False if another one drives.
    fn sleep(&self, worker: usize) -> bool {
        let keep = || self.timers.keep(&self.clock, worker);
        let release = || self.timers.release();
        self.driver.try_park(&self.parkers[worker], keep, release)
    }
}

#[test]
fn an_entry_fires_once_or_is_removed() {
    model("insert, fire, remove", 3, || {
        let world = World::new();
        let shared = Arc::clone(&world);
        let owner = thread::spawn(move || {
            let count = Arc::new(Count::default());
            let entry = Entry::new();
            shared.insert(0, &entry, 0, count.waker());
            shared.remove(&entry);
            let fired = count.0.load(Ordering::Relaxed);
            // Nobody points to it any more, so it may enter another shard.
            shared.insert(1, &entry, NEVER, count.waker());
            assert!(shared.timers.renew(&entry, count.waker()));
            shared.remove(&entry);
            (count, fired)
        });
        let fired = world.fire();
        let (count, before) = owner.join().unwrap();
        assert!(before <= 1);
        assert_eq!(count.0.load(Ordering::Relaxed), fired);
        assert_eq!(world.fire(), 0);
        assert_eq!(world.timers.len(), 0);
    });
}

#[test]
fn two_who_fire_share_the_entries() {
    model("fire and fire", 3, || {
        let world = World::new();
        let counts = [Arc::new(Count::default()), Arc::new(Count::default())];
        let entries = [Entry::new(), Entry::new()];
        for (at, (entry, count)) in entries.iter().zip(&counts).enumerate() {
            world.insert(0, entry, at as u64, count.waker());
        }
        let shared = Arc::clone(&world);
        let other = thread::spawn(move || shared.fire());
        let fired = world.fire();
        assert_eq!(fired + other.join().unwrap(), 2);
        for count in counts {
            assert_eq!(count.0.load(Ordering::Relaxed), 1);
        }
    });
}

#[test]
fn an_earlier_deadline_is_not_slept_over() {
    for later in [None, Some(NEVER)] {
        model("keeper", 3, move || {
            let world = World::new();
            let far = Entry::new();
            if let Some(deadline) = later {
                world.insert(0, &far, deadline, TaskWaker::Other(waker()));
            }
            let shared = Arc::clone(&world);
            let other = thread::spawn(move || {
                let near = Box::new(Entry::new());
                let count = Arc::new(Count::default());
                shared.insert(1, &near, 0, count.waker());
                near
            });
            world.parkers[0].attach();
            while world.fire() == 0 {
                assert!(world.sleep(0));
            }
            let near = other.join().unwrap();
            world.remove(&near);
            world.remove(&far);
        });
    }
}

#[test]
fn the_next_keeper_takes_over() {
    model("two keepers", 2, || {
        let world = World::new();
        let shared = Arc::clone(&world);
        let inserter = thread::spawn(move || {
            let near = Box::new(Entry::new());
            let count = Arc::new(Count::default());
            shared.insert(1, &near, 0, count.waker());
            near
        });
        // The first keeper is woken for another reason, fires what it sees, and is busy from then on.
        let shared = Arc::clone(&world);
        let busy = thread::spawn(move || {
            shared.parkers[1].attach();
            shared.parkers[1].unpark();
            shared.sleep(1);
        });
        world.parkers[0].attach();
        let mut fired = 0;
        while fired == 0 {
            fired = world.fire();
            if fired == 0 && !world.sleep(0) {
                thread::yield_now();
            }
        }
        busy.join().unwrap();
        let near = inserter.join().unwrap();
        world.remove(&near);
    });
}
