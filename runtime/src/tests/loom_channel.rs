//! The channel core of `channel/core.rs` and `channel/wait.rs`, as a rendezvous and with one place: every message arrives
//! once, comes back in an error, or is dropped by the closing side; whoever waits is woken; a receiver sees what the sender
//! wrote; an operation that is dropped while its peer completes it loses nothing.
//!
//! Limit that a model showed: a message that is in the hands of a `recv` while the last sender goes, and comes back because that
//! `recv` is dropped, is there for whoever receives next, although other receivers have seen the end already.
//!
//! Tried: Relaxed instead of Release in `List::finish` (a race on the message's place); no `match_up` after a message was
//! taken, after a receiver parked, or after a permit was given up (a deadlock); a `Recv` that does not withdraw when it is done
//! (a message is lost); a sender that looks again and does not read its mark after it
//! renewed its waker (a deadlock). Not seen: weaker orderings of the endpoint counts, since what they order is freed memory.

#![expect(unsafe_code, reason = "a message with a cell that loom watches")]

use loom::cell::UnsafeCell;
use loom::thread;
use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll};

use super::{Counted, Drops, block_on, model, waker};
use crate::channel::core::Core;
use crate::channel::{Receiver, Sender, TryRecvError, bounded};

/// A message that knows whether it was seen with what its sender wrote.
#[derive(Debug)]
struct Letter {
    text: UnsafeCell<u32>,
    _counted: Counted,
}

impl Letter {
    fn new(text: u32, drops: &Drops) -> Self {
        let letter = Self {
            text: UnsafeCell::new(0),
            _counted: drops.value(),
        };
        letter.text.with_mut(|place| {
            // SAFETY: nobody else knows it yet.
            unsafe { *place = text }
        });
        letter
    }

    fn read(&self) -> u32 {
        // SAFETY: whoever owns the letter is alone with it.
        self.text.with(|place| unsafe { *place })
    }
}

/// Both flavors: a rendezvous, and a buffer of one.
const FLAVORS: [usize; 2] = [0, 1];

fn send(sender: Sender<Letter>, text: u32, drops: &Drops) -> thread::JoinHandle<Option<u32>> {
    let letter = Letter::new(text, drops);
    thread::spawn(move || {
        let refused = block_on(sender.send(letter)).err();
        refused.map(|error| error.into_inner().read())
    })
}

#[test]
fn every_message_arrives_once() {
    for capacity in FLAVORS {
        model("two senders, one receiver", 2, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            let one = send(sender.clone(), 1, &drops);
            let two = send(sender, 2, &drops);
            let mut sum = 0;
            while let Some(letter) = block_on(receiver.recv()) {
                sum += letter.read();
            }
            assert_eq!(sum, 3);
            assert_eq!(one.join().unwrap(), None);
            assert_eq!(two.join().unwrap(), None);
            assert_eq!(drops.count(), 2);
        });
    }
}

#[test]
fn one_of_two_receivers_takes_it_and_both_see_the_end() {
    for capacity in FLAVORS {
        model("one sender, two receivers", 2, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            let other = receiver.clone();
            let other = thread::spawn(move || {
                let mut count = 0;
                while block_on(other.recv()).is_some() {
                    count += 1;
                }
                count
            });
            let sent = send(sender, 1, &drops);
            let mut count = 0;
            while block_on(receiver.recv()).is_some() {
                count += 1;
            }
            assert_eq!(count + other.join().unwrap(), 1);
            assert_eq!(sent.join().unwrap(), None);
            assert_eq!(drops.count(), 1);
        });
    }
}

#[test]
fn closing_gives_every_message_back_or_drops_it() {
    for capacity in FLAVORS {
        model("two senders, close", 2, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            let one = send(sender.clone(), 1, &drops);
            let two = send(sender, 2, &drops);
            drop(receiver);
            let refused = [(1, one), (2, two)].map(|(text, sender)| {
                let back = sender.join().unwrap();
                assert!(back.is_none_or(|back| back == text));
                usize::from(back.is_some())
            });
            assert!(refused.iter().sum::<usize>() >= 2 - capacity);
            assert_eq!(drops.count(), 2);
        });
    }
}

