//! The channel for one value: sent once, received once, never lost unnoticed. P12, P13.
//!
//! Threads only: a plain thread as receiver.

use roundrock::channel::TryRecvError;
use roundrock::prelude::*;
use roundrock_tests::{Step, Tally, now, on_both, on_workers, times, yield_now};

#[test]
fn value_sent_before_the_wait_is_received() {
    let (sender, receiver) = oneshot();
    sender.send(7).unwrap();
    assert_eq!(now(receiver), Some(7));
}

#[test]
fn value_sent_during_the_wait_wakes_the_receiver() {
    let (sender, receiver) = oneshot();
    let mut wait = Step::parked(receiver);
    sender.send(7).unwrap();
    assert_eq!(wait.wakes(), 1);
    assert_eq!(wait.ready(), Some(7));
}

#[test]
fn send_without_receiver_gives_the_value_back() {
    let tally = Tally::new();
    let (sender, receiver) = oneshot();
    assert!(!sender.is_closed());
    drop(receiver);
    assert!(sender.is_closed());
    let error = sender.send(tally.token(1)).unwrap_err();
    assert_eq!(error.into_inner().number(), 1);
    tally.assert_balanced();
}

#[test]
fn dropping_the_sender_unused_ends_the_receiver() {
    let (sender, receiver) = oneshot::<u32>();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let mut wait = Step::parked(receiver);
    sender.finish();
    assert_eq!(wait.wakes(), 1);
    assert_eq!(wait.ready(), None);
}

#[test]
fn value_that_was_sent_and_not_received_is_dropped_with_the_receiver() {
    let tally = Tally::new();
    let (sender, receiver) = oneshot();
    sender.send(tally.token(1)).unwrap();
    assert_eq!(tally.live(), 1);
    receiver.finish();
    tally.assert_balanced();
}

#[test]
fn value_is_received_once() {
    let (sender, receiver) = oneshot();
    sender.send("one").unwrap();
    assert_eq!(receiver.try_recv(), Ok("one"));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    assert_eq!(now(receiver.recv()), None);
}

/// P12: a wait that is dropped, before or after the value came, loses nothing.
#[test]
fn p12_wait_dropped_half_way_loses_nothing() {
    let (sender, receiver) = oneshot();
    drop(Step::new(receiver.recv()));
    drop(Step::parked(receiver.recv()));
    let completed = Step::parked(receiver.recv());
    sender.send(7).unwrap();
    drop(completed);
    assert_eq!(receiver.try_recv(), Ok(7));
}

#[test]
fn every_one_of_several_waits_is_woken_and_one_gets_the_value() {
    let (sender, receiver) = oneshot();
    let mut first = Step::parked(receiver.recv());
    let mut second = Step::parked(receiver.recv());
    sender.send(7).unwrap();
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
    assert_eq!(second.ready(), Some(7));
    assert_eq!(first.ready(), None);
}

#[test]
fn sender_sees_that_nobody_wants_the_value() {
    let (sender, receiver) = oneshot::<u32>();
    let mut closed = Step::parked(sender.closed());
    drop(Step::parked(sender.closed()));
    drop(receiver);
    assert_eq!(closed.wakes(), 1);
    closed.ready();
    drop(closed);
    now(sender.closed());
}

#[test]
fn wait_follows_the_future_to_another_waker() {
    let (sender, receiver) = oneshot();
    let (other, waker) = roundrock_tests::Wakes::new();
    let mut wait = Step::parked(receiver);
    assert!(wait.poll_with(&waker).is_pending());
    sender.send(7).unwrap();
    assert_eq!((wait.wakes(), other.count()), (0, 1));
    assert_eq!(wait.ready(), Some(7));
}

/// A value that loses a `select!` is still there; a branch whose sender is gone is disabled.
#[test]
fn branch_of_a_select_takes_the_value_or_leaves_it() {
    on_workers(|_| async {
        let (sender, mut receiver) = oneshot();
        sender.send(7)?;
        let (other, inbox) = bounded(1);
        other.send(1).await?;
        select! {
            biased;
            n = inbox.recv() => assert_eq!(n, 1),
            _ = &mut receiver => panic!("the first branch is ready"),
        }
        select! {
            n = inbox.recv() => panic!("there is no {n}"),
            n = &mut receiver => assert_eq!(n, 7),
        }
        other.send(2).await?;
        select! {
            biased;
            n = receiver.recv() => panic!("there is no second value {n}"),
            n = inbox.recv() => assert_eq!(n, 2),
        }
        select! {
            _ = receiver => panic!("there is no second value"),
            else => {}
        }
        Ok(())
    });
}

#[test]
fn ten_thousand_values_between_processes() {
    on_both(2, |scope| async move {
        for n in 0..times(10_000, 30) as u32 {
            let (sender, receiver) = oneshot();
            let _ = scope.task("sender", async move {
                if n % 3 == 0 {
                    yield_now().await;
                }
                sender.send(n)?;
                roundrock::Ok(())
            });
            assert_eq!(receiver.await, Some(n));
        }
        Ok(())
    });
}

#[test]
fn plain_thread_receives() {
    let (sender, receiver) = oneshot();
    let thread = std::thread::spawn(move || receiver.blocking_recv());
    sender.send(7).unwrap();
    assert_eq!(thread.join().unwrap(), Some(7));
}

/// A stop ends the wait for a value whose sender is outside of the scope.
#[test]
fn stop_ends_a_wait_that_nobody_in_the_scope_feeds() {
    on_workers(|scope| async move {
        let (sender, receiver) = oneshot::<u32>();
        let child = scope.child("stopped");
        let waiting = child.task("waiting", async move { roundrock::Ok(receiver.await) });
        yield_now().await;
        let report = child.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(waiting.await?, None);
        assert!(sender.is_closed());
        Ok(())
    });
}
