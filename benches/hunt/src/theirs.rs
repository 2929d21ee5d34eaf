//! The search by shuttle, on the same programs with its threads, locks and channels.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use shuttle::scheduler::{PctScheduler, RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::sync::mpsc::{Receiver, SyncSender, channel, sync_channel};
use shuttle::sync::{Arc, Condvar, Mutex, MutexGuard};
use shuttle::{Config, FailurePersistence, Runner, thread};

use crate::{Found, MOST};

/// A program with a mistake.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bug {
    pub(crate) name: &'static str,
    run: fn(),
}

macro_rules! bugs {
    ($($name:ident,)*) => {
        /// All programs.
        pub(crate) const BUGS: &[Bug] = &[$(Bug { name: stringify!($name), run: $name },)*];
    };
}

bugs! {
    lost_update,
    check_then_act,
    torn_read,
    two_locks,
    hold_and_wait,
    lock_over_send,
    numbers_out_of_order,
    announce_before_store,
    list_then_watch,
    pool_reorders,
}

/// Searches by a random walk.
pub(crate) fn random(bug: &Bug, trial: u64) -> Found {
    search(
        RandomScheduler::new_from_seed(trial, MOST as usize),
        bug.run,
    )
}

/// Searches by priorities with up to two changes in a run.
pub(crate) fn pct(bug: &Bug, trial: u64) -> Found {
    search(
        PctScheduler::new_from_seed(trial, 3, MOST as usize),
        bug.run,
    )
}

/// Counts of the run under way.
#[derive(Debug, Default)]
struct Counts {
    runs: AtomicU64,
    decisions: AtomicU64,
    switches: AtomicU64,
}

/// Counts what another scheduler decides.
#[derive(Debug)]
struct Counting<S> {
    inner: S,
    counts: std::sync::Arc<Counts>,
}

impl<S: Scheduler> Scheduler for Counting<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.counts.decisions.store(0, Ordering::Relaxed);
        self.counts.switches.store(0, Ordering::Relaxed);
        let next = self.inner.new_execution()?;
        self.counts.runs.fetch_add(1, Ordering::Relaxed);
        Some(next)
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        let next = self.inner.next_task(runnable, current, is_yielding)?;
        self.counts.decisions.fetch_add(1, Ordering::Relaxed);
        let switches = current.is_some_and(|current| current != next);
        self.counts
            .switches
            .fetch_add(switches.into(), Ordering::Relaxed);
        Some(next)
    }

    fn next_u64(&mut self) -> u64 {
        self.inner.next_u64()
    }
}

fn search(scheduler: impl Scheduler + 'static, run: fn()) -> Found {
    let counts = std::sync::Arc::new(Counts::default());
    let counting = Counting {
        inner: scheduler,
        counts: std::sync::Arc::clone(&counts),
    };
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    let begun = Instant::now();
    let searched = catch_unwind(AssertUnwindSafe(|| Runner::new(counting, config).run(run)));
    let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
    Found {
        runs: searched.is_err().then(|| get(&counts.runs)),
        took: begun.elapsed(),
        decisions: get(&counts.decisions),
        switches: get(&counts.switches),
    }
}

fn lock<T>(value: &Mutex<T>) -> MutexGuard<'_, T> {
    value.lock().expect("nobody panics with the lock")
}

fn lost_update() {
    let account = Arc::new(Mutex::new(100));
    let rates = Arc::new(Mutex::new(10));
    let mine = Arc::clone(&account);
    let interest = thread::spawn(move || {
        let percent = *lock(&rates);
        let balance = *lock(&mine);
        *lock(&mine) = balance + balance * percent / 100;
    });
    let balance = *lock(&account);
    *lock(&account) = balance + 10;
    interest.join().expect("it does not panic");
    let balance = *lock(&account);
    assert!(balance == 120 || balance == 121, "the balance is {balance}");
}

fn check_then_act() {
    let seats = Arc::new(Mutex::new(1));
    let visitors = Arc::new(Mutex::new(0));
    let customer = |is_new: bool| {
        let (seats, visitors) = (Arc::clone(&seats), Arc::clone(&visitors));
        thread::spawn(move || {
            if is_new {
                *lock(&visitors) += 1;
            }
            let left = *lock(&seats) > 0;
            if left {
                *lock(&seats) -= 1;
            }
        })
    };
    for customer in [customer(false), customer(true)] {
        customer.join().expect("it does not panic");
    }
    let seats = *lock(&seats);
    assert!(seats >= 0, "{} seats sold twice", -seats);
}

fn torn_read() {
    let savings = Arc::new(Mutex::new(60));
    let current = Arc::new(Mutex::new(40));
    let (from, to) = (Arc::clone(&savings), Arc::clone(&current));
    thread::spawn(move || {
        *lock(&from) -= 10;
        *lock(&to) += 10;
    });
    let saved = *lock(&savings);
    let total = saved + *lock(&current);
    assert_eq!(total, 100);
}

fn two_locks() {
    let accounts = Arc::new([Mutex::new(50), Mutex::new(50)]);
    let transfer = |from: usize, to: usize| {
        let accounts = Arc::clone(&accounts);
        thread::spawn(move || {
            let mut payer = lock(&accounts[from]);
            let mut payee = lock(&accounts[to]);
            *payer -= 10;
            *payee += 10;
        })
    };
    for transfer in [transfer(0, 1), transfer(1, 0)] {
        transfer.join().expect("it does not panic");
    }
}

