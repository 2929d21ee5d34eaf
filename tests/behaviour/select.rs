//! `select!`: one arm, and only one, takes effect. Cases S01 to S09; P12, P13, P14.
//!
//! Threads only: how often each arm is taken, which is a choice of the simulation.

use std::pin::Pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use roundrock::prelude::*;
use roundrock_tests::{
    Random, Step, Tally, channel_of, now, on, on_both, on_workers, times, yield_now,
};

/// Cases S01, S02: the ready arm is taken, the other keeps its message; with none ready, the default is taken at once.
#[test]
fn p14_the_ready_arm_is_taken() {
    on_workers(|_scope| async move {
        let (left, left_in) = bounded(1);
        let (right, right_in) = bounded(1);
        right.send(2).await?;
        let got = select! {
            n = left_in.recv() => ("left", n),
            n = right_in.recv() => ("right", n),
        };
        assert_eq!(got, ("right", 2));
        let got = select! {
            n = left_in.recv() => n,
            default => 0,
        };
        assert_eq!(got, 0);
        left.send(1).await?;
        right.send(2).await?;
        let (first, second) = select! {
            n = left_in.recv() => (n, right_in.try_recv()),
            n = right_in.recv() => (n, left_in.try_recv()),
        };
        assert_eq!(first + second.unwrap(), 3, "the loser keeps its message");
        Ok(())
    });
}

/// Case S04: send and receive on the same channel in one select never pair with each other.
#[test]
fn p14_a_select_never_meets_itself() {
    on_workers(|scope| async move {
        let (sender, receiver) = rendezvous();
        let (own_sender, own_receiver) = (sender.clone(), receiver.clone());
        let task = scope.task("both", async move {
            let got = select! {
                n = own_receiver.recv() => n,
                room = own_sender.ready() => { room?.send(7)?; 0 }
            };
            roundrock::Ok(got)
        });
        yield_now().await;
        // Whichever arm is taken, this side has the other end of it, and neither side may pair with itself.
        let expected = select! {
            n = receiver.recv() => { assert_eq!(n, 7); 0 }
            room = sender.ready() => { room?.send(8)?; 8 }
        };
        assert_eq!(task.await?, expected);
        Ok(())
    });
}

/// P13: with four arms ready, each is taken at least 1/16 of the time. Case S06.
#[test]
fn p13_ready_arms_are_taken_fairly() {
    on(1, |_scope| async move {
        let channels: Vec<_> = (0..4).map(|_| bounded(1)).collect();
        let mut taken = [0; 4];
        for _ in 0..10_000 {
            for (sender, _) in &channels {
                let _ = sender.try_send(());
            }
            let arm = select! {
                _ = channels[0].1.recv() => 0,
                _ = channels[1].1.recv() => 1,
                _ = channels[2].1.recv() => 2,
                _ = channels[3].1.recv() => 3,
            };
            taken[arm] += 1;
        }
        assert!(taken.iter().all(|&count| count >= 10_000 / 16), "{taken:?}");
        Ok(())
    });
}

/// P12, P14: many selects race over the same channels: each message is received exactly once. Case S09.
#[test]
fn p12_losing_arms_lose_no_message() {
    for capacity in [0, 1, 4] {
        on_workers(move |scope| async move {
            let each = times(1000, 12) as u32;
            let (left, left_in) = bounded(capacity);
            let (right, right_in) = bounded(capacity);
            for side in [left, right] {
                for producer in 0..2 {
                    let side = side.clone();
                    let _ = scope.task("producer", async move {
                        for n in 0..each {
                            side.send(2 * n + producer).await?;
                        }
                        roundrock::Ok(())
                    });
                }
            }
            let consumers: Vec<_> = (0..3)
                .map(|seed| {
                    let (left, right) = (left_in.clone(), right_in.clone());
                    scope.task("consumer", async move {
                        let (mut random, mut seen) = (Random::new(seed), Vec::new());
                        loop {
                            let limit = Duration::from_micros(random.below(100) as u64);
                            select! {
                                n = left.recv() => seen.push((0, n)),
                                some = right.recv_many(3) => seen.extend(some.into_iter().map(|n| (1, n))),
                                _ = sleep(limit), if random.below(2) == 0 => {}
                                else => break,
                            }
                            if left.is_closed()
                                && right.is_closed()
                                && left.is_empty()
                                && right.is_empty()
                            {
                                break;
                            }
                        }
                        roundrock::Ok(seen)
                    })
                })
                .collect();
            let mut all = Vec::new();
            for consumer in consumers {
                all.extend(consumer.await?);
            }
            while let Ok(n) = left_in.try_recv() {
                all.push((0, n));
            }
            while let Ok(n) = right_in.try_recv() {
                all.push((1, n));
            }
            all.sort_unstable();
            assert!(
                all.into_iter()
                    .eq((0..2).flat_map(|side| (0..2 * each).map(move |n| (side, n))))
            );
            Ok(())
        });
    }
}

