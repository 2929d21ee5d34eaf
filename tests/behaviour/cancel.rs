//! Dropping an operation before it completes: no effect, nothing lost. Case X04; P12.
//!
//! Each operation is dropped at each stage: never polled, parked, completed by a peer and not yet seen by its owner. The
//! futures are polled by hand, so every stage is exact.

use std::fmt::Debug;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;

use roundrock::channel::{TryRecvError, TrySendError};
use roundrock::prelude::*;
use roundrock_tests::{Step, Tally, channel_of, now, on, on_workers, until_asleep, yield_now};

/// P12: a `send` that was never polled, or is parked, and is dropped, sent nothing.
#[test]
fn p12_send_dropped_before_completion_sends_nothing() {
    for capacity in [0, 1, 3] {
        let tally = Tally::new();
        let (sender, receiver) = bounded(capacity);
        drop(Step::new(sender.send(tally.token(100))));
        for n in 0..capacity {
            sender.try_send(tally.token(n as u64)).unwrap();
        }
        let parked = Step::parked(sender.send(tally.token(200)));
        let mut next = Step::parked(sender.send(tally.token(300)));
        drop(parked);
        assert_eq!(tally.dropped(), [100, 200]);
        next.pending();
        let expected = (0..capacity as u64).chain([300]);
        for n in expected {
            assert_eq!(receiver.try_recv().unwrap().number(), n);
        }
        assert_eq!(receiver.try_recv().unwrap_err(), TryRecvError::Empty);
        assert!(next.ready().is_ok());
        drop(next);
        tally.assert_balanced();
    }
}

/// P12: a parked `send` that a receiver has served was sent, whether or not its future is polled again.
#[test]
fn p12_send_dropped_after_completion_has_sent() {
    for capacity in [0, 1] {
        let tally = Tally::new();
        let (sender, receiver) = bounded(capacity);
        if capacity == 1 {
            sender.try_send(tally.token(0)).unwrap();
        }
        let send = Step::parked(sender.send(tally.token(1)));
        assert_eq!(receiver.try_recv().unwrap().number(), 1 - capacity as u64);
        assert_eq!(send.wakes(), 1);
        drop(send);
        if capacity == 1 {
            assert_eq!(receiver.try_recv().unwrap().number(), 1);
        }
        tally.assert_balanced();
    }
}

/// P12: a `recv` that was never polled, or is parked, and is dropped, received nothing and stands in nobody's way.
#[test]
fn p12_recv_dropped_before_completion_receives_nothing() {
    for capacity in [Some(0), Some(1), None] {
        let (sender, receiver) = channel_of(capacity);
        drop(Step::new(receiver.recv()));
        let first = Step::parked(receiver.recv());
        let mut second = Step::parked(receiver.recv());
        drop(first);
        sender.try_send(1).unwrap();
        assert_eq!(second.wakes(), 1);
        assert_eq!(second.ready(), Some(1));
    }
}

/// X04: also when another receiver was told meanwhile that the channel is over, for at that moment the message was in the hands of
/// the first. Whoever asks then gets it; if nobody does, it is dead, with its reason, when the last receiver goes.
#[test]
fn x04_unseen_message_comes_back_after_the_end() {
    for capacity in [Some(0), Some(1), None] {
        for asks_again in [true, false] {
            let tally = Tally::new();
            let (sender, first) = channel_of(capacity);
            let second = first.clone();
            let parked = Step::parked(first.recv());
            sender.try_send(tally.token(1)).unwrap();
            drop(sender);
            assert!(now(second.recv()).is_none());
            assert_eq!(second.try_recv().unwrap_err(), TryRecvError::Closed);
            drop(parked);
            assert_eq!(tally.live(), 1, "it went back");
            if asks_again {
                assert_eq!(now(second.recv()).map(|token| token.number()), Some(1));
                assert!(now(second.recv()).is_none());
            }
            drop((first, second));
            tally.assert_balanced();
        }
    }
}