fn hold_and_wait() {
    type Pool = (Mutex<usize>, Condvar);
    fn take(pool: &Pool) {
        let mut left = lock(&pool.0);
        while *left == 0 {
            left = pool.1.wait(left).expect("nobody panics with the lock");
        }
        *left -= 1;
    }
    fn give(pool: &Pool) {
        *lock(&pool.0) += 1;
        pool.1.notify_one();
    }
    let pool = Arc::new((Mutex::new(2), Condvar::new()));
    let copy = || {
        let pool = Arc::clone(&pool);
        thread::spawn(move || {
            take(&pool);
            take(&pool);
            give(&pool);
            give(&pool);
        })
    };
    for copy in [copy(), copy()] {
        copy.join().expect("it does not panic");
    }
    assert_eq!(*lock(&pool.0), 2);
}

fn lock_over_send() {
    let statistics = Arc::new(Mutex::new((0, 0)));
    let (queue, items): (SyncSender<u32>, Receiver<u32>) = sync_channel(1);
    let counted = Arc::clone(&statistics);
    let consumer = thread::spawn(move || {
        while items.recv().is_ok() {
            lock(&counted).1 += 1;
        }
    });
    let (source, counted) = (Mutex::new(0), Arc::clone(&statistics));
    let producer = thread::spawn(move || {
        for number in 0..3 {
            *lock(&source) = number * 10;
            let item = *lock(&source);
            let mut statistics = lock(&counted);
            statistics.0 += 1;
            queue.send(item).expect("the consumer receives");
        }
    });
    producer.join().expect("it does not panic");
    consumer.join().expect("it does not panic");
    assert_eq!(*lock(&statistics), (3, 3));
}

fn numbers_out_of_order() {
    let numbers = Arc::new(Mutex::new(0));
    let log = Arc::new(Mutex::new((0, Vec::new())));
    let writer = |entry: char| {
        let (numbers, log) = (Arc::clone(&numbers), Arc::clone(&log));
        thread::spawn(move || {
            let number = {
                let mut last = lock(&numbers);
                *last += 1;
                *last
            };
            let mut log = lock(&log);
            if number > log.0 {
                log.0 = number;
                log.1.push(entry);
            }
        })
    };
    for writer in [writer('1'), writer('2')] {
        writer.join().expect("it does not panic");
    }
    assert_eq!(lock(&log).1.len(), 2);
}

fn announce_before_store() {
    let library = Arc::new(Mutex::new(BTreeSet::new()));
    let (news, heard) = sync_channel(4);
    let read = Arc::clone(&library);
    let reader = thread::spawn(move || {
        while let Ok(id) = heard.recv() {
            let found = lock(&read).contains(&id);
            assert!(found, "document {id} was announced");
        }
    });
    let writer = thread::spawn(move || {
        for id in [1, 2] {
            news.send(id).expect("the reader receives");
            lock(&library).insert(id);
        }
    });
    writer.join().expect("it does not panic");
    reader.join().expect("it does not panic");
}

fn list_then_watch() {
    struct Registry {
        services: BTreeSet<&'static str>,
        watchers: Vec<shuttle::sync::mpsc::Sender<&'static str>>,
    }
    let registry = Arc::new(Mutex::new(Registry {
        services: BTreeSet::from(["store"]),
        watchers: Vec::new(),
    }));
    let watched = Arc::clone(&registry);
    let watcher = thread::spawn(move || {
        let mut known = lock(&watched).services.clone();
        let (watcher, changes) = channel();
        lock(&watched).watchers.push(watcher);
        while known.len() < 2 {
            known.insert(changes.recv().expect("the registry lives"));
        }
    });
    {
        let mut registry = lock(&registry);
        registry.services.insert("queue");
        for watcher in &registry.watchers {
            // An error says that it does not watch any more.
            let _ = watcher.send("queue");
        }
    }
    watcher.join().expect("it does not panic");
}

fn pool_reorders() {
    #[derive(Debug, Clone, Copy)]
    enum Change {
        Insert(u32),
        Delete(u32),
    }
    let table = Arc::new(Mutex::new(BTreeSet::new()));
    let (changes, inbox) = sync_channel(8);
    let inbox = Arc::new(Mutex::new(inbox));
    let worker = || {
        let (table, inbox) = (Arc::clone(&table), Arc::clone(&inbox));
        thread::spawn(move || {
            loop {
                let change = lock(&inbox).recv();
                match change {
                    Ok(Change::Insert(record)) => lock(&table).insert(record),
                    Ok(Change::Delete(record)) => lock(&table).remove(&record),
                    Err(_) => return,
                };
            }
        })
    };
    let workers = [worker(), worker()];
    for record in [1, 2] {
        changes
            .send(Change::Insert(record))
            .expect("a worker receives");
        changes
            .send(Change::Delete(record))
            .expect("a worker receives");
    }
    drop(changes);
    for worker in workers {
        worker.join().expect("it does not panic");
    }
    assert!(lock(&table).is_empty(), "all were deleted");
}
