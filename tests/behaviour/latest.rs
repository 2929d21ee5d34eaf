//! The channel that holds the newest value: each receiver sees it once, nobody waits to set it. P12, P13.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use roundrock::channel::TryRecvError;
use roundrock::prelude::*;
use roundrock_tests::{Step, Tally, now, on_both, on_workers, times, yield_now};

#[test]
fn new_receiver_has_not_seen_the_present_value() {
    let (sender, receiver) = latest(1);
    assert!(receiver.has_changed());
    assert_eq!(now(receiver.recv()), Some(1));
    assert!(!receiver.has_changed());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(now(receiver.clone().recv()), Some(1));
    assert_eq!(now(sender.subscribe().recv()), Some(1));
}

#[test]
fn each_receiver_sees_the_newest_value_once() {
    let (sender, first) = latest(0);
    let second = first.clone();
    for n in 1..=5 {
        sender.set(n);
    }
    for receiver in [first, second] {
        assert_eq!(receiver.try_recv(), Ok(5));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        assert_eq!(receiver.get(), 5);
    }
}

#[test]
fn reading_counts_as_seeing() {
    let (sender, receiver) = latest(1);
    receiver.with(|n| assert_eq!(*n, 1));
    let mut wait = Step::parked(receiver.changed());
    sender.set(2);
    assert_eq!(wait.wakes(), 1);
    assert_eq!(receiver.get(), 2);
    // Another one read it: there is nothing to report any more.
    wait.pending();
    sender.set(3);
    assert_eq!(wait.wakes(), 2);
    assert!(wait.ready().is_ok());
}

#[test]
fn every_waiting_receiver_is_woken() {
    let (sender, first) = latest(0);
    let receivers: Vec<_> = (0..5).map(|_| first.clone()).collect();
    let mut waits: Vec<_> = receivers
        .iter()
        .map(|receiver| {
            assert_eq!(receiver.get(), 0);
            Step::parked(receiver.recv())
        })
        .collect();
    sender.set(9);
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.ready(), Some(9));
    }
}

#[test]
fn last_sender_dropped_ends_receivers_after_the_last_value() {
    let (sender, receiver) = latest(0);
    let other = sender.clone();
    sender.set(1);
    sender.finish();
    assert!(!receiver.is_closed());
    assert_eq!(now(receiver.recv()), Some(1));
    let mut wait = Step::parked(receiver.recv());
    let mut changed = Step::parked(receiver.changed());
    other.set(2);
    drop(other);
    assert!(receiver.is_closed());
    assert_eq!(wait.ready(), Some(2));
    assert!(changed.ready().is_err());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(receiver.get(), 2);
}

/// P12: a wait that is dropped has seen nothing, and leaves no waker behind.
#[test]
fn p12_wait_dropped_half_way_has_seen_nothing() {
    let (sender, receiver) = latest(0);
    assert_eq!(receiver.get(), 0);
    drop(Step::new(receiver.changed()));
    let first = Step::parked(receiver.changed());
    let second = Step::parked(receiver.recv());
    drop(first);
    sender.set(1);
    assert_eq!(second.wakes(), 1);
    drop(second);
    assert_eq!(receiver.try_recv(), Ok(1));
}

#[test]
fn replaced_values_are_dropped_at_once_and_the_last_with_the_channel() {
    let tally = Tally::new();
    let (sender, receiver) = latest(tally.token(0));
    let kept = receiver.snapshot();
    for n in 1..=3 {
        sender.set(tally.token(n));
    }
    assert_eq!(tally.dropped(), [1, 2]);
    drop(kept);
    assert_eq!(tally.dropped(), [1, 2, 0]);
    drop((sender, receiver));
    tally.assert_balanced();
}

#[test]
fn update_works_on_a_copy_that_a_panic_discards() {
    let (sender, receiver) = latest(vec![1]);
    let before = receiver.snapshot();
    sender.update(|list| list.push(2));
    assert_eq!((&*before, receiver.get()), (&vec![1], vec![1, 2]));
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        sender.update(|list| {
            list.clear();
            panic!("half way");
        });
    }));
    assert!(panicked.is_err());
    assert_eq!((receiver.get(), sender.get()), (vec![1, 2], vec![1, 2]));
}

