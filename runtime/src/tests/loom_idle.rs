//! Sleeping and waking of `scheduler/idle.rs`, `scheduler/driver.rs` and `scheduler/monitor.rs`: a task that is queued is run
//! even if every worker is about to sleep or to retire; a wake is kept for a sleep that comes later, with what its sender
//! wrote; the monitor does not sleep while a worker is awake, and the coarse clock goes on before a worker does.
//!
//! And of `scheduler/company.rs`: a task that was handed over is run; what a worker has queued while it was left alone is found
//! when that ends.
//!
//! Tried: no unpark after `hand`; no wake after `end_alone`; no fence in `worker_to_wake`, in `fall_asleep`, or on either side
//! of the monitor; no second look after `fall_asleep`; a last searcher or a retiring worker that does not wake another; a store
//! instead of the swap in `Parker::announce`; a worker that looks at the monitor before it leaves the sleepers. Each ends in a
//! deadlock. A worker that looks at the clock before it leaves the sleepers: it reads the old time.

use loom::thread;
use std::ptr::NonNull;
use std::sync::Arc;
use std::time::Duration;

use super::model;
use crate::scheduler::company::Company;
use crate::scheduler::driver::Parker;
use crate::scheduler::idle::Idle;
use crate::scheduler::monitor::Rest;
use crate::scheduler::queue::{Local, Runnable};
use crate::sync::{AtomicU32, AtomicUsize, Ordering, advance};
use crate::time::clock::Clock;

/// The loop of `Worker::run` around the real protocol. The queue is as weak as a queue may be: one release store to push, so
/// that nothing but the protocol's own fences orders a push against a worker's second look.
struct Pool {
    idle: Idle,
    queue: [AtomicU32; 2],
    parkers: Vec<Parker>,
    /// Tasks that nobody has taken yet.
    left: AtomicUsize,
}

impl Pool {
    fn new(workers: usize, tasks: usize) -> Arc<Self> {
        Arc::new(Self {
            idle: Idle::new(),
            queue: [AtomicU32::new(0), AtomicU32::new(0)],
            parkers: (0..workers).map(|_| Parker::default()).collect(),
            left: AtomicUsize::new(tasks),
        })
    }

    fn push(&self, at: usize) {
        self.queue[at].store(1, Ordering::Release);
        self.wake();
    }

    fn is_empty(&self) -> bool {
        let taken = |place: &AtomicU32| place.load(Ordering::Acquire) == 0;
        self.queue.iter().all(taken)
    }

    fn wake(&self) {
        if let Some(worker) = self.idle.worker_to_wake() {
            self.parkers[worker].unpark();
        }
    }

    fn pop(&self) -> bool {
        let take = |place: &AtomicU32| {
            place.load(Ordering::Relaxed) == 1 && place.swap(0, Ordering::Acquire) == 1
        };
        let found = self.queue.iter().any(take);
        if found && self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            for parker in &self.parkers {
                parker.unpark();
            }
        }
        found
    }

    fn is_over(&self) -> bool {
        self.left.load(Ordering::Acquire) == 0
    }

    /// Runs until everything is taken; `retires`: or until nothing is found once, as a spare does.
    fn work(&self, index: usize, retires: bool) {
        self.parkers[index].attach();
        let mut searching = false;
        let stop_searching = |searching: &mut bool| {
            if std::mem::take(searching) && self.idle.stop_searching() {
                self.wake();
            }
        };
        while !self.is_over() {
            searching = searching || self.idle.start_searching(self.parkers.len());
            if self.pop() {
                stop_searching(&mut searching);
                continue;
            }
            if retires {
                break;
            }
            self.idle.fall_asleep(index, searching);
            if self.is_empty() && !self.is_over() {
                self.parkers[index].park(None);
            }
            searching = self.idle.wake_up(index);
        }
        stop_searching(&mut searching);
    }
}

#[test]
fn a_push_is_not_lost_on_a_worker_that_falls_asleep() {
    model("one worker, two pushes", 3, || {
        let pool = Pool::new(1, 2);
        let shared = Arc::clone(&pool);
        let worker = thread::spawn(move || shared.work(0, false));
        pool.push(0);
        pool.push(1);
        worker.join().unwrap();
    });
}

