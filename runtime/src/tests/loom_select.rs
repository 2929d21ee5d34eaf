//! The claims of `channel/select.rs`: peers that complete two arms of one `select!` at the same time complete one of them, and
//! the other message stays with its sender; two `select!`s that face each other both go on; a `select!` whose arms close while
//! it parks sees that.
//!
//! Tried: a claim that is always granted (a message is lost). Not seen: `Selecting::poll` without its second look at the token,
//! which only saves a wake.

use loom::thread;

use super::{Counted, Drops, block_on, model};
use crate::channel::select::{Cons, Either, Nil, Select, Selected};
use crate::channel::{Receiver, Sender, bounded};

/// In the order in which they are written: the models must not depend on chance.
const BIASED: Select = Select::new(&["one", "two"]).biased().with_else();

fn arm<E, R>(event: E, rest: R) -> Cons<E, R> {
    Cons {
        event: Some(event),
        rest,
    }
}

/// Receives from one of two channels; `None` when both are closed.
async fn either(one: &Receiver<Counted>, two: &Receiver<Counted>) -> Option<(usize, Counted)> {
    match BIASED.run(arm(one.recv(), arm(two.recv(), Nil))).await {
        Selected::Arm(Either::Here(message)) => Some((1, message)),
        Selected::Arm(Either::There(Either::Here(message))) => Some((2, message)),
        Selected::Else => None,
        Selected::Arm(Either::There(Either::There(never))) => match never {},
        Selected::Default => unreachable!("there is no default"),
    }
}

fn send(sender: Sender<Counted>, drops: &Drops) -> thread::JoinHandle<bool> {
    let message = drops.value();
    thread::spawn(move || block_on(sender.send(message)).is_ok())
}

#[test]
fn two_peers_complete_one_arm_each_time() {
    for capacity in [0, 1] {
        model("select, two peers", 2, move || {
            let drops = Drops::default();
            let (to_one, one) = bounded(capacity);
            let (to_two, two) = bounded(capacity);
            let senders = [send(to_one, &drops), send(to_two, &drops)];
            let mut from = Vec::new();
            while let Some((arm, _message)) = block_on(either(&one, &two)) {
                from.push(arm);
            }
            from.sort_unstable();
            assert_eq!(from, [1, 2]);
            for sender in senders {
                assert!(sender.join().unwrap());
            }
            assert_eq!(drops.count(), 2);
        });
    }
}

#[test]
fn the_loser_keeps_its_message() {
    model("select once, two peers, close", 2, || {
        let drops = Drops::default();
        let (to_one, one) = bounded(0);
        let (to_two, two) = bounded(0);
        let senders = [send(to_one, &drops), send(to_two, &drops)];
        let (arm, message) = block_on(either(&one, &two)).unwrap();
        drop(message);
        drop((one, two));
        let sent = senders.map(|sender| sender.join().unwrap());
        assert_eq!(sent, [arm == 1, arm == 2]);
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_select_that_loses_to_another_receiver_goes_on() {
    model("select and a receiver", 2, || {
        let drops = Drops::default();
        let (to_one, one) = bounded(0);
        let (to_two, two) = bounded(0);
        let rival = one.clone();
        let rival = thread::spawn(move || block_on(rival.recv()).is_some());
        let sender = thread::spawn({
            let messages = [drops.value(), drops.value()];
            move || {
                let [first, second] = messages;
                let sent = block_on(to_one.send(first)).is_ok();
                let _ = block_on(to_two.send(second));
                sent
            }
        });
        let (arm, message) = block_on(either(&one, &two)).unwrap();
        drop(message);
        drop((one, two));
        assert!(sender.join().unwrap());
        assert_eq!(rival.join().unwrap(), arm == 2);
        assert_eq!(drops.count(), 2);
    });
}

/// Receives from `from`, or sends to `to`, whichever comes first. True if it sent.
async fn trade(from: Receiver<Counted>, to: Sender<Counted>, message: Counted) -> bool {
    let sent = match BIASED.run(arm(from.recv(), arm(to.ready(), Nil))).await {
        Selected::Arm(Either::There(Either::Here(permit))) => {
            permit.is_ok_and(|permit| permit.send(message).is_ok())
        }
        _ => false,
    };
    drop((from, to));
    sent
}

#[test]
fn two_selects_that_face_each_other_both_go_on() {
    model("select and select", 2, || {
        let drops = Drops::default();
        let (to_one, one) = bounded(0);
        let (to_two, two) = bounded(0);
        let message = drops.value();
        let other = thread::spawn(move || block_on(trade(one, to_two, message)));
        block_on(trade(two, to_one, drops.value()));
        other.join().unwrap();
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn a_parked_select_sees_that_all_its_arms_close() {
    model("select, close", 2, || {
        let (to_one, one) = bounded::<Counted>(0);
        let (to_two, two) = bounded::<Counted>(1);
        let closers = [
            thread::spawn(move || drop(to_one)),
            thread::spawn(move || drop(to_two)),
        ];
        assert!(block_on(either(&one, &two)).is_none());
        for closer in closers {
            closer.join().unwrap();
        }
    });
}