/// A reader may set, and a change may read: no closure runs under a lock.
#[test]
fn closures_may_use_the_channel() {
    let (sender, receiver) = latest(1);
    receiver.with(|n| sender.set(n + 1));
    sender.update(|n| *n += receiver.get());
    assert_eq!(receiver.get(), 4);
    let mut once = true;
    sender.update(|n| {
        if std::mem::take(&mut once) {
            sender.set(100);
        }
        *n += 1;
    });
    assert_eq!(receiver.get(), 101);
}

#[test]
fn no_update_is_lost() {
    on_both(4, |scope| async move {
        let (sender, receiver) = latest(0_u64);
        let each = times(1_000, 25);
        for _ in 0..4 {
            let sender = sender.clone();
            let _ = scope.task("adder", async move {
                for _ in 0..each {
                    sender.update(|n| *n += 1);
                    yield_now().await;
                }
            });
        }
        sender.finish();
        let (mut last, mut seen) = (0, 0);
        while let Some(n) = receiver.recv().await {
            assert!(
                n > last || seen == 0,
                "a value was seen twice, or goes back"
            );
            (last, seen) = (n, seen + 1);
        }
        assert_eq!(last, 4 * each as u64);
        Ok(())
    });
}

#[test]
fn sender_sees_that_nobody_listens() {
    let (sender, receiver) = latest(1);
    let other = receiver.clone();
    let mut closed = Step::parked(sender.closed());
    drop(receiver);
    closed.pending();
    assert!(!sender.is_closed());
    drop(other);
    assert_eq!(closed.wakes(), 1);
    closed.ready();
    sender.set(2);
    assert_eq!(sender.subscribe().get(), 2);
}

/// A change that loses a `select!` is still unseen; a branch without a sender is disabled.
#[test]
fn branch_of_a_select_sees_the_change_or_leaves_it() {
    on_workers(|_| async {
        let (sender, receiver) = latest(1);
        let (other, inbox) = bounded(1);
        other.send(1).await?;
        select! {
            biased;
            _ = inbox.recv() => {}
            _ = receiver.changed() => panic!("the first branch is ready"),
        }
        assert!(receiver.has_changed());
        select! {
            _ = inbox.recv() => panic!("it is empty"),
            n = receiver.recv() => assert_eq!(n, 1),
        }
        drop(sender);
        select! {
            biased;
            _ = receiver.changed() => panic!("no sender is left"),
            _ = sleep(millis(1)) => {}
        }
        select! {
            _ = receiver.recv() => panic!("no sender is left"),
            else => {}
        }
        Ok(())
    });
}

#[test]
fn a_process_that_is_lent_a_receiver_follows_the_value() {
    #[process]
    async fn follow(levels: &LatestReceiver<u32>, last: &Arc<std::sync::Mutex<u32>>) {
        while let Some(level) = levels.recv().await {
            *last.lock().unwrap() = level;
        }
    }
    on_workers(|scope| async move {
        let (sender, receiver) = latest(0);
        let last = Arc::new(std::sync::Mutex::new(0));
        let follower = scope.spawn(follow(receiver, Arc::clone(&last)));
        for level in 1..=100 {
            sender.set(level);
            yield_now().await;
        }
        drop(sender);
        follower.await?;
        assert_eq!(*last.lock().unwrap(), 100);
        Ok(())
    });
}

/// A stop ends the wait for changes that only somebody outside of the scope could make.
#[test]
fn stop_ends_a_wait_that_nobody_in_the_scope_feeds() {
    on_workers(|scope| async move {
        let (sender, receiver) = latest(0);
        let child = scope.child("stopped");
        let waiting = child.task("waiting", async move {
            let mut seen = 0;
            while receiver.recv().await.is_some() {
                seen += 1;
            }
            roundrock::Ok(seen)
        });
        sender.set(1);
        let report = child.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        assert!(waiting.await? >= 1);
        assert!(sender.is_closed());
        Ok(())
    });
}
