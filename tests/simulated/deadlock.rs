//! Kernels of deadlocks. Cases G01 to G08.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sim::{Failure, Reason, Sim};
use roundrock::sync::Mutex;

use crate::failing;

#[track_caller]
fn is_deadlock(failure: &Failure) {
    assert!(matches!(failure.reason, Reason::Deadlock), "{failure}");
}

/// The body waits for one that waits for the body.
#[test]
fn g01_global() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let (to_child, from_body) = bounded::<u32>(1);
        let (to_body, from_child) = bounded::<u32>(1);
        sim.task("child", async move {
            if let Some(n) = from_body.recv().await {
                to_body.send(n).await?;
            }
            roundrock::Ok(())
        });
        from_child.recv().await;
        to_child.send(1).await?;
        Ok(())
    });
    for failure in failures {
        is_deadlock(&failure);
        let waits = failure.waits.join("\n");
        assert!(
            waits.contains("test#0") && waits.contains("child#"),
            "{waits}"
        );
    }
}

/// Two locks, taken crosswise.
#[test]
fn g03_two_locks() {
    let failure = failing::in_some_run(|sim: Sim| async move {
        let locks = Arc::new([Mutex::new(()), Mutex::new(())]);
        let tasks = [(0, 1), (1, 0)].map(|(first, second)| {
            let locks = Arc::clone(&locks);
            sim.task("locks", async move {
                let _first = locks[first].lock().await;
                let _second = locks[second].lock().await;
            })
        });
        for task in tasks {
            task.await?;
        }
        Ok(())
    });
    is_deadlock(&failure);
    let locked = failure.waits.iter().filter(|line| line.contains("lock"));
    assert!(locked.count() >= 2, "{failure}");
}

/// One process, one lock, twice.
#[test]
fn g04_double_lock() {
    let failures = failing::in_every_run(|_sim: Sim| async move {
        let lock = Mutex::new(());
        let _first = lock.lock().await;
        let _second = lock.lock().await;
        Ok(())
    });
    failures.iter().for_each(is_deadlock);
}

/// A lock is held over a send, and the receiver needs it.
#[test]
fn g06_lock_held_over_a_send() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let lock = Arc::new(Mutex::new(0));
        let (sender, receiver) = rendezvous();
        let own = Arc::clone(&lock);
        let sends = sim.task("sends", async move {
            let _guard = own.lock().await;
            sender.send(1).await.ok();
        });
        sim.settle().await;
        let guard = lock.lock().await;
        receiver.recv().await;
        drop(guard);
        sends.await?;
        Ok(())
    });
    failures.iter().for_each(is_deadlock);
}

/// Two mailboxes that are full, and each process sends to the other.
#[test]
fn g08_two_full_mailboxes() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let (to_a, a) = bounded(1);
        let (to_b, b) = bounded(1);
        to_a.send(0).await?;
        to_b.send(0).await?;
        let ends = [(to_a, b), (to_b, a)].map(|(to, from)| {
            sim.task("node", async move {
                to.send(1).await?;
                from.recv().await;
                roundrock::Ok(())
            })
        });
        for end in ends {
            end.await?;
        }
        Ok(())
    });
    for failure in failures {
        is_deadlock(&failure);
        let room = failure.waits.iter().filter(|line| line.contains("room"));
        assert_eq!(room.count(), 2, "{failure}");
    }
}
