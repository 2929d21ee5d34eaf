//! Processes that wait for a lock or for room when their scope stops: they go on when the holder or the receiver does, and those
//! that wait for each other in a circle are dropped, so that the stop does not use up its grace. P9, P33.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use roundrock::WaitKind;
use roundrock::prelude::*;
use roundrock::sync::{Mutex, Semaphore};
use roundrock_tests::{LIMIT, on_workers, yield_now};

/// Keeps the lock until its input is over.
#[process]
async fn hold(lock: &Arc<Mutex<u32>>, held: &Sender<()>, input: &Receiver<u32>) -> Result<()> {
    let mut sum = lock.lock().await;
    held.send(()).await?;
    while let Some(n) = input.recv().await {
        *sum += n;
    }
    Ok(())
}

/// Waits until so many processes of the system wait for this.
async fn until_waiting(scope: &Scope, kind: WaitKind, count: usize) {
    loop {
        let snapshot = scope.system().snapshot();
        let waits = snapshot.processes.iter();
        let waits = waits.filter_map(|process| process.wait.as_ref());
        if waits.filter(|wait| wait.kind == kind).count() >= count {
            return;
        }
        // A yield would keep a simulation at it.
        sleep(millis(1)).await;
    }
}

#[test]
fn p33_who_waits_for_a_lock_of_the_scope_waits_for_its_holder() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let lock = Arc::new(Mutex::new(0));
        let (_kept, input) = bounded(1);
        let (held, holds) = bounded(1);
        parts.spawn(hold(Arc::clone(&lock), held, input));
        assert_eq!(holds.recv().await, Some(()));
        for by in [10, 100] {
            let lock = Arc::clone(&lock);
            parts.task("waits", async move { *lock.lock().await += by });
        }
        until_waiting(&scope, WaitKind::Lock, 2).await;
        let report = parts.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(*lock.lock().await, 110);
        Ok(())
    });
}

#[test]
fn p33_who_waits_for_a_permit_of_the_scope_waits_for_its_holder() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let places = Arc::new(Semaphore::new(1));
        let (_kept, input) = bounded::<u32>(1);
        let (held, holds) = bounded(1);
        let (first, second) = (Arc::clone(&places), places);
        parts.task("holds", async move {
            let _place = first.acquire().await;
            held.send(()).await?;
            while input.recv().await.is_some() {}
            roundrock::Ok(())
        });
        assert_eq!(holds.recv().await, Some(()));
        let waits = parts.task("waits", async move {
            let _place = second.acquire().await;
        });
        until_waiting(&scope, WaitKind::Lock, 1).await;
        let report = parts.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert!(waits.done().await.is_normal());
        Ok(())
    });
}

/// A holder outside may give the lock back at any time: nobody is told that his input is over before.
#[test]
fn p33_who_waits_for_a_lock_outside_still_feeds() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let lock = Arc::new(Mutex::new(7));
        let guard = lock.lock().await;
        let (out, input) = bounded(1);
        let sum = Arc::new(AtomicU32::new(0));
        // The sender is not lent, so nobody knows who feeds the other one.
        parts.task("first", {
            let lock = Arc::clone(&lock);
            async move { out.send(*lock.lock().await).await }
        });
        parts.task("second", {
            let sum = Arc::clone(&sum);
            async move {
                while let Some(n) = input.recv().await {
                    sum.fetch_add(n, Ordering::SeqCst);
                }
            }
        });
        until_waiting(&scope, WaitKind::Lock, 1).await;
        let stop = scope.task("stop", {
            let parts = parts.clone();
            async move { roundrock::Ok(parts.stop(LIMIT).await) }
        });
        parts.stopping().await;
        // Longer than the coordinator needs to look twice.
        sleep(millis(200)).await;
        drop(guard);
        let report = stop.await?;
        assert!(report.is_clean(), "{report}");
        assert_eq!(sum.load(Ordering::SeqCst), 7);
        Ok(())
    });
}