#[test]
fn dropping_the_last_sender_ends_a_parked_recv() {
    for capacity in FLAVORS {
        model("close, recv", 3, move || {
            let (sender, receiver) = bounded::<Letter>(capacity);
            let other = sender.clone();
            let other = thread::spawn(move || drop(other));
            let waits = thread::spawn(move || block_on(receiver.recv()).is_none());
            drop(sender);
            assert!(waits.join().unwrap());
            other.join().unwrap();
        });
    }
}

/// Polls once.
fn poll_once<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&waker()))
}

fn recv_and_give_up(receiver: &Receiver<Letter>) -> Option<u32> {
    let mut recv = pin!(receiver.recv());
    match poll_once(recv.as_mut()) {
        Poll::Ready(letter) => letter.map(|letter| letter.read()),
        Poll::Pending => None,
    }
}

#[test]
fn a_recv_that_is_dropped_at_the_hand_off_gives_the_message_on() {
    for capacity in FLAVORS {
        model("drop of a parked recv", 3, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            let sent = send(sender, 1, &drops);
            let text = recv_and_give_up(&receiver)
                .or_else(|| block_on(receiver.recv()).map(|letter| letter.read()));
            assert_eq!(text, Some(1));
            assert_eq!(sent.join().unwrap(), None);
            assert_eq!(drops.count(), 1);
        });
    }
}

#[test]
fn the_next_receiver_gets_what_a_dropped_recv_was_handed() {
    for capacity in FLAVORS {
        model("drop of a parked recv, another waits", 2, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            let other = receiver.clone();
            let other = thread::spawn(move || block_on(other.recv()).map(|letter| letter.read()));
            let sent = send(sender, 1, &drops);
            let mine = recv_and_give_up(&receiver);
            let theirs = other.join().unwrap();
            // If the last sender went while the message was in our hands, the other one has seen the end already.
            let left = receiver.try_recv().ok().map(|letter| letter.read());
            assert_eq!(mine.or(theirs).or(left), Some(1));
            assert_eq!(sent.join().unwrap(), None);
            assert_eq!(drops.count(), 1);
        });
    }
}

#[test]
fn a_send_that_is_dropped_was_sent_or_was_not() {
    for capacity in FLAVORS {
        model("drop of a parked send", 3, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            if capacity > 0 {
                sender.try_send(Letter::new(1, &drops)).unwrap();
            }
            let letter = Letter::new(2, &drops);
            let other = thread::spawn(move || {
                let mut send = pin!(sender.send(letter));
                poll_once(send.as_mut()).is_ready()
            });
            let mut texts = Vec::new();
            while let Some(letter) = block_on(receiver.recv()) {
                texts.push(letter.read());
            }
            let done = other.join().unwrap();
            assert_eq!(texts.first() == Some(&1), capacity > 0);
            assert!(texts.contains(&2) || !done);
            assert!(texts.len() <= capacity + 1);
            assert_eq!(drops.count(), capacity + 1);
        });
    }
}

#[test]
fn a_permit_that_is_dropped_lets_the_next_sender_in() {
    for capacity in FLAVORS {
        model("permit, drop", 2, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            let shy = sender.clone();
            let shy = thread::spawn(move || {
                // On a rendezvous the other sender may take the only receiver, and the channel close.
                drop(block_on(shy.ready()));
            });
            let sent = send(sender, 1, &drops);
            let text = block_on(receiver.recv()).map(|letter| letter.read());
            drop(receiver);
            assert_eq!(text, Some(1));
            assert_eq!(sent.join().unwrap(), None);
            shy.join().unwrap();
        });
    }
}

#[test]
fn a_permit_is_room_that_nobody_else_takes() {
    for capacity in FLAVORS {
        model("permit, send", 2, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            let polite = sender.clone();
            let letter = Letter::new(2, &drops);
            let polite = thread::spawn(move || {
                let permit = block_on(polite.ready()).unwrap();
                permit.send(letter).unwrap();
            });
            let sent = send(sender, 1, &drops);
            let mut sum = 0;
            while let Some(letter) = block_on(receiver.recv()) {
                sum += letter.read();
            }
            assert_eq!(sum, 3);
            assert_eq!(sent.join().unwrap(), None);
            polite.join().unwrap();
            assert_eq!(drops.count(), 2);
        });
    }
}

