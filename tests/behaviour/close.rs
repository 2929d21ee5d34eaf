//! Closing, from either side, with every kind of operation under way. Cases K01 to K10; P4, P8, P11.
//!
//! Threads only: plain threads that close both sides at once, and endpoints that outlive their system.

use std::sync::{Arc, Mutex};
use std::thread;

use roundrock::channel::{TryRecvError, TrySendError, WeakSender, unbounded};
use roundrock::prelude::*;
use roundrock_tests::{CAPACITIES, Step, Tally, channel_of, now, on, watched};

/// P8: after the last sender is gone, receivers get what is queued, then `None` for ever.
#[test]
fn p08_receivers_drain_after_the_last_sender() {
    for capacity in [Some(3), None] {
        let (sender, receiver) = channel_of(capacity);
        (0..3).for_each(|n| sender.try_send(n).unwrap());
        sender.finish();
        assert!(receiver.is_closed());
        assert_eq!(now(receiver.recv()), Some(0));
        assert_eq!(receiver.try_recv(), Ok(1));
        assert_eq!(now(receiver.recv_many(8)), [2]);
        for _ in 0..3 {
            assert_eq!(now(receiver.recv()), None);
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        }
    }
}

/// P8: the last sender's drop wakes every parked receiver.
#[test]
fn p08_dropping_the_last_sender_wakes_all_receivers() {
    for capacity in CAPACITIES {
        let (sender, receiver) = channel_of::<u8>(capacity);
        let mut parked: Vec<_> = (0..3).map(|_| Step::parked(receiver.recv())).collect();
        let second = sender.clone();
        drop(sender);
        assert!(parked.iter().all(|recv| recv.wakes() == 0));
        assert!(!receiver.is_closed());
        drop(second);
        for recv in &mut parked {
            assert_eq!(recv.wakes(), 1);
            assert_eq!(recv.ready(), None);
        }
    }
}

/// P8, P4: the last receiver's drop wakes every parked sender, each with its own message.
#[test]
fn p08_dropping_the_last_receiver_wakes_all_senders() {
    for capacity in [0, 1, 3] {
        let tally = Tally::new();
        let (sender, receiver) = bounded(capacity);
        for n in 0..capacity {
            sender.try_send(tally.token(n as u64)).unwrap();
        }
        let mut parked: Vec<_> = (10..13)
            .map(|n| Step::parked(sender.send(tally.token(n))))
            .collect();
        let mut ready = Step::parked(sender.ready());
        let second = receiver.clone();
        receiver.finish();
        assert!(!sender.is_closed() && tally.dropped().is_empty());
        drop(second);
        assert!(sender.is_closed());
        let queued: Vec<_> = (0..capacity as u64).collect();
        assert_eq!(
            tally.dropped(),
            queued,
            "queued messages, in order, at once"
        );
        for (send, n) in parked.iter_mut().zip(10..) {
            assert_eq!(send.wakes(), 1);
            assert_eq!(send.ready().unwrap_err().into_inner().number(), n);
        }
        assert_eq!(ready.wakes(), 1);
        assert!(ready.ready().is_err());
        let late = now(sender.send(tally.token(20))).unwrap_err();
        assert_eq!(late.into_inner().number(), 20);
        assert!(now(sender.ready()).is_err());
        tally.assert_balanced();
    }
}

/// P8: a permit in hand does not survive the last receiver: its message comes back.
#[test]
fn p08_a_permit_fails_with_its_message_after_the_last_receiver() {
    for capacity in [0, 1, 3] {
        let (sender, receiver) = bounded(capacity);
        let held = {
            let _waiting = Step::parked(receiver.recv());
            now(sender.ready()).unwrap()
        };
        drop(receiver);
        assert_eq!(held.send(5).unwrap_err().into_inner(), 5);
        assert_eq!(sender.try_send(6), Err(TrySendError::Closed(6)));
    }
}

/// P8: an owned permit is a sender: it keeps the channel open until it is used or dropped.
#[test]
fn p08_an_owned_permit_keeps_the_channel_open() {
    let (sender, receiver) = bounded::<u8>(1);
    let permit = now(sender.ready_owned()).unwrap();
    let mut recv = Step::parked(receiver.recv());
    drop(permit);
    assert_eq!(recv.ready(), None);

    let (sender, receiver) = bounded(1);
    let permit = now(sender.ready_owned()).unwrap();
    drop(permit.send(1).unwrap());
    assert_eq!(now(receiver.recv()), Some(1));
    assert_eq!(now(receiver.recv()), None);
}

/// P8: a permit that is dropped after the close, or a waiter that was granted room, hurts nobody.
#[test]
fn p08_permits_dropped_after_the_close() {
    let (sender, receiver) = bounded::<u8>(1);
    let permit = now(sender.ready()).unwrap();
    let mut granted = Step::parked(sender.ready());
    let waiting = Step::parked(sender.send(1));
    drop(permit);
    assert_eq!(granted.wakes(), 1);
    drop(receiver);
    if let Ok(permit) = granted.ready() {
        assert!(permit.send(2).is_err());
    }
    drop(waiting);
}

