//! In which order messages arrive, and who is served first. Cases C05, C10, O01; P2, P3, P7.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use roundrock::prelude::*;
use roundrock_tests::{CAPACITIES, Step, channel_of, now, on_workers, times, yield_now};

/// P2: what one process sends to one endpoint arrives in send order, whichever clones it uses. Cases C05, O01.
#[test]
fn p02_messages_of_one_process_arrive_in_order() {
    on_workers(|scope| async move {
        let all = times(25_000, 100) as u32;
        for capacity in [Some(0), Some(1), Some(3), None] {
            let (sender, receiver) = channel_of(capacity);
            let _ = scope.task("producer", async move {
                let clones = [sender.clone(), sender.clone(), sender];
                for n in 0..all {
                    let sender = &clones[n as usize % 3];
                    match n % 5 {
                        0 => sender.ready().await?.send(n)?,
                        1 => {
                            if let Err(error) = sender.try_send(n) {
                                sender.send(error.into_inner()).await?;
                            }
                        }
                        _ => sender.send(n).await?,
                    }
                }
                roundrock::Ok(())
            });
            for n in 0..all {
                assert_eq!(receiver.recv().await, Some(n), "capacity {capacity:?}");
            }
            assert_eq!(receiver.recv().await, None);
        }
        Ok(())
    });
}

/// P2: with several producers, each one's messages stay in order among the others'.
#[test]
fn p02_each_of_several_producers_stays_in_order() {
    on_workers(|scope| async move {
        let each = times(2000, 20) as u32;
        for capacity in CAPACITIES {
            let (sender, receiver) = channel_of(capacity);
            for producer in 0..4_usize {
                let sender = sender.clone();
                let _ = scope.task("producer", async move {
                    for n in 0..each {
                        sender.send((producer, n)).await?;
                    }
                    roundrock::Ok(())
                });
            }
            drop(sender);
            let mut next = [0; 4];
            while let Some((producer, n)) = receiver.recv().await {
                assert_eq!(n, next[producer]);
                next[producer] += 1;
            }
            assert_eq!(next, [each; 4]);
        }
        Ok(())
    });
}

/// P3: a send that completed before another one began, on any chain of messages, is received first.
#[test]
fn p03_order_is_causal_across_processes() {
    on_workers(|scope| async move {
        let all = times(5000, 30) as u32;
        for capacity in [Some(1), Some(8), None] {
            let (target, received) = channel_of(capacity);
            let (relay, relayed) = rendezvous();
            let (last, lasts) = bounded(4);
            let first = target.clone();
            let _ = scope.task("first", async move {
                for n in 0..all {
                    first.send(3 * n).await?;
                    relay.send(n).await?;
                }
                roundrock::Ok(())
            });
            let second = target.clone();
            let _ = scope.task("second", async move {
                while let Some(n) = relayed.recv().await {
                    second.send(3 * n + 1).await?;
                    last.send(n).await?;
                }
                roundrock::Ok(())
            });
            let _ = scope.task("third", async move {
                while let Some(n) = lasts.recv().await {
                    target.send(3 * n + 2).await?;
                }
                roundrock::Ok(())
            });
            let mut latest = [None; 3];
            while let Some(message) = received.recv().await {
                let (n, stage) = (message / 3, message as usize % 3);
                if stage > 0 {
                    assert!(
                        latest[stage - 1] >= Some(n),
                        "{message} came before its cause"
                    );
                }
                assert!(latest[stage] < Some(n));
                latest[stage] = Some(n);
            }
            assert_eq!(latest, [Some(all - 1); 3]);
        }
        Ok(())
    });
}

/// P3: the same through shared memory: a turn is taken, and given on only when the send has completed.
#[test]
fn p03_order_follows_shared_memory_too() {
    on_workers(|scope| async move {
        let (target, received) = bounded(4);
        let turn = Arc::new(AtomicU64::new(0));
        let each = times(50, 10) as u64;
        for own in 0..3 {
            let (target, turn) = (target.clone(), Arc::clone(&turn));
            let _ = scope.task("sender", async move {
                for n in 0..each {
                    let number = 3 * n + own;
                    while turn.load(Ordering::SeqCst) != number {
                        yield_now().await;
                    }
                    target.send(number).await?;
                    turn.store(number + 1, Ordering::SeqCst);
                }
                roundrock::Ok(())
            });
        }
        drop(target);
        for n in 0..3 * each {
            assert_eq!(received.recv().await, Some(n));
        }
        Ok(())
    });
}