/// P12: a message that was handed to a parked `recv` and never seen goes back to the head.
#[test]
fn p12_unseen_message_goes_back_to_the_head() {
    for capacity in [Some(1), Some(3), None] {
        let tally = Tally::new();
        let (sender, receiver) = channel_of(capacity);
        let recv = Step::parked(receiver.recv());
        sender.try_send(tally.token(0)).unwrap();
        let queued = capacity.unwrap_or(5) as u64;
        (1..=queued).for_each(|n| sender.try_send(tally.token(n)).unwrap());
        drop(recv);
        if capacity.is_some() {
            let refused = sender.try_send(tally.token(99)).unwrap_err();
            assert!(refused.is_full(), "what came back leaves no more room");
        }
        let blocked = Step::new(sender.send(tally.token(queued + 1)));
        for n in 0..=queued {
            assert_eq!(receiver.try_recv().unwrap().number(), n);
        }
        drop(blocked);
        assert_eq!(receiver.try_recv().unwrap_err(), TryRecvError::Empty);
        tally.assert_balanced();
    }
}

/// P5, P12: on a rendezvous too: the send has returned, so the message waits at the head, and no other may join it.
#[test]
fn p12_unseen_message_of_a_rendezvous_waits_for_the_next_recv() {
    let (sender, receiver) = rendezvous();
    let recv = Step::parked(receiver.recv());
    now(sender.send(1)).unwrap();
    let mut behind = Step::parked(sender.send(2));
    drop(recv);
    behind.pending();
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(now(receiver.recv()), Some(1));
    behind.pending();
    assert_eq!(now(receiver.recv()), Some(2));
    assert!(behind.ready().is_ok());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

/// P12: with several receivers parked, an unseen message goes on to the next of them at once.
#[test]
fn p12_unseen_message_goes_to_the_next_parked_receiver() {
    for capacity in [Some(0), Some(1), None] {
        let (sender, receiver) = channel_of(capacity);
        let other = receiver.clone();
        let first = Step::parked(receiver.recv());
        let second = Step::parked(other.recv());
        let mut third = Step::parked(receiver.recv());
        sender.try_send(1).unwrap();
        assert_eq!((first.wakes(), second.wakes()), (1, 0));
        drop(first);
        assert_eq!((second.wakes(), third.wakes()), (1, 0));
        drop(second);
        assert_eq!(third.wakes(), 1);
        assert_eq!(third.ready(), Some(1));
    }
}

/// P12: two unseen messages come back in their order, however their receivers are dropped.
#[test]
fn p12_several_unseen_messages_keep_their_order() {
    for newest_first in [true, false] {
        let (sender, receiver) = bounded(4);
        let mut parked: Vec<_> = (0..3).map(|_| Step::parked(receiver.recv())).collect();
        (0..5).for_each(|n| sender.try_send(n).unwrap());
        while !parked.is_empty() {
            let at = if newest_first { parked.len() - 1 } else { 0 };
            drop(parked.remove(at));
        }
        let all: Vec<_> = std::iter::from_fn(|| receiver.try_recv().ok()).collect();
        assert_eq!(all, [0, 1, 2, 3, 4], "newest first: {newest_first}");
    }
}

/// P12, P8: an unseen message survives the last sender; it is dropped with the last receiver and nobody else.
#[test]
fn p12_unseen_message_and_the_close() {
    for capacity in [Some(0), Some(1), None] {
        let tally = Tally::new();
        let (sender, receiver) = channel_of(capacity);
        let recv = Step::parked(receiver.recv());
        sender.try_send(tally.token(1)).unwrap();
        drop(sender);
        drop(recv);
        assert_eq!(now(receiver.recv()).unwrap().number(), 1);
        assert!(now(receiver.recv()).is_none());

        let (sender, receiver) = channel_of(capacity);
        let recv = Step::parked(receiver.recv());
        sender.try_send(tally.token(2)).unwrap();
        drop(recv);
        assert_eq!(tally.dropped(), [1]);
        drop(receiver);
        assert_eq!(tally.dropped(), [1, 2]);
        assert!(sender.is_closed());
    }
}

/// P12: room that was granted to a `ready`, and a permit, go to the next in line when dropped.
#[test]
fn p12_ready_dropped_at_each_stage_gives_its_room_on() {
    let (sender, receiver) = bounded(1);
    drop(Step::new(sender.ready()));
    sender.try_send(0).unwrap();
    let parked = Step::parked(sender.ready());
    let granted = Step::parked(sender.ready());
    let mut owned = Step::new(sender.clone().ready_owned());
    assert!(owned.poll().is_pending());
    let mut last = Step::parked(sender.send(1));
    drop(parked);
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!((granted.wakes(), owned.wakes()), (1, 0));
    drop(granted);
    assert_eq!((owned.wakes(), last.wakes()), (1, 0));
    let permit = owned.ready().unwrap();
    last.pending();
    drop(permit);
    assert_eq!(last.wakes(), 1);
    assert!(last.ready().is_ok());
    assert_eq!(receiver.try_recv(), Ok(1));
}

/// P12: the same on a rendezvous: the parked receiver goes to the next in line.
#[test]
fn p12_rendezvous_permit_gives_its_receiver_on() {
    let (sender, receiver) = rendezvous();
    let granted = Step::parked(sender.ready());
    let mut next = Step::parked(sender.send(1));
    let mut recv = Step::parked(receiver.recv());
    assert_eq!((granted.wakes(), next.wakes()), (1, 0));
    drop(granted);
    assert!(next.ready().is_ok());
    assert_eq!(recv.ready(), Some(1));
}

/// Polls an operation that has completed once more, which is a mistake of whoever polls, and must be told so.
#[track_caller]
fn assert_spent<F: Future<Output: Debug>>(step: &mut Step<F>) {
    let again = catch_unwind(AssertUnwindSafe(|| step.poll()));
    let payload = again.expect_err("it completed, or waits, for a second time");
    assert_eq!(
        payload.downcast_ref::<&str>(),
        Some(&"a send was polled after it had completed"),
        "{:?}",
        payload.downcast_ref::<String>()
    );
}

/// A `send` that has completed, in whatever way, and is polled again panics: it does not send what it no longer has, nor say
/// that it has sent what came back. Boxes, because an empty place is none.
#[test]
fn p12_a_completed_send_that_is_polled_again_panics() {
    for capacity in [Some(2), None] {
        let (sender, receiver) = channel_of::<Box<u32>>(capacity);
        let mut sent = Step::new(sender.send(Box::new(1)));
        assert!(sent.ready().is_ok());
        assert_spent(&mut sent);
        assert_spent(&mut sent);
        assert_eq!(receiver.try_recv().as_deref(), Ok(&1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        drop(receiver);
        let mut refused = Step::new(sender.send(Box::new(2)));
        assert_eq!(*refused.ready().unwrap_err().into_inner(), 2);
        assert_spent(&mut refused);
    }
    for capacity in [0, 1] {
        let (sender, receiver) = bounded(capacity);
        for n in 0..capacity as u32 {
            sender.try_send(Box::new(n)).unwrap();
        }
        let mut served = Step::parked(sender.send(Box::new(7)));
        let mut closed = Step::parked(sender.send(Box::new(8)));
        // One message, so that one of the two gets on.
        let first = if capacity == 0 { 7 } else { 0 };
        assert_eq!(receiver.try_recv().as_deref(), Ok(&first));
        assert!(served.ready().is_ok());
        assert_spent(&mut served);
        drop(receiver);
        assert_eq!(*closed.ready().unwrap_err().into_inner(), 8);
        assert_spent(&mut closed);
    }
    // To a receiver that is parked.
    let (sender, receiver) = rendezvous();
    let mut waits = Step::parked(receiver.recv());
    let mut sent = Step::new(sender.send(Box::new(3)));
    assert!(sent.ready().is_ok());
    assert_spent(&mut sent);
    assert_eq!(waits.ready().as_deref(), Some(&3));
}

/// The same of what is made of a `send`: with a limit, through a port, and of a call, whose process is gone.
#[test]
fn p12_what_holds_a_completed_send_panics_too() {
    #[process]
    struct Keeper {
        kept: Option<Box<u32>>,
    }
    #[handlers]
    impl Keeper {
        fn keep(&mut self, one: Box<u32>) {
            self.kept = Some(one);
        }
        fn kept(&self) -> u32 {
            self.kept.as_deref().copied().unwrap_or_default()
        }
    }
    on_workers(|scope| async move {
        let (sender, receiver) = bounded(1);
        let mut sent = Step::new(sender.send(Box::new(1)).within(secs(60)));
        assert!(sent.ready().is_ok());
        assert_spent(&mut sent);
        let mut late = Step::new(sender.send(Box::new(2)).within(millis(1)));
        let error = loop {
            match late.poll() {
                Poll::Ready(result) => break result.unwrap_err(),
                Poll::Pending => sleep(millis(1)).await,
            }
        };
        assert!(error.is_elapsed());
        assert_eq!(*error.into_inner(), 2);
        assert_spent(&mut late);
        assert_eq!(receiver.try_recv().as_deref(), Ok(&1));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));

        let keeper = scope.spawn(Keeper { kept: None });
        let port = keeper.keep_port();
        let mut sent = Step::new(port.send(Box::new(3)));
        while sent.poll().is_pending() {
            yield_now().await;
        }
        assert_spent(&mut sent);
        assert_eq!(keeper.kept().await?, 3);
        drop(sent);
        drop(port);
        let done = keeper.done();
        keeper.stop();
        done.await;
        let mut call = Step::new(keeper.keep(Box::new(4)).into_future());
        assert!(call.ready().is_err());
        assert_spent(&mut call);
        Ok(())
    });
}

/// What can complete several times does so, and one that cannot waits or says the end: none breaks what it belongs to.
#[test]
fn operations_that_are_polled_again_after_they_completed_break_nothing() {
    let tally = Tally::new();
    let (sender, receiver) = bounded(2);
    sender.try_send(tally.token(1)).unwrap();
    sender.try_send(tally.token(2)).unwrap();
    let mut recv = Step::new(receiver.recv());
    assert_eq!(recv.ready().map(|token| token.number()), Some(1));
    assert_eq!(recv.ready().map(|token| token.number()), Some(2));
    recv.pending();
    drop(recv);
    let mut ready = Step::new(sender.ready());
    let (one, two) = (ready.ready().unwrap(), ready.ready().unwrap());
    ready.pending();
    drop((one, ready));
    assert!(two.send(tally.token(3)).is_ok());
    sender.try_send(tally.token(4)).unwrap();
    drop(receiver);
    let mut many = Step::new(sender.ready_many(2));
    for _ in 0..2 {
        assert!(many.ready().is_err());
    }
    drop(many);
    tally.assert_balanced();

    let (sender, receiver) = oneshot();
    sender.send(Box::new(1)).unwrap();
    let mut value = Step::new(receiver);
    assert_eq!(value.ready().as_deref(), Some(&1));
    assert!(!matches!(value.poll(), Poll::Ready(Some(_))));
}

/// P15: a kill acts soon also where nothing that the process does has to wait.
#[test]
fn p15_a_kill_acts_where_nothing_waits() {
    on(2, |scope| async move {
        let (out, inbox) = bounded(100);
        for n in 0..100 {
            out.send(n).await?;
        }
        let received = Arc::new(AtomicUsize::new(0));
        let told = Arc::new(AtomicBool::new(false));
        let (counts, goes_on) = (Arc::clone(&received), Arc::clone(&told));
        let reads = scope.child("readers").task("reads", async move {
            while inbox.recv().await.is_some() {
                counts.fetch_add(1, Ordering::SeqCst);
                // It keeps its worker, and comes to no await, until it was killed.
                while !goes_on.load(Ordering::SeqCst) {
                    std::hint::spin_loop();
                }
            }
        });
        while received.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        reads.kill();
        told.store(true, Ordering::SeqCst);
        assert_eq!(reads.await.expect_err("it was killed").kind(), "killed");
        let received = received.load(Ordering::SeqCst);
        assert!(received <= 9, "{received}");
        Ok(())
    });
}

/// P15: a destructor of a killed process may use channels as long as nothing makes it wait.
#[test]
fn p15_what_a_killed_process_drops_may_receive() {
    struct TakesAll(Receiver<u32>, Arc<AtomicUsize>);

    impl Drop for TakesAll {
        fn drop(&mut self) {
            while Step::new(self.0.recv()).ready().is_some() {
                self.1.fetch_add(1, Ordering::SeqCst);
            }
        }
    }

    on(2, |scope| async move {
        let (out, inbox) = bounded(60);
        for n in 0..60 {
            out.send(n).await?;
        }
        drop(out);
        let taken = Arc::new(AtomicUsize::new(0));
        let all = TakesAll(inbox, Arc::clone(&taken));
        let waits = scope.child("child").task("waits", async move {
            let _all = all;
            sleep(secs(3600)).await;
        });
        until_asleep(&scope, "waits").await;
        waits.kill();
        assert_eq!(waits.done().await.kind(), "killed");
        assert_eq!(taken.load(Ordering::SeqCst), 60);
        Ok(())
    });
}