/// Waits for leave to begin, and then drains.
#[process]
async fn late_drain(go: &Receiver<u32>, jobs: &Receiver<u32>, sum: &Arc<AtomicU32>) {
    while go.recv().await.is_some() {}
    while let Some(n) = jobs.recv().await {
        sum.fetch_add(n, Ordering::SeqCst);
    }
}

#[process]
async fn feed(jobs: &Sender<u32>) -> Result<()> {
    for n in 1..=10 {
        jobs.send(n).await?;
    }
    Ok(())
}

#[test]
fn p33_who_waits_for_room_in_the_scope_waits_for_the_receiver() {
    on_workers(|scope| async move {
        for workers in [1, 3] {
            let parts = scope.child("parts");
            let sum = Arc::new(AtomicU32::new(0));
            let (_kept, go) = bounded(1);
            let (jobs, inbox) = bounded(2);
            parts.pool(workers, late_drain(go, inbox, Arc::clone(&sum)));
            parts.spawn(feed(jobs));
            until_waiting(&scope, WaitKind::Send, 1).await;
            let report = parts.stop(LIMIT).await;
            assert!(report.is_clean(), "{report}");
            assert_eq!(sum.load(Ordering::SeqCst), 55);
        }
        Ok(())
    });
}

/// A receiver outside may take a message at any time.
#[test]
fn p33_who_waits_for_room_outside_still_feeds() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let sum = Arc::new(AtomicU32::new(0));
        let (_kept, go) = bounded(1);
        let (jobs, inbox) = bounded(1);
        let outside = inbox.clone();
        let (out, numbers) = bounded(1);
        parts.spawn(late_drain(go, inbox, Arc::clone(&sum)));
        parts.task("feeds both", async move {
            for n in 1..=3 {
                jobs.send(n).await?;
            }
            out.send(7).await?;
            roundrock::Ok(())
        });
        let seven = Arc::new(AtomicU32::new(0));
        parts.task("reads", {
            let seven = Arc::clone(&seven);
            async move {
                while let Some(n) = numbers.recv().await {
                    seven.fetch_add(n, Ordering::SeqCst);
                }
            }
        });
        until_waiting(&scope, WaitKind::Send, 1).await;
        let stop = scope.task("stop", {
            let parts = parts.clone();
            async move { roundrock::Ok(parts.stop(LIMIT).await) }
        });
        parts.stopping().await;
        sleep(millis(200)).await;
        assert_eq!(seven.load(Ordering::SeqCst), 0);
        let mut taken = Vec::new();
        while let Ok(n) = outside.try_recv() {
            taken.push(n);
            yield_now().await;
        }
        drop(outside);
        let report = stop.await?;
        assert!(report.is_clean(), "{report}");
        assert_eq!(seven.load(Ordering::SeqCst), 7);
        let left: u32 = taken.iter().sum();
        assert_eq!(sum.load(Ordering::SeqCst) + left, 6);
        Ok(())
    });
}

/// Takes one lock, and then wants another one.
#[process]
async fn takes_both(
    first: &Arc<Mutex<u32>>,
    second: &Arc<Mutex<u32>>,
    held: &Sender<()>,
    go: &Receiver<()>,
) -> Result<()> {
    let one = first.lock().await;
    held.send(()).await?;
    go.recv().await;
    let mut other = second.lock().await;
    *other += *one;
    Ok(())
}

#[process]
async fn adds(lock: &Arc<Mutex<u32>>) {
    *lock.lock().await += 1;
}

/// Two processes of `parts` that hold a lock each, and are about to wait for the other one's.
async fn deadlock(parts: &Scope, locks: [&Arc<Mutex<u32>>; 2]) -> Result<()> {
    let (held, holds) = bounded(2);
    let (go, gate) = bounded(2);
    let [left, right] = locks.map(Arc::clone);
    let (first, second) = (Arc::clone(&left), Arc::clone(&right));
    parts.spawn(takes_both(left, right, held.clone(), gate.clone()));
    parts.spawn(takes_both(second, first, held, gate));
    assert_eq!(
        (holds.recv().await, holds.recv().await),
        (Some(()), Some(()))
    );
    for _ in 0..2 {
        go.send(()).await?;
    }
    Ok(())
}

