//! What channels promise. Cases C01 to C19, O01.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roundrock::channel::{TryRecvError, TrySendError};
use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock_tests::{CAPACITIES, channel_of, yield_now};

/// One message, through every kind of channel; then there is none.
#[roundrock::test]
async fn c01_smoke(sim: &Sim) -> Result<()> {
    for capacity in CAPACITIES {
        let (sender, receiver) = channel_of(capacity);
        let sent = sim.task("sends", async move {
            sender.send(7).await?;
            roundrock::Ok(sender)
        });
        assert_eq!(receiver.recv().await, Some(7));
        let _sender = sent.await?;
        assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    }
    Ok(())
}

/// Length and capacity at every step of filling and draining, as both sides see it.
#[roundrock::test]
async fn c02_capacity_and_length(sim: &Sim) -> Result<()> {
    fn holds(n: usize, sender: &Sender<usize>, receiver: &Receiver<usize>) {
        assert_eq!((sender.len(), receiver.len()), (n, n));
        assert_eq!((sender.is_empty(), receiver.is_empty()), (n == 0, n == 0));
        assert_eq!((sender.is_full(), sender.capacity()), (n == 3, Some(3)));
    }
    let (sender, receiver) = bounded(3);
    for n in 0..3 {
        holds(n, &sender, &receiver);
        sender.send(n).await?;
    }
    holds(3, &sender, &receiver);
    let drains = sim.task("drains", async move {
        for n in (0..3).rev() {
            assert_eq!(receiver.recv().await, Some(2 - n));
            holds(n, &sender, &receiver);
        }
        roundrock::Ok(())
    });
    drains.await?;
    let (rendezvous_in, rendezvous_out) = rendezvous::<u32>();
    assert!(rendezvous_in.is_full() && rendezvous_in.is_empty() && rendezvous_out.is_empty());
    assert_eq!((rendezvous_in.len(), rendezvous_out.len()), (0, 0));
    assert_eq!(rendezvous_in.capacity(), Some(0));
    Ok(())
}

/// Full, open, closed: the message comes back where it was not taken.
#[roundrock::test]
async fn c03_try_send_states(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(1);
    assert_eq!(sender.try_send(1), Ok(()));
    assert_eq!(sender.try_send(2), Err(TrySendError::Full(2)));
    let taker = sim.task("takes", async move { roundrock::Ok(receiver.recv().await) });
    assert_eq!(taker.await?, Some(1));
    assert_eq!(sender.try_send(3), Err(TrySendError::Closed(3)));
    Ok(())
}

/// Empty, a message, a message of a channel that is closed, closed and empty.
#[roundrock::test]
async fn c04_try_recv_states(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(2);
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    let fills = sim.task("fills", async move {
        sender.send(1).await?;
        sender.send(2).await?;
        roundrock::Ok(())
    });
    fills.await?;
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Closed));
    Ok(())
}

/// One sender, one receiver, capacity 3: all in order, and then the end.
#[roundrock::test]
async fn c05_spsc_keeps_order(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(3);
    sim.task("sends", async move {
        for n in 0..100 {
            sender.send(n).await?;
        }
        roundrock::Ok(())
    });
    for n in 0..100 {
        assert_eq!(receiver.recv().await, Some(n));
    }
    assert_eq!(receiver.recv().await, None);
    Ok(())
}

/// A rendezvous returns to its sender when a receiver was there, and not before.
#[roundrock::test]
async fn c07_rendezvous_returns_when_it_was_received(sim: &Sim) -> Result<()> {
    let (sender, receiver) = rendezvous();
    let returned = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&returned);
    sim.task("sends", async move {
        sender.send(()).await?;
        flag.store(true, Ordering::SeqCst);
        roundrock::Ok(())
    });
    yield_now().await;
    let (pause, paused) = bounded(1);
    pause.send(()).await?;
    paused.recv().await;
    assert!(!returned.load(Ordering::SeqCst));
    assert_eq!(receiver.recv().await, Some(()));
    sim.run_until(move || returned.load(Ordering::SeqCst)).await;
    Ok(())
}