/// A branch that takes many gets what is there, up to its limit, and is disabled when nothing comes any more.
#[test]
fn a_branch_takes_many() {
    on_workers(|_scope| async move {
        let ((jobs, inbox), (_other, others)) = (bounded(4), bounded::<u32>(1));
        for job in 0..4 {
            jobs.send(job).await?;
        }
        jobs.finish();
        let mut batches = Vec::new();
        loop {
            select! {
                batch = inbox.recv_many(3) => batches.push(batch),
                other = others.recv(), if batches.len() < 2 => panic!("nobody sent {other}"),
                else => break,
            }
        }
        assert_eq!(batches, [vec![0, 1, 2], vec![3]]);
        Ok(())
    });
}

/// P4, P14: a branch that sends is disabled when the other side is gone, for it could not give its value back; one that binds the
/// result is taken, and gets it.
#[test]
fn p04_a_branch_that_sends_is_disabled_by_the_close() {
    on_workers(|scope| async move {
        let (jobs, inbox) = bounded::<u32>(1);
        drop(inbox);
        let mut made = 0;
        let took = select! {
            jobs.send({ made += 1; 1 }) => "send",
            else => "else",
        };
        assert_eq!((took, made), ("else", 0));
        let back = select! {
            sent = jobs.send(2) => sent.map_err(|error| error.into_inner()),
            else => Ok(()),
        };
        assert_eq!(back, Err(2));

        // The same when it is parked already.
        let (jobs, inbox) = rendezvous::<u32>();
        let waits = scope.task("waits", async move {
            roundrock::Ok(select! {
                jobs.send(1) => "send",
                else => "else",
            })
        });
        sleep(millis(1)).await;
        drop(inbox);
        assert_eq!(waits.await?, "else");
        Ok(())
    });
}

/// A timer never closes. Made passive it does not keep a loop alive whose input has ended, before the wait or in the middle of it,
/// by the senders' end or by a stop; what was queued is received first.
#[test]
fn a_passive_branch_does_not_keep_else_from_running() {
    on_workers(|scope| async move {
        for (stopped, period) in [(false, secs(3600)), (true, secs(3600)), (true, micros(50))] {
            let part = scope.child("part");
            let (jobs, inbox) = bounded::<u32>(4);
            let sum = part.task("sum", async move {
                let (mut sum, mut tick) = (0, interval(period));
                loop {
                    select! {
                        job = inbox.recv() => sum += job,
                        _ = passive(tick.next()) => {},
                        else => return roundrock::Ok(sum),
                    }
                }
            });
            for job in 1..=3 {
                jobs.send(job).await?;
            }
            let kept = stopped.then(|| jobs.clone());
            drop(jobs);
            if stopped {
                assert!(part.stop(Duration::from_secs(10)).await.is_clean());
            }
            assert_eq!(sum.await?, 6);
            drop(kept);
        }
        Ok(())
    });
}

/// A passive branch wins like any other while another one is open, and waits alone where there is no `else`.
#[test]
fn a_passive_branch_wins_when_it_is_ready() {
    on_workers(|_scope| async move {
        let (jobs, inbox) = bounded::<u32>(1);
        let won = select! {
            _ = inbox.recv() => "job",
            _ = passive(sleep(millis(1))) => "timer",
            else => "else",
        };
        assert_eq!(won, "timer");
        drop(jobs);
        let won = select! {
            _ = inbox.recv() => "job",
            _ = passive(sleep(millis(1))) => "timer",
        };
        assert_eq!(won, "timer");
        let (other, ready) = bounded(1);
        other.send(7).await?;
        let won = select! {
            _ = inbox.recv() => 0,
            n = passive(ready.recv()) => n,
            else => 1,
        };
        assert_eq!(won, 7, "what is ready is taken before `else`");
        Ok(())
    });
}

/// A moment that has come is ready, however it is asked for, and takes its turns.
#[test]
fn p13_a_timer_that_is_due_is_a_ready_branch() {
    on_both(2, async |_scope| {
        let (jobs, inbox) = bounded::<u32>(4);
        let past = roundrock::time::now();
        let mut ticks = interval(micros(1));
        let mut taken = [0; 4];
        for job in 0..400 {
            jobs.send(job).await?;
            // Nobody receives it here, so it stays ready.
            while inbox.len() > 1 {
                inbox.try_recv()?;
            }
            select! {
                _ = inbox.recv() => taken[0] += 1,
                _ = sleep_until(past) => taken[1] += 1,
                _ = sleep(secs(0)) => taken[2] += 1,
                _ = ticks.next() => taken[3] += 1,
            }
        }
        assert!(taken[..3].iter().all(|&taken| taken >= 25), "{taken:?}");
        jobs.send(7).await.ok();
        let first = select! {
            biased;
            _ = sleep_until(past) => "the timer",
            _ = inbox.recv() => "a message",
        };
        assert_eq!(first, "the timer");
        let first = select! {
            _ = sleep_until(past) => "the timer",
            default => "nothing",
        };
        assert_eq!(first, "the timer");
        Ok(())
    });
}

