//! Channels while both sides are open: what send, receive, permits and capacities do. Cases C02 to C19; P5, P6.
//!
//! Threads only: a plain thread receives what is `Send` and not `Sync`.

use std::cell::Cell;
use std::thread;

use roundrock::channel::{
    ChannelOptions, MAX_CAPACITY, Overflow, TryRecvError, TrySendError, unbounded,
};
use roundrock::prelude::*;
use roundrock_tests::{Step, Tally, channel_of, now};

#[test]
fn lengths_are_exact_at_every_step() {
    let (sender, receiver) = bounded(3);
    assert_eq!(sender.capacity(), Some(3));
    for n in 0..3 {
        assert_eq!((sender.len(), receiver.len()), (n, n));
        assert_eq!((sender.is_empty(), sender.is_full()), (n == 0, false));
        assert_eq!(receiver.is_empty(), n == 0);
        sender.try_send(n).unwrap();
    }
    assert!(sender.is_full());
    for n in 0..3 {
        assert_eq!(receiver.try_recv(), Ok(n));
        assert_eq!((sender.len(), receiver.len()), (2 - n, 2 - n));
    }
    let (sender, receiver) = rendezvous::<u8>();
    assert_eq!((sender.capacity(), sender.len()), (Some(0), 0));
    assert!(sender.is_empty() && sender.is_full() && receiver.is_empty());
    let (sender, _receiver) = unbounded::channel();
    (0..1000).for_each(|n| sender.try_send(n).unwrap());
    assert_eq!((sender.capacity(), sender.len()), (None, 1000));
    assert!(!sender.is_full());
}

#[test]
fn try_send_says_full_ok_or_closed_and_gives_the_value_back() {
    let (sender, receiver) = bounded(1);
    assert_eq!(sender.try_send("first"), Ok(()));
    assert_eq!(sender.try_send("second"), Err(TrySendError::Full("second")));
    assert_eq!(receiver.try_recv(), Ok("first"));
    drop(receiver);
    assert_eq!(sender.try_send("third"), Err(TrySendError::Closed("third")));
    let (sender, receiver) = rendezvous();
    assert_eq!(sender.try_send(1), Err(TrySendError::Full(1)));
    let mut recv = Step::parked(receiver.recv());
    assert_eq!(sender.try_send(2), Ok(()));
    assert_eq!(sender.try_send(3), Err(TrySendError::Full(3)));
    assert_eq!(recv.ready(), Some(2));
}

#[test]
fn try_recv_says_empty_value_or_closed() {
    for capacity in [Some(1), Some(8), None] {
        let (sender, receiver) = channel_of(capacity);
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
        sender.try_send(1).unwrap();
        assert_eq!(receiver.try_recv(), Ok(1));
        sender.try_send(2).unwrap();
        drop(sender);
        assert_eq!(receiver.try_recv(), Ok(2));
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        // As every operation whose other side is gone, it ends a process normally.
        let closed = Error::from(TryRecvError::Closed);
        assert!(closed.is_closed() && TryRecvError::Closed.is_closed());
        assert!(!Error::from(TryRecvError::Empty).is_closed());
    }
    let (sender, receiver) = rendezvous();
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let mut send = Step::parked(sender.send(3));
    assert_eq!(receiver.try_recv(), Ok(3), "from the parked sender");
    assert!(send.ready().is_ok());
}

/// P5: a rendezvous `send` returns only once a parked receiver was given the message.
#[test]
fn p05_rendezvous_send_waits_for_a_parked_receiver() {
    let (sender, receiver) = rendezvous();
    let mut send = Step::parked(sender.send(1));
    assert_eq!(send.wakes(), 0);
    let mut recv = Step::new(receiver.recv());
    send.pending();
    assert_eq!(recv.ready(), Some(1));
    assert_eq!(send.wakes(), 1);
    assert!(send.ready().is_ok());

    let mut recv = Step::parked(receiver.recv());
    assert!(now(sender.send(2)).is_ok(), "the receiver is parked");
    assert_eq!(recv.wakes(), 1);
    assert_eq!(recv.ready(), Some(2));
}

/// P6: a channel without a bound never makes a sender wait.
#[test]
fn p06_unbounded_send_never_waits() {
    let (sender, receiver) = unbounded::channel();
    for n in 0..10_000 {
        now(sender.send(n)).unwrap();
    }
    (0..10_000).for_each(|n| assert_eq!(receiver.try_recv(), Ok(n)));
}

/// P5: a permit is room that nobody else gets, and using it never waits nor fails.
#[test]
fn p05_a_permit_keeps_its_room() {
    let (sender, receiver) = bounded(2);
    let permit = now(sender.ready()).unwrap();
    sender.try_send(1).unwrap();
    assert!(sender.try_send(2).unwrap_err().is_full());
    let mut blocked = Step::parked(sender.send(3));
    permit.send(2).unwrap();
    blocked.pending();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(blocked.ready().is_ok());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Ok(3));
}

