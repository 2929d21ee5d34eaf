//! The channel that gives every message to every receiver: lag is told, or senders wait for the slowest. P12, P13.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::channel::{TryRecvError, TrySendError};
use roundrock::prelude::*;
use roundrock_tests::{Random, Step, now, on_both, on_workers, times, yield_now};

fn take_all<T: Clone + 'static>(receiver: &BroadcastReceiver<T>) -> Vec<T> {
    std::iter::from_fn(|| receiver.try_recv().ok())
        .map(|message| message.unwrap())
        .collect()
}

#[test]
fn every_receiver_gets_every_message_in_order() {
    let (sender, first) = broadcast(8);
    let receivers = [sender.subscribe(), first.subscribe(), first];
    for n in 0..8 {
        sender.try_send(n).unwrap();
    }
    for receiver in &receivers {
        assert_eq!(receiver.len(), 8);
        assert_eq!(take_all(receiver), [0, 1, 2, 3, 4, 5, 6, 7]);
        assert!(receiver.is_empty());
    }
    assert!(sender.is_empty());
}

#[test]
fn subscriber_gets_what_is_sent_after_it_came() {
    let (sender, first) = broadcast(8);
    sender.try_send(1).unwrap();
    let late = sender.subscribe();
    sender.try_send(2).unwrap();
    assert_eq!(take_all(&first), [1, 2]);
    assert_eq!(take_all(&late), [2]);
}

#[test]
fn slow_receiver_is_told_what_it_missed_and_goes_on() {
    let (sender, slow) = broadcast(3);
    let quick = sender.subscribe();
    for n in 0..10 {
        now(sender.send(n)).unwrap();
        assert_eq!(now(quick.recv()), Some(Ok(n)));
    }
    assert_eq!(slow.len(), 3);
    let lagged = now(slow.recv()).unwrap().unwrap_err();
    assert_eq!(lagged.missed(), 7);
    assert!(lagged.to_string().contains("missed 7 messages"), "{lagged}");
    assert_eq!(take_all(&slow), [7, 8, 9]);
    assert_eq!(slow.try_recv(), Err(TryRecvError::Empty));
}

#[test]
fn parked_receivers_are_woken() {
    let (sender, first) = broadcast(2);
    let second = sender.subscribe();
    let mut waits = [Step::parked(first.recv()), Step::parked(second.recv())];
    sender.try_send("news").unwrap();
    for wait in &mut waits {
        assert_eq!(wait.wakes(), 1);
        assert_eq!(wait.ready(), Some(Ok("news")));
    }
}

#[test]
fn last_sender_dropped_ends_receivers_after_what_is_there() {
    let (sender, receiver) = broadcast(2);
    let other = sender.clone();
    sender.try_send(1).unwrap();
    sender.finish();
    other.try_send(2).unwrap();
    assert_eq!(take_all(&receiver), [1, 2]);
    let mut wait = Step::parked(receiver.recv());
    drop(other);
    assert_eq!(wait.wakes(), 1);
    assert_eq!(wait.ready(), None);
    assert!(receiver.is_closed());
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
}

#[test]
fn send_without_receiver_gives_the_message_back() {
    let (sender, receiver) = broadcast(2);
    receiver.finish();
    assert!(sender.is_closed());
    assert_eq!(now(sender.send(1)).unwrap_err().into_inner(), 1);
    assert_eq!(sender.try_send(2), Err(TrySendError::Closed(2)));
    let late = sender.subscribe();
    now(sender.send(3)).unwrap();
    assert_eq!(take_all(&late), [3]);
}

#[test]
fn send_waits_for_the_slowest_receiver_with_back_pressure() {
    let (sender, slow) = broadcast(2).overflow(Overflow::Wait);
    let quick = sender.subscribe();
    now(sender.send(0)).unwrap();
    now(sender.send(1)).unwrap();
    let mut third = Step::parked(sender.send(2));
    let mut fourth = Step::parked(sender.send(3));
    assert_eq!(take_all(&quick), [0, 1]);
    third.pending();
    assert_eq!(now(slow.recv()), Some(Ok(0)));
    assert_eq!((third.wakes(), fourth.wakes()), (1, 0));
    // Room that was offered to the first in line is nobody else's.
    fourth.pending();
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    third.ready().unwrap();
    assert_eq!(now(slow.recv()), Some(Ok(1)));
    assert_eq!(fourth.wakes(), 1);
    fourth.ready().unwrap();
    assert_eq!(take_all(&slow), [2, 3]);
    assert_eq!(take_all(&quick), [2, 3]);
}