#[test]
fn room_goes_to_the_sender_that_waits_for_it() {
    model("room for a parked send", 3, || {
        let drops = Drops::default();
        let (sender, receiver) = bounded::<Letter>(1);
        sender.try_send(Letter::new(1, &drops)).unwrap();
        let sent = send(sender, 2, &drops);
        assert!(block_on(receiver.recv()).is_some_and(|letter| letter.read() == 1));
        // Nobody receives until the second one is in.
        assert_eq!(sent.join().unwrap(), None);
        assert!(block_on(receiver.recv()).is_some_and(|letter| letter.read() == 2));
    });
}

#[test]
fn a_message_that_comes_back_wakes_a_receiver_that_waits() {
    for capacity in FLAVORS {
        model("drop of a parked recv, channel stays open", 2, move || {
            let drops = Drops::default();
            let (sender, receiver) = bounded::<Letter>(capacity);
            let open = sender.clone();
            let other = receiver.clone();
            let other = thread::spawn(move || block_on(other.recv()).map(|letter| letter.read()));
            let sent = send(sender, 1, &drops);
            let mine = recv_and_give_up(&receiver);
            if mine.is_some() {
                drop(open);
                assert_eq!(other.join().unwrap(), None);
            } else {
                assert_eq!(other.join().unwrap(), Some(1));
                drop(open);
            }
            assert_eq!(sent.join().unwrap(), None);
        });
    }
}

#[test]
fn a_ready_that_is_dropped_when_granted_gives_its_room_back() {
    model("drop of a parked ready", 3, || {
        let drops = Drops::default();
        let (sender, receiver) = bounded::<Letter>(1);
        sender.try_send(Letter::new(1, &drops)).unwrap();
        let shy = sender.clone();
        let shy = thread::spawn(move || {
            let mut ready = pin!(shy.ready());
            drop(poll_once(ready.as_mut()));
        });
        assert!(block_on(receiver.recv()).is_some());
        shy.join().unwrap();
        assert!(block_on(sender.send(Letter::new(2, &drops))).is_ok());
        drop(receiver);
        assert_eq!(drops.count(), 2);
    });
}

#[test]
fn the_core_lives_until_its_last_endpoint_is_gone() {
    model("endpoints", 3, || {
        let drops = Drops::default();
        let (sender, receiver) = bounded(1);
        sender.try_send(Letter::new(1, &drops)).unwrap();
        let weak = sender.downgrade();
        let other = thread::spawn(move || {
            if let Some(sender) = weak.upgrade() {
                drop(sender.try_send(Letter::new(2, &Drops::default())));
            }
        });
        let last = thread::spawn(move || drop(sender));
        let first = receiver.try_recv();
        assert!(matches!(first, Ok(_)));
        drop(first);
        assert!(matches!(
            receiver.try_recv(),
            Ok(_) | Err(TryRecvError::Empty | TryRecvError::Closed)
        ));
        drop(receiver);
        other.join().unwrap();
        last.join().unwrap();
        assert_eq!(drops.count(), 1);
    });
}

/// A sender that was made to look again, because the channel began to refuse, has no waker in the list for a moment.
#[test]
fn a_send_that_is_taken_while_it_looks_whether_it_is_refused_ends() {
    model("a refusal beside a parked sender", 2, || {
        let drops = Drops::default();
        let (sender, receiver) = bounded::<Letter>(0);
        let head = sender.raw();
        let sending = send(sender, 1, &drops);
        // SAFETY: the receiver keeps the core alive.
        unsafe { (Core::<Letter>::of(head).head.vtable.refuse_all)(head) };
        let taken = receiver.try_recv().ok().map(|letter| letter.read());
        let refused = sending.join().unwrap();
        assert!(taken.is_some() != refused.is_some());
        assert_eq!(drops.count(), 1);
    });
}