/// P5: on a rendezvous at most as many permits are out as receivers are parked.
#[test]
fn p05_rendezvous_permits_need_parked_receivers() {
    let (sender, receiver) = rendezvous();
    let mut ready = Step::parked(sender.ready());
    let mut first = Step::parked(receiver.recv());
    let permit = ready.ready().unwrap();
    let mut more = Step::parked(sender.ready());
    let mut second = Step::parked(receiver.recv());
    let other = more.ready().unwrap();
    let _none = Step::parked(sender.ready());
    other.send(1).unwrap();
    permit.send(2).unwrap();
    assert_eq!(first.ready(), Some(1));
    assert_eq!(second.ready(), Some(2));
}

/// P4, P5: a permit whose parked receiver has left still sends without waiting: the next receiver gets the message.
#[test]
fn p05_rendezvous_permit_outlives_its_receiver() {
    let (sender, receiver) = rendezvous();
    let recv = Step::parked(receiver.recv());
    let permit = now(sender.ready()).unwrap();
    drop(recv);
    permit.send(1).unwrap();
    assert!(sender.try_send(2).unwrap_err().is_full());
    assert_eq!(now(receiver.recv()), Some(1));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn an_owned_permit_returns_its_sender() {
    let (sender, receiver) = bounded(1);
    let permit = now(sender.ready_owned()).unwrap();
    let sender = permit.send(1).unwrap();
    let mut blocked = Step::parked(sender.clone().ready_owned());
    assert_eq!(receiver.try_recv(), Ok(1));
    drop(blocked.ready().unwrap());
    sender.try_send(2).unwrap();
}

#[test]
fn drop_oldest_keeps_the_newest_and_drop_newest_the_oldest() {
    for (policy, kept, lost) in [
        (Overflow::DropOldest, [3, 4], [0, 1, 2]),
        (Overflow::DropNewest, [0, 1], [2, 3, 4]),
    ] {
        let tally = Tally::new();
        let (sender, receiver) = bounded(2).overflow(policy).named("lossy");
        for n in 0..5 {
            now(sender.send(tally.token(n))).unwrap();
            assert!(tally.live() <= 2 && sender.len() <= 2);
        }
        assert_eq!(tally.dropped(), lost);
        let left = [receiver.try_recv().unwrap(), receiver.try_recv().unwrap()];
        assert_eq!(left.map(|token| token.number()), kept);
        tally.assert_balanced();
    }
}

#[test]
fn recv_many_takes_what_is_there_up_to_the_limit() {
    let (sender, receiver) = bounded(4);
    (0..4).for_each(|n| sender.try_send(n).unwrap());
    let mut blocked = Step::parked(sender.send(4));
    assert_eq!(now(receiver.recv_many(3)), [0, 1, 2]);
    assert!(blocked.ready().is_ok());
    drop(blocked);
    assert_eq!(now(receiver.recv_many(10)), [3, 4]);
    let mut waiting = Step::parked(receiver.recv_many(10));
    drop(sender);
    assert_eq!(waiting.ready(), Vec::<i32>::new());
}

#[test]
fn messages_of_any_shape() {
    let (sender, receiver) = bounded(2);
    now(sender.send(())).unwrap();
    assert_eq!(now(receiver.recv()), Some(()));
    #[derive(Debug, PartialEq)]
    #[repr(align(128))]
    struct Large([u64; 512]);
    let (sender, receiver) = rendezvous();
    let mut send = Step::parked(sender.send(Large([9; 512])));
    assert_eq!(now(receiver.recv()), Some(Large([9; 512])));
    assert!(send.ready().is_ok());
    // `Send` and not `Sync` is enough.
    let (sender, receiver) = bounded(1);
    now(sender.send(Cell::new(1))).unwrap();
    let taken = thread::spawn(move || receiver.blocking_recv())
        .join()
        .unwrap();
    assert_eq!(taken.map(Cell::into_inner), Some(1));
}

#[test]
fn options_that_cannot_be_are_refused() {
    let lossy = || rendezvous::<u8>().overflow(Overflow::DropOldest);
    assert!(std::panic::catch_unwind(lossy).is_err());
    let huge = || bounded::<u8>(MAX_CAPACITY + 1);
    assert!(std::panic::catch_unwind(huge).is_err());
    drop(bounded::<u64>(MAX_CAPACITY));
}

#[test]
fn endpoints_know_their_channel() {
    let (sender, _receiver) = bounded::<u8>(1).named("mine");
    let (other, _other_receiver) = bounded::<u8>(1);
    assert!(sender.same_channel(&sender.clone()) && !sender.same_channel(&other));
    let text = format!("{sender:?}");
    assert!(text.contains("mine") && text.contains(file!()), "{text}");
}

/// Room that a permit keeps is not there for others: the channel is full as long as it is kept.
#[test]
fn a_channel_whose_room_is_kept_is_full() {
    let (sender, receiver) = bounded::<u8>(2);
    let one = now(sender.ready()).unwrap();
    assert!(!sender.is_full());
    let two = now(sender.ready()).unwrap();
    assert!(sender.is_full() && sender.is_empty());
    assert!(sender.try_send(1).is_err());
    drop(one);
    assert!(!sender.is_full());
    sender.try_send(1).unwrap();
    assert!(sender.is_full());
    two.send(2).unwrap();
    assert!(sender.is_full());
    assert_eq!(receiver.try_recv(), Ok(1));
    assert!(!sender.is_full());
}