#[test]
fn a_push_is_not_lost_between_workers_that_search() {
    model("two workers, two pushes", 2, || {
        let pool = Pool::new(2, 2);
        let workers: Vec<_> = (0..2)
            .map(|index| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || pool.work(index, false))
            })
            .collect();
        pool.push(0);
        pool.push(1);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn a_push_is_not_lost_on_a_searcher_that_retires() {
    model("one worker, one spare", 3, || {
        let pool = Pool::new(2, 1);
        let workers: Vec<_> = (0..2)
            .map(|index| {
                let pool = Arc::clone(&pool);
                thread::spawn(move || pool.work(index, index == 1))
            })
            .collect();
        pool.push(0);
        for worker in workers {
            worker.join().unwrap();
        }
    });
}

#[test]
fn a_wake_is_kept_with_what_its_sender_wrote() {
    model("parker", 3, || {
        let parker = Arc::new(Parker::default());
        let flags = Arc::new([AtomicU32::new(0), AtomicU32::new(0)]);
        parker.attach();
        let wakers: Vec<_> = (0..2)
            .map(|at| {
                let (parker, flags) = (Arc::clone(&parker), Arc::clone(&flags));
                thread::spawn(move || {
                    flags[at].store(1, Ordering::Relaxed);
                    parker.unpark();
                })
            })
            .collect();
        while flags.iter().any(|flag| flag.load(Ordering::Relaxed) == 0) {
            parker.park(None);
        }
        for waker in wakers {
            waker.join().unwrap();
        }
    });
}

/// And who wakes after it had fallen asleep runs nothing with the time of then.
#[test]
fn the_monitor_does_not_sleep_while_a_worker_is_awake() {
    model("monitor", 3, || {
        let idle = Arc::new(Idle::new());
        let rest = Arc::new(Rest::default());
        let clock = Arc::new(Clock::start());
        idle.fall_asleep(0, false);
        let shared = (Arc::clone(&idle), Arc::clone(&rest), Arc::clone(&clock));
        // It wakes by itself, as for a timer, and goes on for ever.
        let worker = thread::spawn(move || {
            let (idle, rest, clock) = shared;
            advance(Duration::from_secs(5));
            idle.wake_up(0);
            rest.worker_woke();
            clock.go_on();
            (clock.coarse_ms(), clock.settled(1))
        });
        rest.attach();
        clock.stand(1);
        let mut sleeps = false;
        rest.sleep_while(None, || {
            sleeps = idle.sleeping() == 1;
            sleeps
        });
        clock.go_on();
        let seen = worker.join().unwrap();
        if sleeps {
            assert_eq!(seen, (5001, 5001), "the clock stood");
        }
    });
}

#[test]
fn a_task_that_was_handed_over_is_run() {
    model("handed over", 3, || {
        let shared = Arc::new((Company::new(), Idle::new(), Parker::default()));
        let giver = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                let (company, _, parker) = &*shared;
                for _ in 0..2 {
                    company.leave_alone(1);
                    company.hand(Runnable(NonNull::dangling()));
                    parker.unpark();
                }
            }
        });
        let (company, idle, parker) = &*shared;
        let (local, _thief) = Local::new();
        parker.attach();
        let mut run = 0;
        while run < 2 {
            run += usize::from(company.take_handed(&local).is_some());
            while local.pop().is_some() {
                run += 1;
            }
            if company.is_alone() {
                company.end_alone();
            }
            idle.fall_asleep(0, false);
            if !company.is_handed() && run < 2 {
                parker.park(None);
            }
            idle.wake_up(0);
        }
        giver.join().unwrap();
        assert!(!company.is_handed());
    });
}

#[test]
fn what_was_queued_alone_is_found_when_that_ends() {
    model("alone", 3, || {
        let pool = Pool::new(1, 1);
        let company = Arc::new(Company::new());
        company.leave_alone(1);
        let thief = thread::spawn({
            let (pool, company) = (Arc::clone(&pool), Arc::clone(&company));
            move || {
                pool.parkers[0].attach();
                let mut searching = false;
                while !pool.is_over() {
                    searching = searching || pool.idle.start_searching(1);
                    let found = !company.is_alone() && pool.pop();
                    if found {
                        break;
                    }
                    pool.idle.fall_asleep(0, searching);
                    if company.is_alone() || pool.is_empty() {
                        pool.parkers[0].park(None);
                    }
                    searching = pool.idle.wake_up(0);
                }
            }
        });
        // Left alone: nobody is woken for it.
        pool.queue[0].store(1, Ordering::Release);
        company.end_alone();
        pool.wake();
        thief.join().unwrap();
    });
}
