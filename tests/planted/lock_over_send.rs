//! The bug: a producer counts and sends under one lock; the consumer takes that lock for each item before it receives the next.
//! Ordinary tests miss it: as long as the queue has room the send does not wait, and the lock is free again.
//! Lock held over a send. Shows as two processes, one with the lock and one that could make room.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Mutex;

#[derive(Debug, Default)]
struct Statistics {
    sent: u32,
    done: u32,
}

#[process]
struct Source;

#[handlers]
impl Source {
    fn item(&mut self, number: u32) -> u32 {
        number * 10
    }
}

type Shared = Arc<Mutex<Statistics>>;

#[process]
async fn sends_under_the_lock(
    source: SourceHandle,
    queue: Sender<u32>,
    statistics: Shared,
) -> Result<()> {
    for number in 0..3 {
        let item = source.item(number).await?;
        let mut statistics = statistics.lock().await;
        statistics.sent += 1;
        queue.send(item).await?;
    }
    Ok(())
}

#[process]
async fn counts_and_sends(
    source: SourceHandle,
    queue: Sender<u32>,
    statistics: Shared,
) -> Result<()> {
    for number in 0..3 {
        let item = source.item(number).await?;
        statistics.lock().await.sent += 1;
        queue.send(item).await?;
    }
    Ok(())
}

#[process]
async fn consume(queue: Receiver<u32>, statistics: Shared) -> Result<()> {
    while let Some(_item) = queue.recv().await {
        statistics.lock().await.done += 1;
    }
    Ok(())
}

async fn run<F>(scope: &Scope, produce: F) -> Result<()>
where
    F: FnOnce(SourceHandle, Sender<u32>, Shared) -> Task<()>,
{
    let statistics = Shared::default();
    let (queue, items) = bounded(1);
    let consumer = scope.spawn(consume(items, Arc::clone(&statistics)));
    produce(scope.spawn(Source), queue, Arc::clone(&statistics)).await?;
    consumer.await?;
    let statistics = statistics.lock().await;
    assert_eq!((statistics.sent, statistics.done), (3, 3));
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, |source, queue, statistics| {
        scope.spawn(sends_under_the_lock(source, queue, statistics))
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, |source, queue, statistics| {
        scope.spawn(counts_and_sends(source, queue, statistics))
    })
    .await
}
