//! Channels between many processes and threads at once. Cases C01 to C23; P1, P5.
//!
//! Threads only: plain threads as peers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use roundrock::channel::TryRecvError;
use roundrock::prelude::*;
use roundrock_tests::{
    CAPACITIES, Tally, channel_of, on, on_both, on_workers, times, watched, yield_now,
};

#[test]
fn one_message_goes_through_every_kind() {
    on_workers(|scope| async move {
        for capacity in CAPACITIES {
            let (sender, receiver) = channel_of(capacity);
            let producer = scope.task("producer", async move { sender.send(7).await });
            assert_eq!(receiver.recv().await, Some(7), "capacity {capacity:?}");
            producer.await?;
            assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
        }
        Ok(())
    });
}

/// P5: a bound of n never holds more than n, however many senders press.
#[test]
fn p05_the_bound_holds_under_pressure() {
    on_workers(|scope| async move {
        let each = times(500, 20) as u32;
        for capacity in [0, 1, 3, 8] {
            let (sender, receiver) = bounded::<u32>(capacity);
            let sent = Arc::new(AtomicUsize::new(0));
            for _ in 0..4 {
                let (sender, sent) = (sender.clone(), Arc::clone(&sent));
                let _ = scope.task("presser", async move {
                    for n in 0..each {
                        sender.send(n).await?;
                        sent.fetch_add(1, Ordering::SeqCst);
                    }
                    roundrock::Ok(())
                });
            }
            drop(sender);
            for taken in 0.. {
                assert!(receiver.len() <= capacity);
                let sent = sent.load(Ordering::SeqCst);
                assert!(sent <= taken + capacity, "{sent} sent, {taken} taken");
                if taken % 16 == 0 {
                    yield_now().await;
                }
                if receiver.recv().await.is_none() {
                    assert_eq!(taken, 4 * each as usize);
                    break;
                }
            }
        }
        Ok(())
    });
}

/// P1: many senders and receivers on several workers: everything arrives exactly once.
#[test]
fn p01_every_message_arrives_exactly_once() {
    async fn arrive(scope: Scope, capacity: Option<usize>) -> Result<()> {
        let each = times(12_500, 8);
        let tally = Tally::new();
        let (sender, receiver) = channel_of(capacity);
        for producer in 0..4 {
            let (sender, tally) = (sender.clone(), tally.clone());
            let _ = scope.task("producer", async move {
                for n in 0..each {
                    sender
                        .send(tally.token((producer * each + n) as u64))
                        .await?;
                }
                roundrock::Ok(())
            });
        }
        drop(sender);
        let consumers: Vec<_> = (0..3)
            .map(|_| {
                let receiver = receiver.clone();
                scope.task("consumer", async move {
                    let mut seen = Vec::new();
                    while let Some(token) = receiver.recv().await {
                        seen.push(token.number());
                    }
                    roundrock::Ok(seen)
                })
            })
            .collect();
        let mut all = Vec::new();
        for consumer in consumers {
            all.extend(consumer.await?);
        }
        all.sort_unstable();
        assert!(all.into_iter().eq(0..(4 * each) as u64));
        tally.assert_balanced();
        Ok(())
    }
    for capacity in CAPACITIES {
        on(2, move |scope| arrive(scope, capacity));
        on_both(4, move |scope| arrive(scope, capacity));
    }
}

/// C23: plain threads use the blocking forms, with no current process.
#[test]
fn plain_threads_send_and_receive() {
    for capacity in CAPACITIES {
        watched(move |_| {
            let (there, inbox) = channel_of(capacity);
            let (back, answers) = channel_of(capacity);
            let echo = thread::spawn(move || {
                while let Some(n) = inbox.blocking_recv() {
                    back.blocking_send(n + 1).unwrap();
                }
            });
            for n in 0..1000 {
                there.blocking_send(n).unwrap();
                assert_eq!(answers.blocking_recv(), Some(n + 1));
            }
            drop(there);
            assert_eq!(answers.blocking_recv(), None);
            echo.join().unwrap();
        });
    }
}

/// C12: a message may carry the channel of the next one.
#[test]
fn channels_travel_through_channels() {
    struct Next(Receiver<Next>);
    on_workers(|scope| async move {
        let (mut sender, first) = rendezvous();
        let _ = scope.task("maker", async move {
            for _ in 0..1000 {
                let (next_sender, next) = rendezvous();
                sender.send(Next(next)).await?;
                sender = next_sender;
            }
            roundrock::Ok(())
        });
        let (mut receiver, mut hops) = (first, 0);
        while let Some(Next(next)) = receiver.recv().await {
            (receiver, hops) = (next, hops + 1);
        }
        assert_eq!(hops, 1000);
        Ok(())
    });
}

/// C17: the prime sieve: each prime a process; dropping the end of the chain takes all of it down.
#[test]
fn prime_sieve_comes_down_when_its_end_is_dropped() {
    on_workers(|scope| async move {
        let (numbers, mut stage) = rendezvous();
        let _ = scope.task("numbers", async move {
            for n in 2_u32.. {
                numbers.send(n).await?;
            }
            roundrock::Ok(())
        });
        let mut primes = Vec::new();
        for _ in 0..times(100, 20) {
            let prime = stage.recv().await.expect("numbers do not end");
            primes.push(prime);
            let (passed, next) = rendezvous();
            let from = std::mem::replace(&mut stage, next);
            let _ = scope.task("filter", async move {
                while let Some(n) = from.recv().await {
                    if n % prime != 0 {
                        passed.send(n).await?;
                    }
                }
                roundrock::Ok(())
            });
        }
        assert_eq!(primes.last(), Some(&(times(541, 71) as u32)));
        Ok(())
    });
}
