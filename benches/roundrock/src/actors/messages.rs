//! Workloads that pass small messages between a few processes.

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter};
use roundrock::prelude::*;

use crate::system;

/// Passes a token on.
#[process]
struct Hop {
    next: Option<HopHandle>,
    done: Option<OneshotSender<()>>,
}

#[handlers]
impl Hop {
    fn join(&mut self, next: HopHandle) {
        self.next = Some(next);
    }

    async fn token(&mut self, hops: u64) -> Result<()> {
        if hops == 0
            && let Some(done) = self.done.take()
        {
            done.send(())?;
        } else if let Some(next) = &self.next {
            next.token(hops.saturating_sub(1)).send_and_forget().await?;
        }
        Ok(())
    }
}

/// Processes in a ring, and one token.
fn hops(length: usize, hops: u64) -> Figures {
    system(async move |scope| {
        let (sender, done) = oneshot();
        let mut sender = Some(sender);
        let ring: Vec<_> = (0..length)
            .map(|_| {
                let done = sender.take();
                scope.spawn(Hop { next: None, done })
            })
            .collect();
        for (at, hop) in ring.iter().enumerate() {
            hop.join(ring[(at + 1) % length].clone()).await?;
        }
        let meter = Meter::start();
        ring[0].token(hops).send_and_forget().await?;
        done.await.context("the token was lost")?;
        let figures = meter.stop(hops);
        for hop in ring {
            hop.stop();
        }
        Ok(figures)
    })
}

/// Two processes and one token.
pub fn pingpong(arguments: &Arguments) -> Figures {
    hops(2, 2 * arguments.count(counts::PINGPONG))
}

/// The ring of the other systems.
pub fn ring(arguments: &Arguments) -> Figures {
    hops(counts::RING_PROCESSES, arguments.count(counts::RING_HOPS))
}

/// Adds up numbers.
#[process(mailbox = 64)]
struct Sum {
    sum: u64,
    count: u64,
}

#[handlers]
impl Sum {
    fn add(&mut self, number: u64) {
        self.sum += number;
        self.count += 1;
    }

    fn total(&self) -> (u64, u64) {
        (self.sum, self.count)
    }
}

/// The same, with the smallest mailbox that there is.
#[process(mailbox = 1)]
struct Sum1 {
    sum: u64,
    count: u64,
}

#[handlers]
impl Sum1 {
    fn add(&mut self, number: u64) {
        self.sum += number;
        self.count += 1;
    }

    fn total(&self) -> (u64, u64) {
        (self.sum, self.count)
    }
}

/// Sends the numbers below a count.
#[process]
async fn produce(count: u64, sum: &SumHandle) -> Result<()> {
    for number in 0..count {
        sum.add(number).send().await?;
    }
    Ok(())
}

/// Some producers and one struct, which has a mailbox of 64.
fn many(producers: u64, count: u64) -> Figures {
    let each = count / producers;
    system(async move |scope| {
        let sum = scope.spawn(Sum { sum: 0, count: 0 });
        let meter = Meter::start();
        let producers: Vec<_> = (0..producers)
            .map(|_| scope.spawn(produce(each, sum.clone())))
            .collect();
        let factor = producers.len() as u64;
        for producer in producers {
            producer.await?;
        }
        let total = sum.total().await?;
        let expected = (factor * (each * (each - 1) / 2), factor * each);
        ensure!(total == expected, "{total:?}, not {expected:?}");
        Ok(meter.stop(total.1))
    })
}

/// One producer.
pub fn stream(arguments: &Arguments) -> Figures {
    many(1, arguments.count(counts::STREAM))
}

/// Four producers.
pub fn mpsc(arguments: &Arguments) -> Figures {
    many(counts::MANY_EACH, arguments.count(counts::MANY))
}

/// Sends the numbers below a count.
#[process]
async fn produce1(count: u64, sum: &Sum1Handle) -> Result<()> {
    for number in 0..count {
        sum.add(number).send().await?;
    }
    Ok(())
}

/// One producer, and a mailbox of 1.
pub fn stream0(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::STREAM0);
    system(async move |scope| {
        let sum = scope.spawn(Sum1 { sum: 0, count: 0 });
        let meter = Meter::start();
        scope.spawn(produce1(count, sum.clone())).await?;
        let total = sum.total().await?;
        let expected = (count * (count - 1) / 2, count);
        ensure!(total == expected, "{total:?}, not {expected:?}");
        Ok(meter.stop(total.1).note("mailbox 1"))
    })
}