#[test]
fn receiver_that_leaves_makes_room() {
    let (sender, slow) = broadcast(1).overflow(Overflow::Wait);
    let quick = sender.subscribe();
    now(sender.send(0)).unwrap();
    let mut waiting = Step::parked(sender.send(1));
    assert_eq!(take_all(&quick), [0]);
    drop(slow);
    assert_eq!(waiting.wakes(), 1);
    waiting.ready().unwrap();
    let mut waiting = Step::parked(sender.send(2));
    drop(quick);
    assert_eq!(waiting.wakes(), 1);
    assert_eq!(waiting.ready().unwrap_err().into_inner(), 2);
}

/// P7: one that subscribes later finds the senders in their order, and the room that it makes reaches the first of them.
#[test]
fn p07_senders_keep_their_places_when_all_receivers_leave_and_another_comes() {
    let (sender, receiver) = broadcast(1).overflow(Overflow::Wait);
    now(sender.send(0)).unwrap();
    let mut first = Step::parked(sender.send(1));
    let mut second = Step::parked(sender.send(2));
    drop(receiver);
    assert_eq!((first.wakes(), second.wakes()), (1, 1));
    let late = sender.subscribe();
    assert_eq!(sender.try_send(9), Err(TrySendError::Full(9)));
    let mut third = Step::parked(sender.send(3));
    second.pending();
    first.ready().unwrap();
    assert_eq!(second.wakes(), 1);
    assert_eq!(now(late.recv()), Some(Ok(1)));
    assert_eq!((second.wakes(), third.wakes()), (2, 0));
    third.pending();
    second.ready().unwrap();
    assert_eq!(now(late.recv()), Some(Ok(2)));
    third.ready().unwrap();
    assert_eq!(take_all(&late), [3]);
}

/// P12: a `send` that waits and is dropped sent nothing, and gives its turn to the next.
#[test]
fn p12_send_dropped_half_way_sends_nothing() {
    let (sender, receiver) = broadcast(1).overflow(Overflow::Wait);
    drop(Step::new(sender.send(9)));
    now(sender.send(0)).unwrap();
    let first = Step::parked(sender.send(1));
    let second = Step::parked(sender.send(2));
    let mut third = Step::parked(sender.send(3));
    drop(first);
    assert_eq!(now(receiver.recv()), Some(Ok(0)));
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    // The room was offered to the second, which never comes.
    drop(second);
    assert_eq!(third.wakes(), 1);
    third.ready().unwrap();
    assert_eq!(take_all(&receiver), [3]);
}

/// P12: a `recv` that is dropped took nothing.
#[test]
fn p12_recv_dropped_half_way_takes_nothing() {
    let (sender, receiver) = broadcast(2);
    drop(Step::parked(receiver.recv()));
    let wait = Step::parked(receiver.recv());
    sender.try_send(1).unwrap();
    drop(wait);
    assert_eq!(take_all(&receiver), [1]);
}

#[test]
fn full_channel_may_discard_the_new_message() {
    let (sender, receiver) = broadcast(2).overflow(Overflow::DropNewest).named("news");
    for n in 0..5 {
        now(sender.send(n)).unwrap();
    }
    assert_eq!(take_all(&receiver), [0, 1]);
    assert!(format!("{sender:?}").contains("news"), "{sender:?}");
}

/// The last receiver gets the original, and a message that nobody will take is dropped at once.
#[test]
fn messages_are_cloned_once_less_than_there_are_receivers() {
    #[derive(Debug)]
    struct Counted(Arc<AtomicUsize>);
    impl Clone for Counted {
        fn clone(&self) -> Self {
            self.0.fetch_add(1, Ordering::SeqCst);
            Self(Arc::clone(&self.0))
        }
    }
    let clones = Arc::new(AtomicUsize::new(0));
    let (sender, first) = broadcast(4);
    let receivers = [first.subscribe(), first.subscribe(), first];
    sender.try_send(Counted(Arc::clone(&clones))).unwrap();
    for receiver in &receivers {
        drop(receiver.try_recv().unwrap().unwrap());
    }
    assert_eq!(clones.load(Ordering::SeqCst), 2);
    assert_eq!(Arc::strong_count(&clones), 1);
    sender.try_send(Counted(Arc::clone(&clones))).unwrap();
    drop(receivers);
    assert_eq!(Arc::strong_count(&clones), 1);
    assert!(sender.is_empty());
}

#[test]
#[should_panic(expected = "the capacity of a `broadcast` is at least 1 message")]
fn capacity_of_zero_is_refused() {
    let _ = broadcast::<u32>(0);
}

/// A message that loses a `select!` is still there; a branch without a sender is disabled.
#[test]
fn branch_of_a_select_takes_the_message_or_leaves_it() {
    on_workers(|_| async {
        let (sender, receiver) = broadcast(2);
        let (other, inbox) = bounded(1);
        sender.send(7).await?;
        other.send(1).await?;
        select! {
            biased;
            _ = inbox.recv() => {}
            _ = receiver.recv() => panic!("the first branch is ready"),
        }
        select! {
            _ = inbox.recv() => panic!("it is empty"),
            n = receiver.recv() => assert_eq!(n, Ok(7)),
        }
        drop(sender);
        select! {
            _ = receiver.recv() => panic!("no sender is left"),
            else => {}
        }
        Ok(())
    });
}