/// P4: messages that nobody will receive are dropped in queue order, before the drop of the receiver returns, also from within
/// one another.
#[test]
fn p04_undelivered_messages_drop_in_order() {
    let tally = Tally::new();
    let (sender, receiver) = unbounded::channel();
    (0..100).for_each(|n| sender.try_send(tally.token(n)).unwrap());
    drop(receiver);
    assert!(tally.dropped().into_iter().eq(0..100));
    // Nor does it matter who held them: a channel in a channel.
    let (outer, outer_end) = bounded(1);
    let (sender, receiver) = unbounded::channel();
    (100..105).for_each(|n| sender.try_send(tally.token(n)).unwrap());
    outer.try_send(receiver).unwrap();
    drop(outer_end);
    assert!(tally.dropped().into_iter().eq(0..105));
    assert!(sender.try_send(tally.token(105)).unwrap_err().is_closed());
}

/// A message that does something to its own channel when it is dropped.
struct Meddler(Sender<Option<Meddler>>, Arc<Mutex<Vec<&'static str>>>);

impl Drop for Meddler {
    fn drop(&mut self) {
        let result = match self.0.try_send(None) {
            Ok(()) => "sent",
            Err(TrySendError::Closed(_)) => "closed",
            Err(_) => "full",
        };
        self.1.lock().unwrap().push(result);
        let _ = (self.0.len(), self.0.clone());
    }
}

#[test]
fn destructors_of_messages_may_use_their_own_channel() {
    watched(|stage| {
        let log = Arc::default();
        let (sender, receiver) = bounded(4);
        for _ in 0..2 {
            let meddler = Meddler(sender.clone(), Arc::clone(&log));
            sender.try_send(Some(meddler)).ok().unwrap();
        }
        stage.set("dropping the receiver of messages that hold their sender");
        drop(receiver);
        assert_eq!(*log.lock().unwrap(), ["closed", "closed"]);
    });
}

#[test]
fn a_message_may_hold_its_own_receiver() {
    struct Own(Receiver<Own>);
    let (sender, receiver) = bounded(2);
    sender.try_send(Own(receiver.clone())).ok().unwrap();
    let Own(inner) = receiver.try_recv().ok().unwrap();
    drop(receiver);
    assert!(!sender.is_closed(), "the message holds a receiver");
    drop(inner);
    assert!(sender.is_closed());
}

/// P11: a weak sender keeps nothing open, and cannot be upgraded after the close.
#[test]
fn p11_weak_senders_keep_nothing_alive() {
    let (sender, receiver) = bounded(1);
    let weak: WeakSender<u8> = sender.downgrade();
    weak.upgrade().expect("still open").try_send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    let mut recv = Step::parked(receiver.recv());
    drop(sender);
    assert_eq!(recv.ready(), None, "closed although a weak sender exists");
    assert!(weak.upgrade().is_none() && weak.clone().upgrade().is_none());
    drop(recv);
    drop(receiver);
    assert!(weak.upgrade().is_none(), "and when both sides are gone");
}

/// P11: a sender that was upgraded keeps the channel open like any other.
#[test]
fn p11_an_upgraded_sender_is_a_strong_one() {
    let (sender, receiver) = rendezvous::<u8>();
    let strong = sender.downgrade().upgrade().unwrap();
    drop(sender);
    let mut recv = Step::parked(receiver.recv());
    drop(strong);
    assert_eq!(recv.ready(), None);
}

/// P8: both sides close at the same moment, with messages in the queue and operations parked on other threads.
#[test]
fn p08_both_sides_close_at_once() {
    watched(|_| {
        for round in 0..2000 {
            let tally = Tally::new();
            let (sender, receiver) = bounded(2);
            sender.try_send(tally.token(0)).unwrap();
            let shared = tally.clone();
            let weak = sender.downgrade();
            let producer = thread::spawn(move || {
                if round % 2 == 0 {
                    let _ = sender.blocking_send(shared.token(1));
                    let _ = sender.blocking_send(shared.token(2));
                }
                drop(sender);
            });
            drop(weak.upgrade());
            let consumer = thread::spawn(move || {
                (round % 3 == 0).then(|| receiver.blocking_recv().map(|token| token.number()))
            });
            producer.join().unwrap();
            assert_eq!(consumer.join().unwrap().unwrap_or(Some(0)), Some(0));
            tally.assert_balanced();
        }
    });
}

/// P8: a channel works outside of its system as before when the system is over.
#[test]
fn p08_endpoints_outlive_their_system() {
    let (sender, receiver) = bounded(1);
    let inside = (sender.clone(), receiver.clone());
    on(2, move |scope| async move {
        let _ = scope.task("user", async move {
            inside.0.send(1).await?;
            assert_eq!(inside.1.recv().await, Some(1));
            inside.0.send(2).await
        });
        Ok(())
    });
    assert_eq!(now(receiver.recv()), Some(2));
    let mut recv = Step::parked(receiver.recv());
    now(sender.send(3)).unwrap();
    assert_eq!(recv.ready(), Some(3));
    drop(recv);
    drop(receiver);
    assert_eq!(sender.try_send(4), Err(TrySendError::Closed(4)));
}

/// P11: a weak sender does not come back when nobody can receive any more, though a strong one lives.
#[test]
fn p11_a_weak_sender_ends_with_the_last_receiver() {
    let (jobs, inbox) = bounded::<u32>(1);
    let weak = jobs.downgrade();
    let other = inbox.clone();
    drop(inbox);
    assert!(weak.upgrade().is_some());
    drop(other);
    assert!(weak.upgrade().is_none());
    drop(jobs);
}
