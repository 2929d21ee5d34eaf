//! A value that is old when it is written back, or when something is decided by it.

use std::collections::{BTreeMap, BTreeSet};

use shuttle::sync::{Arc, Mutex};
use shuttle::thread;

use super::lock;

pub(super) fn lost_update() {
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

pub(super) fn check_then_act() {
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

pub(super) fn torn_read() {
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

pub(super) fn numbers_out_of_order() {
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

pub(super) fn stale_guard() {
    let stock = Arc::new(Mutex::new(5));
    // What one costs, and what a new customer may spend.
    let prices = Arc::new(Mutex::new((7, 10)));
    let buyer = |known: bool| {
        let (stock, prices) = (Arc::clone(&stock), Arc::clone(&prices));
        thread::spawn(move || {
            let budget = if known { 100 } else { lock(&prices).1 };
            let left = *lock(&stock);
            if left > 0 && lock(&prices).0 <= budget {
                *lock(&stock) = left - 1;
            }
        })
    };
    for buyer in [buyer(true), buyer(false)] {
        buyer.join().expect("it does not panic");
    }
    assert_eq!(*lock(&stock), 3, "two of five were bought");
}

pub(super) fn stale_fill() {
    let database = Arc::new(Mutex::new(10));
    let cache = Arc::new(Mutex::new(None));
    let (read, fill) = (Arc::clone(&database), Arc::clone(&cache));
    let reader = thread::spawn(move || {
        let found = *lock(&fill);
        if found.is_none() {
            let price = *lock(&read);
            *lock(&fill) = Some(price);
        }
    });
    *lock(&database) = 12;
    *lock(&cache) = None;
    reader.join().expect("it does not panic");
    let price = *lock(&cache);
    assert!(price.is_none_or(|price| price == 12), "the price is old");
}

pub(super) fn cache_stampede() {
    let loads = Arc::new(Mutex::new(0));
    let pages = [1, 2, 3].map(|page| (page, page * 100));
    let cache = Arc::new(Mutex::new(BTreeMap::from(pages)));
    let reader = |pages: Vec<u32>| {
        let (loads, cache) = (Arc::clone(&loads), Arc::clone(&cache));
        thread::spawn(move || {
            for page in pages {
                let found = lock(&cache).get(&page).copied();
                let text = found.unwrap_or_else(|| {
                    *lock(&loads) += 1;
                    lock(&cache).insert(page, page * 100);
                    page * 100
                });
                assert_eq!(text, page * 100);
            }
        })
    };
    for reader in [reader(vec![7]), reader(vec![1, 2, 3, 7])] {
        reader.join().expect("it does not panic");
    }
    assert_eq!(*lock(&loads), 1);
}

pub(super) fn closed_account() {
    // The balance, and whether it is open.
    let from = Arc::new(Mutex::new((70, true)));
    let to = Arc::new(Mutex::new((30, true)));
    let (payer, payee) = (Arc::clone(&from), Arc::clone(&to));
    let transfer = thread::spawn(move || {
        if !lock(&payee).1 {
            return;
        }
        {
            let mut payer = lock(&payer);
            if payer.0 < 30 {
                return;
            }
            payer.0 -= 30;
        }
        let mut payee = lock(&payee);
        if payee.1 {
            payee.0 += 30;
        }
    });
    lock(&to).1 = false;
    transfer.join().expect("it does not panic");
    let sum = lock(&from).0 + lock(&to).0;
    assert_eq!(sum, 100, "money was lost");
}

pub(super) fn double_release() {
    #[derive(Debug)]
    struct Connections {
        free: Vec<u32>,
        lent: BTreeSet<u32>,
    }
    impl Connections {
        fn take(&mut self) -> Option<u32> {
            let connection = self.free.pop()?;
            self.lent.insert(connection);
            Some(connection)
        }
        fn give(&mut self, connection: u32) {
            self.lent.remove(&connection);
            self.free.push(connection);
        }
    }
    let connections = Arc::new(Mutex::new(Connections {
        free: vec![1],
        lent: BTreeSet::new(),
    }));
    let lent = Arc::clone(&connections);
    let borrower = thread::spawn(move || {
        let taken = lock(&lent).take();
        if let Some(connection) = taken {
            lock(&lent).give(connection);
        }
    });
    let overdue = lock(&connections).lent.clone();
    for connection in overdue {
        lock(&connections).give(connection);
    }
    borrower.join().expect("it does not panic");
    let first = lock(&connections).take();
    let second = lock(&connections).take();
    assert_eq!((first, second), (Some(1), None), "one connection");
}