/// With back-pressure, four senders and five receivers of different speed: everybody gets everything.
#[test]
fn nothing_is_lost_with_back_pressure() {
    on_workers(|scope| async move {
        let each = times(500, 20);
        let (sender, first) = broadcast(3).overflow(Overflow::Wait);
        let mut receivers: Vec<_> = (0..4).map(|_| first.subscribe()).collect();
        receivers.push(first);
        for id in 0..4_usize {
            let sender = sender.clone();
            let _ = scope.task("sender", async move {
                for n in 0..each {
                    sender.send((id, n)).await?;
                }
                roundrock::Ok(())
            });
        }
        drop(sender);
        let readers: Vec<_> = receivers
            .into_iter()
            .enumerate()
            .map(|(seed, receiver)| {
                scope.task("reader", async move {
                    let mut random = Random::new(seed as u64);
                    let mut next = [0; 4];
                    while let Some(message) = receiver.recv().await {
                        let (id, n) = message?;
                        assert_eq!(n, next[id]);
                        next[id] += 1;
                        if random.below(4) == 0 {
                            yield_now().await;
                        }
                        // One that is cancelled now and then.
                        if random.below(8) == 0 {
                            drop(Step::new(receiver.recv()));
                        }
                    }
                    roundrock::Ok(next)
                })
            })
            .collect();
        for reader in readers {
            assert_eq!(reader.await?, [each; 4]);
        }
        Ok(())
    });
}

/// Without it, what a receiver got and what it was told to have missed add up.
#[test]
fn lag_accounts_for_every_message() {
    on_both(2, |scope| async move {
        let sent = times(20_000, 100) as u64;
        let (sender, first) = broadcast(16);
        let receivers = [first.subscribe(), first];
        let _ = scope.task("sender", async move {
            for n in 0..sent {
                sender.send(n).await?;
                if n % 64 == 0 {
                    yield_now().await;
                }
            }
            roundrock::Ok(())
        });
        for receiver in receivers {
            let (mut next, mut got, mut missed) = (0, 0, 0);
            while let Some(message) = receiver.recv().await {
                match message {
                    Ok(n) => {
                        assert_eq!(n, next);
                        got += 1;
                        next = n + 1;
                    }
                    Err(lagged) => {
                        missed += lagged.missed();
                        next += lagged.missed();
                    }
                }
            }
            assert_eq!(got + missed, sent);
        }
        Ok(())
    });
}

#[test]
fn processes_that_share_a_receiver_compete() {
    #[process]
    async fn read(news: &BroadcastReceiver<u32>, read: &Arc<AtomicUsize>) -> Result<()> {
        while let Some(message) = news.recv().await {
            message?;
            read.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
        }
        Ok(())
    }
    on_workers(|scope| async move {
        let (sender, receiver) = broadcast(4).overflow(Overflow::Wait);
        let count = Arc::new(AtomicUsize::new(0));
        let pool = scope.pool(3, read(receiver, Arc::clone(&count)));
        for n in 0..300 {
            sender.send(n).await?;
        }
        drop(sender);
        let _ = pool.await;
        assert_eq!(count.load(Ordering::SeqCst), 300);
        Ok(())
    });
}

/// A stop ends the wait for messages that only somebody outside of the scope could send.
#[test]
fn stop_ends_a_wait_that_nobody_in_the_scope_feeds() {
    on_workers(|scope| async move {
        let (sender, receiver) = broadcast(4);
        let child = scope.child("stopped");
        let waiting = child.task("waiting", async move {
            let mut got = Vec::new();
            while let Some(message) = receiver.recv().await {
                got.push(message?);
            }
            roundrock::Ok(got)
        });
        sender.send(1).await?;
        let report = child.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(waiting.await?, [1]);
        assert!(sender.is_closed());
        Ok(())
    });
}

/// A send that gives up leaves the line, also while its future is still there: the next one has its turn.
#[test]
fn p12_a_send_that_gave_up_leaves_the_line() {
    on_workers(|_scope| async move {
        let (news, reader) = broadcast(1).overflow(Overflow::Wait);
        news.send(0).await?;
        let reads = async {
            sleep(millis(20)).await;
            (reader.recv().await, reader.recv().await)
        };
        let (late, sent, read) = join!(news.send(1).within(millis(1)), news.send(2), reads);
        assert_eq!(late.expect_err("there is no room").into_inner(), 1);
        sent?;
        assert_eq!(read, (Some(Ok(0)), Some(Ok(2))));
        Ok(())
    });
}
