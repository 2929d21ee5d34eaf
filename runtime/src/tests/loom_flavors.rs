//! The channels of other forms, `channel/oneshot.rs`, `latest.rs`, `broadcast.rs` and their lists of those who wait: whoever waits
//! sees the value, the room or the end of the other side, in whatever order they come, and what was sent is dropped once.
//!
//! Tried: in each of the three, a value, an end or a place that becomes free of which nobody who waits is told (a deadlock).

use loom::thread;

use super::{Drops, block_on, model};
use crate::channel::{ChannelOptions, Overflow, broadcast, latest, oneshot};

#[test]
fn a_oneshot_value_or_the_end_of_its_sender_arrives() {
    model("oneshot: send or go, receive", 3, || {
        for sends in [true, false] {
            let drops = Drops::default();
            let (sender, receiver) = oneshot();
            let value = drops.value();
            let sender = thread::spawn(move || match sends {
                true => sender.send(value).is_ok(),
                false => {
                    sender.finish();
                    false
                }
            });
            assert_eq!(block_on(receiver.recv()).is_some(), sends);
            assert_eq!(sender.join().unwrap(), sends);
            assert_eq!(drops.count(), 1);
        }
    });
}

#[test]
fn who_waits_for_the_end_of_a_oneshot_receiver_is_woken() {
    model("oneshot: receiver goes", 3, || {
        let (sender, receiver) = oneshot::<u32>();
        let receiver = thread::spawn(move || drop(receiver));
        block_on(sender.closed());
        assert!(sender.send(1).is_err());
        receiver.join().unwrap();
    });
}

#[test]
fn the_newest_value_is_seen_and_then_the_end() {
    model("latest: set, set, go", 3, || {
        let (sender, receiver) = latest(0);
        let sender = thread::spawn(move || {
            sender.set(1);
            sender.set(2);
        });
        let mut seen = None;
        while let Some(value) = block_on(receiver.recv()) {
            assert!(seen < Some(value), "{value} after {seen:?}");
            seen = Some(value);
        }
        assert_eq!(seen, Some(2), "the newest one");
        sender.join().unwrap();
    });
}

#[test]
fn each_receiver_sees_each_message_and_gives_room() {
    model("broadcast: one place, two receivers", 2, || {
        let (sender, one) = broadcast(1).overflow(Overflow::Wait);
        let other = sender.subscribe();
        let other = thread::spawn(move || {
            let mut seen = Vec::new();
            while let Some(message) = block_on(other.recv()) {
                seen.push(message.expect("nothing is missed"));
            }
            seen
        });
        let sender = thread::spawn(move || {
            for message in 1..=2 {
                block_on(sender.send(message)).expect("somebody receives");
            }
        });
        let mut seen = Vec::new();
        while let Some(message) = block_on(one.recv()) {
            seen.push(message.expect("nothing is missed"));
        }
        assert_eq!(seen, [1, 2]);
        assert_eq!(other.join().unwrap(), [1, 2]);
        sender.join().unwrap();
    });
}

#[test]
fn a_receiver_that_goes_gives_room() {
    model("broadcast: the slow one goes", 3, || {
        let (sender, slow) = broadcast(1).overflow(Overflow::Wait);
        let quick = sender.subscribe();
        sender.try_send(1).expect("there is room");
        assert_eq!(quick.try_recv().expect("a message"), Ok(1));
        let slow = thread::spawn(move || drop(slow));
        block_on(sender.send(2)).expect("one receives still");
        assert_eq!(quick.try_recv().expect("a message"), Ok(2));
        slow.join().unwrap();
    });
}