/// Those in the circle are dropped at once, and nobody else: who waits behind them goes on.
#[test]
fn p33_a_deadlock_does_not_hold_up_a_stop() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let lock = Arc::new(Mutex::new(0));
        let other = Arc::new(Mutex::new(0));
        deadlock(&parts, [&lock, &other]).await?;
        drop(other);
        let behind = parts.spawn(adds(lock));
        until_waiting(&scope, WaitKind::Lock, 3).await;
        let report = parts.stop(secs(3600)).await;
        assert!(report.took < LIMIT, "{report}");
        let late: Vec<_> = report.late.iter().map(|late| late.name).collect();
        assert_eq!(late, ["takes_both", "takes_both"], "{report}");
        assert!(behind.done().await.is_normal());
        Ok(())
    });
}

/// Somebody outside might have a guard of a lock that he has a way to, as far as the runtime knows: the grace is theirs.
#[test]
fn p33_a_deadlock_that_is_not_proven_has_the_grace() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let (lock, other) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        deadlock(&parts, [&lock, &other]).await?;
        until_waiting(&scope, WaitKind::Lock, 2).await;
        let report = parts.stop(millis(300)).await;
        assert!(report.took >= millis(300), "{report}");
        assert_eq!(report.late.len(), 2, "{report}");
        assert!(lock.try_lock().is_some() && other.try_lock().is_some());
        Ok(())
    });
}

/// Sends what it gets to the other one, but says more than it hears.
#[process]
async fn babble(heard: &Receiver<u32>, said: &Sender<u32>) -> Result<()> {
    loop {
        said.send(1).await?;
        said.send(2).await?;
        heard.recv().await;
    }
}

#[test]
fn p33_a_circle_of_full_channels_does_not_hold_up_a_stop() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let (left, to_right) = bounded(4);
        let (right, to_left) = bounded(4);
        parts.spawn(babble(to_right, right));
        parts.spawn(babble(to_left, left));
        until_waiting(&scope, WaitKind::Send, 2).await;
        let report = parts.stop(secs(3600)).await;
        assert!(report.took < LIMIT, "{report}");
        assert_eq!(report.late.len(), 2, "{report}");
        Ok(())
    });
}

/// Adds under a lock that its caller may hold.
#[process]
struct Ledger {
    sum: Arc<Mutex<u32>>,
}

#[handlers]
impl Ledger {
    async fn add(&mut self, n: u32) -> u32 {
        let mut sum = self.sum.lock().await;
        *sum += n;
        *sum
    }
}

#[process]
async fn books(sum: &Arc<Mutex<u32>>, input: &Receiver<u32>, ledger: &LedgerHandle) -> Result<()> {
    let mut guard = sum.lock().await;
    while let Some(n) = input.recv().await {
        *guard += n;
    }
    drop(guard);
    ledger.add(1).await?;
    Ok(())
}

/// A caller waits for a handler, which waits for a lock, whose holder waits for its input: that one is told, and all go on.
#[test]
fn p33_a_caller_waits_for_a_handler_that_waits_for_a_lock() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let sum = Arc::new(Mutex::new(0));
        let (_kept, input) = bounded(1);
        let ledger = parts.spawn(Ledger {
            sum: Arc::clone(&sum),
        });
        parts.spawn(books(Arc::clone(&sum), input, ledger.clone()));
        while sum.try_lock().is_some() {
            sleep(millis(1)).await;
        }
        let caller = parts.task("calls", async move { ledger.add(10).await });
        until_waiting(&scope, WaitKind::Lock, 1).await;
        until_waiting(&scope, WaitKind::Reply, 1).await;
        let report = parts.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(caller.await?, 10);
        assert_eq!(*sum.lock().await, 11);
        Ok(())
    });
}