/// A loop that is bounded by a moment ends there, though its input never runs dry.
#[test]
fn p13_a_loop_over_a_full_channel_ends_at_its_deadline() {
    on_both(2, async |scope| {
        let (jobs, inbox) = bounded::<u32>(4);
        let feeds = scope.task("feeds", async move { while jobs.send(1).await.is_ok() {} });
        let begun = roundrock::time::now();
        let end = begun + millis(20);
        let mut received = 0_u64;
        loop {
            select! {
                _ = inbox.recv() => {
                    received += 1;
                    if received.is_multiple_of(64) {
                        sleep(millis(1)).await;
                    }
                }
                _ = sleep_until(end) => break,
                else => bail!("the input ended"),
            }
        }
        assert!(roundrock::time::now() >= end && received > 0);
        drop(inbox);
        feeds.await?;
        Ok(())
    });
}

/// Takes one of what is there, as the receiver of another crate would.
struct Take(Arc<AtomicUsize>, Option<Box<dyn FnOnce() + Send>>);

impl Future for Take {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if let Some(first) = self.1.take() {
            first();
        }
        let taken = self
            .0
            .fetch_update(SeqCst, SeqCst, |there| there.checked_sub(1));
        taken.map_or(Poll::Pending, |_| Poll::Ready(()))
    }
}

/// P14: a future that is vouched for takes nothing when somebody has completed another branch before.
#[test]
fn p14_what_a_foreign_future_takes_is_not_lost() {
    for foreign_first in [true, false] {
        let (sender, receiver) = rendezvous();
        let there = Arc::new(AtomicUsize::new(0));
        let taken = Arc::clone(&there);
        let mut select = Step::new(async move {
            if foreign_first {
                select! {
                    biased;
                    _ = cancel_safe(Take(taken, None)) => None,
                    n = receiver.recv() => Some(n),
                }
            } else {
                select! {
                    biased;
                    n = receiver.recv() => Some(n),
                    _ = cancel_safe(Take(taken, None)) => None,
                }
            }
        });
        select.pending();
        sender.try_send(7).unwrap();
        there.store(1, SeqCst);
        assert_eq!(select.ready(), Some(7), "the one that was completed");
        assert_eq!(there.load(SeqCst), 1, "nobody has taken it");
    }
}

/// P14, P5, P12: what comes to another branch while a future that is vouched for completes is given back.
#[test]
fn p14_a_foreign_future_that_has_completed_wins() {
    for capacity in [0, 2] {
        let (sender, receiver) = channel_of(Some(capacity));
        let tally = Tally::new();
        let token = tally.token(1);
        let there = Arc::new(AtomicUsize::new(1));
        let first = Box::new({
            let sender = sender.clone();
            move || sender.try_send(token).unwrap()
        });
        let mut select = Step::new({
            let (receiver, there) = (receiver.clone(), Arc::clone(&there));
            async move {
                select! {
                    biased;
                    _ = receiver.recv() => 1,
                    _ = cancel_safe(Take(there, Some(first))) => 2,
                }
            }
        });
        assert_eq!(select.ready(), 2);
        assert_eq!(there.load(SeqCst), 0);
        drop(select);
        assert_eq!(now(receiver.recv()).unwrap().number(), 1, "it came back");
        drop((sender, receiver));
        tally.assert_balanced();
    }
    // Room is given back as well.
    let (sender, receiver) = rendezvous::<u32>();
    let there = Arc::new(AtomicUsize::new(1));
    let mut recv = Step::new({
        let receiver = receiver.clone();
        async move { receiver.recv().await }
    });
    let taker = Arc::new(Mutex::new(None));
    let first = Box::new({
        let receiver = receiver.clone();
        let taker = Arc::clone(&taker);
        move || {
            let mut other = Step::new(async move { receiver.recv().await });
            other.pending();
            *taker.lock().unwrap() = Some(other);
        }
    });
    let mut select = Step::new(async {
        select! {
            biased;
            sender.send(1) => 1,
            _ = cancel_safe(Take(there, Some(first))) => 2,
        }
    });
    assert_eq!(select.ready(), 2);
    drop(select);
    recv.pending();
    sender.try_send(5).unwrap();
    let mut other = taker.lock().unwrap().take().unwrap();
    assert_eq!(
        other.ready(),
        Some(5),
        "the first one who waits gets the next message"
    );
    drop(recv);
}
