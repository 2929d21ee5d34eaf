//! The lock of `sync/lock.rs`: one holder at a time, who sees what the last one wrote.
//!
//! Tried: Relaxed instead of Release in `Guard::drop`, and instead of Acquire in `try_lock`: both are reported as races.

use loom::thread;
use std::sync::Arc;

use super::model;
use crate::sync::lock::Lock;

#[test]
fn holders_exclude_each_other_and_see_what_was_written() {
    model("lock", 3, || {
        let lock = Arc::new(Lock::new(0));
        let others: Vec<_> = (0..2)
            .map(|_| {
                let lock = Arc::clone(&lock);
                thread::spawn(move || *lock.lock() += 1)
            })
            .collect();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(*lock.lock(), 2);
    });
}

#[test]
fn a_lock_that_is_held_is_not_taken_again() {
    model("try_lock", 3, || {
        let lock = Arc::new(Lock::new(0));
        let shared = Arc::clone(&lock);
        let other = thread::spawn(move || {
            if let Some(mut value) = shared.try_lock() {
                *value += 1;
                assert!(shared.try_lock().is_none());
                return 1;
            }
            0
        });
        let mut mine = 0;
        if let Some(mut value) = lock.try_lock() {
            *value += 1;
            mine = 1;
        }
        let theirs = other.join().unwrap();
        assert_eq!(*lock.lock(), mine + theirs);
        assert!(mine + theirs > 0);
    });
}