/// Senders that wait are served in the order in which they came.
#[roundrock::test]
async fn c10_blocked_senders_are_served_in_order(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(1);
    sender.send(0).await?;
    for n in 1..=5 {
        let sender = sender.clone();
        sim.task("waits", async move { sender.send(n).await });
        sim.settle().await;
    }
    sender.finish();
    for n in 0..=5 {
        assert_eq!(receiver.recv().await, Some(n));
    }
    assert_eq!(receiver.recv().await, None);
    Ok(())
}

/// Each message carries the channel of the next one.
#[roundrock::test]
async fn c12_channel_through_channel(sim: &Sim) -> Result<()> {
    struct Next(Receiver<Next>);
    let (mut sender, mut receiver) = rendezvous();
    sim.task("sends", async move {
        for _ in 0..1000 {
            let (next, carried) = rendezvous();
            sender.send(Next(carried)).await?;
            sender = next;
        }
        roundrock::Ok(())
    });
    let mut hops = 0;
    while let Some(Next(next)) = receiver.recv().await {
        receiver = next;
        hops += 1;
    }
    assert_eq!(hops, 1000);
    sim.settle().await;
    assert_eq!(sim.alive(), 0);
    Ok(())
}

#[process]
async fn filter(prime: u32, numbers: Receiver<u32>, rest: Sender<u32>) -> Result<()> {
    while let Some(number) = numbers.recv().await {
        if !number.is_multiple_of(prime) {
            rest.send(number).await?;
        }
    }
    Ok(())
}

/// A chain of filters, which is given up at its end.
#[roundrock::test]
async fn c17_prime_sieve(sim: &Sim) -> Result<()> {
    const PRIMES: [u32; 20] = [
        2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71,
    ];
    let (sender, mut numbers) = rendezvous();
    sim.task("numbers", async move {
        for number in 2.. {
            sender.send(number).await?;
        }
        roundrock::Ok(())
    });
    let mut primes = Vec::new();
    for _ in 0..PRIMES.len() {
        let prime = numbers.recv().await.context("the numbers end")?;
        primes.push(prime);
        let (rest, next) = rendezvous();
        sim.spawn(filter(prime, numbers, rest));
        numbers = next;
    }
    assert_eq!(primes, PRIMES);
    drop(numbers);
    sim.settle().await;
    assert_eq!(
        sim.alive(),
        0,
        "the last one has nobody to send to, and so on"
    );
    Ok(())
}

/// Room that was kept cannot be taken by others.
#[roundrock::test]
async fn c19_reserve_then_send(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(2);
    let permit = sender.ready().await?;
    let other = sender.clone();
    let fills = sim.task("fills", async move {
        let mut sent = 0;
        while other.try_send(sent).is_ok() {
            sent += 1;
            yield_now().await;
        }
        roundrock::Ok(sent)
    });
    assert_eq!(fills.await?, 1);
    permit.send(9)?;
    sender.finish();
    assert_eq!(receiver.recv_many(4).await, [0, 9]);
    Ok(())
}

/// What one process sends to another one arrives in order, whatever others send.
#[roundrock::test]
async fn o01_pair_order(sim: &Sim) -> Result<()> {
    for capacity in CAPACITIES {
        let (sender, receiver) = channel_of(capacity);
        for from in 0..3 {
            let sender = sender.clone();
            sim.task("sends", async move {
                for n in 0..8 {
                    sender.send((from, n)).await?;
                }
                roundrock::Ok(())
            });
        }
        sender.finish();
        let mut next = [0; 3];
        while let Some((from, n)) = receiver.recv().await {
            assert_eq!(n, next[from]);
            next[from] += 1;
        }
        assert_eq!(next, [8; 3]);
    }
    Ok(())
}
