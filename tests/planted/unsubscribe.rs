//! The bug: a subscriber that has heard enough asks the publisher to forget it, which sends it one more item and waits for room.
//! Ordinary tests miss it: subscribers leave when nothing is published.
//! Deadlock between a send and a call back. Shows as a publisher in a send and a subscriber in a call.

use std::collections::BTreeMap;

use roundrock::prelude::*;

#[process]
struct Publisher {
    subscribers: BTreeMap<u32, Sender<u32>>,
}

#[handlers]
impl Publisher {
    async fn publish(&mut self, item: u32) {
        let mut gone = Vec::new();
        for (id, subscriber) in &self.subscribers {
            if subscriber.send(item).await.is_err() {
                gone.push(*id);
            }
        }
        for id in gone {
            self.subscribers.remove(&id);
        }
    }
    fn unsubscribe(&mut self, id: u32) {
        self.subscribers.remove(&id);
    }
}

#[process]
async fn asks_to_be_forgotten(publisher: PublisherHandle, items: Receiver<u32>) -> Result<()> {
    items.recv().await.context("nothing was published")?;
    publisher.unsubscribe(1).await?;
    Ok(())
}

#[process]
async fn leaves_and_asks(publisher: PublisherHandle, items: Receiver<u32>) -> Result<()> {
    items.recv().await.context("nothing was published")?;
    items.finish();
    publisher.unsubscribe(1).await?;
    Ok(())
}

async fn news<F>(scope: &Scope, subscriber: F) -> Result<()>
where
    F: FnOnce(PublisherHandle, Receiver<u32>) -> Task<()>,
{
    let (items, heard) = bounded(1);
    let publisher = scope.spawn(Publisher {
        subscribers: BTreeMap::from([(1, items)]),
    });
    let subscriber = subscriber(publisher.clone(), heard);
    for item in 0..3 {
        publisher.publish(item).await?;
    }
    subscriber.await?;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    news(scope, |publisher, items| {
        scope.spawn(asks_to_be_forgotten(publisher, items))
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    news(scope, |publisher, items| {
        scope.spawn(leaves_and_asks(publisher, items))
    })
    .await
}
