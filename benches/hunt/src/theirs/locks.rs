//! Who waits for whom, and who may be where.

use shuttle::sync::atomic::{AtomicU32, Ordering};
use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};
use shuttle::sync::{Arc, Condvar, Mutex};
use shuttle::thread;

use super::lock;

pub(super) fn two_locks() {
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

pub(super) fn hold_and_wait() {
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

pub(super) fn philosophers() {
    let forks = Arc::new([Mutex::new(0), Mutex::new(0), Mutex::new(0)]);
    let guest = |left: usize, right: usize| {
        let forks = Arc::clone(&forks);
        thread::spawn(move || {
            for _ in 0..2 {
                let mut first = lock(&forks[left]);
                let mut second = lock(&forks[right]);
                *first += 1;
                *second += 1;
            }
        })
    };
    for guest in [guest(0, 1), guest(1, 2), guest(2, 0)] {
        guest.join().expect("it does not panic");
    }
    assert!(forks.iter().all(|fork| *lock(fork) == 4));
}

pub(super) fn lock_over_send() {
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

pub(super) fn unsubscribe() {
    type Subscribers = Vec<(u32, SyncSender<u32>)>;
    let (items, heard) = sync_channel(1);
    let publisher: Arc<Mutex<Subscribers>> = Arc::new(Mutex::new(vec![(1, items)]));
    let known = Arc::clone(&publisher);
    let subscriber = thread::spawn(move || {
        heard.recv().expect("something is published");
        lock(&known).retain(|(id, _)| *id != 1);
    });
    for item in 0..3 {
        lock(&publisher).retain(|(_, subscriber)| subscriber.send(item).is_ok());
    }
    subscriber.join().expect("it does not panic");
}

pub(super) fn barrier_reuse() {
    let arrived = Arc::new(Mutex::new(0));
    let (open, gate) = sync_channel(2);
    let gate = Arc::new(Mutex::new(gate));
    let steps = || {
        let (arrived, open, gate) = (Arc::clone(&arrived), open.clone(), Arc::clone(&gate));
        thread::spawn(move || {
            for _ in 0..3 {
                let count = {
                    let mut arrived = lock(&arrived);
                    *arrived += 1;
                    *arrived
                };
                if count == 3 {
                    for _ in 0..2 {
                        open.send(()).expect("the others wait");
                    }
                    *lock(&arrived) = 0;
                } else {
                    lock(&gate).recv().expect("the last one opens");
                }
            }
        })
    };
    for steps in [steps(), steps(), steps()] {
        steps.join().expect("it does not panic");
    }
}

pub(super) fn flag_and_turn() {
    // Two flags, and whose turn it is.
    let registers = Arc::new((Mutex::new([false; 2]), Mutex::new(0)));
    let inside = Arc::new(AtomicU32::new(0));
    let (work, done): (SyncSender<usize>, Receiver<usize>) = sync_channel(8);
    let party = |me: usize| {
        let (registers, inside, work) = (Arc::clone(&registers), Arc::clone(&inside), work.clone());
        let other = 1 - me;
        thread::spawn(move || {
            for _ in 0..2 {
                *lock(&registers.1) = other;
                lock(&registers.0)[me] = true;
                while lock(&registers.0)[other] && *lock(&registers.1) == other {
                    thread::yield_now();
                }
                let before = inside.fetch_add(1, Ordering::SeqCst);
                assert_eq!(before, 0, "both are inside");
                work.send(me).expect("there is room");
                inside.fetch_sub(1, Ordering::SeqCst);
                lock(&registers.0)[me] = false;
            }
        })
    };
    for party in [party(0), party(1)] {
        party.join().expect("it does not panic");
    }
    drop(work);
    assert_eq!(done.iter().count(), 4);
}
