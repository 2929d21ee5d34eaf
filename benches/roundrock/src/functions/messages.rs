//! Workloads that pass small messages between a few processes.

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter};
use roundrock::prelude::*;

use crate::system;

/// Sends numbers and waits for each to come back.
#[process]
async fn ping(rounds: u64, out: &Sender<u64>, back: &Receiver<u64>) -> Result<()> {
    for number in 0..rounds {
        out.send(number).await?;
        let echo = back.recv().await;
        ensure!(echo == Some(number), "{number} came back as {echo:?}");
    }
    Ok(())
}

/// Sends back what it receives.
#[process]
async fn pong(numbers: &Receiver<u64>, back: &Sender<u64>) -> Result<()> {
    while let Some(number) = numbers.recv().await {
        back.send(number).await?;
    }
    Ok(())
}

/// Two processes, one message back and forth over two rendezvous.
pub fn pingpong(arguments: &Arguments) -> Figures {
    let rounds = arguments.count(counts::PINGPONG);
    system(async move |scope| {
        let (out, numbers) = rendezvous();
        let (answer, back) = rendezvous();
        let meter = Meter::start();
        let ping = scope.spawn(ping(rounds, out, back));
        let pong = scope.spawn(pong(numbers, answer));
        ping.await?;
        pong.await?;
        Ok(meter.stop(2 * rounds).note("rendezvous"))
    })
}

/// Passes a token on until it has made all its hops.
#[process]
async fn pass(tokens: &Receiver<u64>, next: &Sender<u64>) -> Result<()> {
    while let Some(hops) = tokens.recv().await
        && hops > 0
    {
        next.send(hops - 1).await?;
    }
    Ok(())
}

/// Processes in a ring, with a rendezvous from each to the next, and one token.
pub fn ring(arguments: &Arguments) -> Figures {
    let hops = arguments.count(counts::RING_HOPS);
    system(async move |scope| {
        let (first, mut tokens) = rendezvous();
        let mut ring = Vec::new();
        for _ in 1..counts::RING_PROCESSES {
            let (next, following) = rendezvous();
            ring.push(scope.spawn(pass(tokens, next)));
            tokens = following;
        }
        ring.push(scope.spawn(pass(tokens, first.clone())));
        let meter = Meter::start();
        first.send(hops).await?;
        first.finish();
        for process in ring {
            process.await?;
        }
        Ok(meter.stop(hops).note("rendezvous"))
    })
}

/// Sends the numbers below a count.
#[process]
async fn produce(count: u64, out: &Sender<u64>) -> Result<()> {
    for number in 0..count {
        out.send(number).await?;
    }
    Ok(())
}

/// Adds up what it receives.
#[process]
async fn consume(numbers: &Receiver<u64>) -> Result<u64> {
    let mut sum = 0;
    while let Some(number) = numbers.recv().await {
        sum += number;
    }
    Ok(sum)
}

/// Some producers and consumers on one channel, and `count` messages.
fn many(
    channel: (Sender<u64>, Receiver<u64>),
    producers: u64,
    consumers: u64,
    count: u64,
) -> Figures {
    let each = count / producers;
    system(async move |scope| {
        let (out, numbers) = channel;
        let meter = Meter::start();
        for _ in 0..producers {
            scope.spawn(produce(each, out.clone()));
        }
        out.finish();
        let consumers: Vec<_> = (0..consumers)
            .map(|_| scope.spawn(consume(numbers.clone())))
            .collect();
        numbers.finish();
        let mut sum = 0;
        for consumer in consumers {
            sum += consumer.await?;
        }
        let expected = producers * (each * (each - 1) / 2);
        ensure!(sum == expected, "the sum is {sum}, not {expected}");
        Ok(meter.stop(each * producers))
    })
}

/// One producer, one consumer.
pub fn stream(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::STREAM);
    many(bounded(counts::STREAM_CAPACITY), 1, 1, count)
}

/// One producer, one consumer, and no room between them.
pub fn stream0(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::STREAM0);
    many(rendezvous(), 1, 1, count).note("rendezvous")
}

/// Four producers, four consumers.
pub fn mpmc(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::MANY);
    let channel = bounded(counts::STREAM_CAPACITY);
    many(channel, counts::MANY_EACH, counts::MANY_EACH, count)
}

/// Four producers, one consumer.
pub fn mpsc(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::MANY);
    let channel = bounded(counts::STREAM_CAPACITY);
    many(channel, counts::MANY_EACH, 1, count)
}
