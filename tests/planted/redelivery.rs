//! The bug: a broker hands out again what was not acknowledged within 50 ms, and the books add up whatever they are told.
//! Ordinary tests miss it: their jobs take no time.
//! Double delivery after a time-out. Shows as an invoice that is booked twice.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Instant;

use roundrock::prelude::*;
use roundrock::time::now;

#[process]
struct Broker {
    queue: VecDeque<u32>,
    out: BTreeMap<u32, Instant>,
}

#[handlers]
impl Broker {
    fn next(&mut self) -> Option<u32> {
        let overdue = self.out.iter().find(|(_, until)| **until <= now());
        let job = overdue.map(|(job, _)| *job);
        let job = job.or_else(|| self.queue.pop_front())?;
        self.out.insert(job, now() + millis(50));
        Some(job)
    }
    fn acknowledge(&mut self, job: u32) {
        self.out.remove(&job);
    }
}

#[process]
struct Books {
    sum: u32,
    seen: Option<BTreeSet<u32>>,
}

#[handlers]
impl Books {
    fn book(&mut self, invoice: u32) {
        if let Some(seen) = &mut self.seen
            && !seen.insert(invoice)
        {
            return;
        }
        self.sum += invoice;
    }
    fn sum(&self) -> u32 {
        self.sum
    }
}

#[process]
async fn clerk(broker: &BrokerHandle, books: &BooksHandle, rounds: &u32) -> Result<()> {
    for _ in 0..*rounds {
        match broker.next().await? {
            Some(invoice) => {
                // So many hundredths of a second of work.
                sleep(millis(10 * u64::from(invoice))).await;
                books.book(invoice).await?;
                broker.acknowledge(invoice).await?;
            }
            None => sleep(millis(10)).await,
        }
    }
    Ok(())
}

async fn office(scope: &Scope, seen: Option<BTreeSet<u32>>) -> Result<()> {
    let broker = scope.spawn(Broker {
        queue: [5, 2].into(),
        out: BTreeMap::new(),
    });
    let books = scope.spawn(Books { sum: 0, seen });
    let clerks = [0, 1].map(|_| scope.spawn(clerk(broker.clone(), books.clone(), 5)));
    for clerk in clerks {
        clerk.await?;
    }
    assert_eq!(books.sum().await?, 7);
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    office(scope, None).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    office(scope, Some(BTreeSet::new())).await
}