/// P7: blocked senders are served first come first served; who leaves the line moves nobody else. Case C10.
#[test]
fn p07_blocked_senders_are_served_in_order() {
    for capacity in [0, 1, 3] {
        let (sender, receiver) = bounded(capacity);
        (0..capacity).for_each(|n| sender.try_send(n).unwrap());
        let mut line: Vec<_> = (10..15).map(|n| Step::parked(sender.send(n))).collect();
        drop(line.remove(2));
        // Polling again, with another waker or not, keeps the place.
        line[0].pending();
        for (served, n) in (0..capacity).chain([10, 11, 13, 14]).enumerate() {
            if served < line.len() {
                assert!(sender.try_send(99).is_err(), "nobody overtakes the line");
            }
            assert_eq!(receiver.try_recv(), Ok(n));
        }
        assert!(
            line.iter_mut()
                .all(|send| send.wakes() == 1 && send.ready().is_ok())
        );
    }
}

/// P7: senders and those who only wait for room stand in one line.
#[test]
fn p07_sends_and_permits_stand_in_one_line() {
    let (sender, receiver) = bounded(1);
    sender.try_send(0).unwrap();
    let mut first = Step::parked(sender.ready());
    let mut second = Step::parked(sender.send(2));
    let mut third = Step::parked(sender.ready());
    assert_eq!(receiver.try_recv(), Ok(0));
    assert_eq!((first.wakes(), second.wakes(), third.wakes()), (1, 0, 0));
    first.ready().unwrap().send(1).unwrap();
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!((second.wakes(), third.wakes()), (1, 0));
    assert!(second.ready().is_ok());
    assert_eq!(receiver.try_recv(), Ok(2));
    third.ready().unwrap().send(3).unwrap();
    assert_eq!(receiver.try_recv(), Ok(3));
}

/// P7: where a permit is all the room, a parked sender is not overtaken by one that finds a parked receiver.
#[test]
fn p07_a_parked_receiver_does_not_let_senders_overtake() {
    let (sender, receiver) = bounded(1);
    let permit = now(sender.ready()).unwrap();
    let mut first = Step::parked(sender.send(1));
    let mut recv = Step::parked(receiver.recv());
    assert!(sender.try_send(2).is_err());
    drop(permit);
    assert_eq!(recv.ready(), Some(1));
    assert!(first.ready().is_ok());
}

/// P7: blocked receivers of a shared channel are served first come first served.
#[test]
fn p07_blocked_receivers_are_served_in_order() {
    for capacity in CAPACITIES {
        let (sender, receiver) = channel_of(capacity);
        let clones: Vec<_> = (0..5).map(|_| receiver.clone()).collect();
        let mut line: Vec<_> = clones
            .iter()
            .map(|receiver| Step::parked(receiver.recv()))
            .collect();
        drop(line.remove(1));
        line[2].pending();
        for n in 0..4 {
            assert!(now(sender.send(n)).is_ok());
        }
        for (n, recv) in line.iter_mut().enumerate() {
            assert_eq!((recv.wakes(), recv.ready()), (1, Some(n)));
        }
    }
}

/// P7: processes that block in a known order on a full channel are served in it.
#[test]
fn p07_blocked_processes_are_served_in_order() {
    on_workers(|scope| async move {
        let (sender, receiver) = bounded(1);
        sender.send(0).await?;
        for n in 1..=5 {
            let sender = sender.clone();
            let _ = scope.task("blocks", async move { sender.send(n).await });
            let blocked = || scope.system().snapshot().channels[0].blocked_senders;
            while blocked() < n {
                sleep(millis(1)).await;
            }
        }
        for n in 0..=5 {
            assert_eq!(receiver.recv().await, Some(n));
        }
        Ok(())
    });
}

/// P7, P12: who waits for room for several messages is not overtaken, and lets the next one in when it gives up.
#[test]
fn p07_room_for_several_is_waited_for_in_line() {
    on_workers(|scope| async move {
        let (sender, inbox) = bounded(4);
        sender.send(1).await?;
        sender.send(2).await?;
        let many = Step::parked(sender.ready_many(3));
        // There are two places, but the three come first.
        assert!(sender.try_send(9).unwrap_err().is_full());
        let mut behind = Step::parked(sender.send(3));
        drop(many);
        assert!(behind.ready().is_ok());
        assert_eq!(inbox.recv_many(8).await, [1, 2, 3]);

        let mut room = sender.ready_many(4).await?;
        assert!(sender.try_send(9).unwrap_err().is_full());
        for n in 4..7 {
            room.send(n)?;
        }
        assert_eq!(room.left(), 1);
        drop(room);
        sender.try_send(7).unwrap();
        assert_eq!(inbox.recv_many(8).await, [4, 5, 6, 7]);

        let taken = sender.ready_many(2).await?;
        drop(inbox);
        assert!(sender.ready_many(1).await.is_err());
        drop(taken);
        let _ = scope;
        Ok(())
    });
}
