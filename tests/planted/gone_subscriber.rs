//! The bug: a hub sends each item to all with `?`; the first subscriber that has gone ends the hub, quietly, and all others go
//! without. Ordinary tests miss it: their subscribers stay to the end.
//! A leaked subscription. Shows as a hub that stopped, and a subscriber that misses items.

use roundrock::prelude::*;

#[process]
async fn sends_to_all(news: &Receiver<u32>, to: Vec<Sender<u32>>) -> Result<()> {
    while let Some(item) = news.recv().await {
        for subscriber in &to {
            subscriber.send(item).await?;
        }
    }
    Ok(())
}

#[process]
async fn forgets_who_is_gone(news: &Receiver<u32>, mut to: Vec<Sender<u32>>) -> Result<()> {
    while let Some(item) = news.recv().await {
        let mut left = Vec::new();
        for subscriber in to {
            if subscriber.send(item).await.is_ok() {
                left.push(subscriber);
            }
        }
        to = left;
    }
    Ok(())
}

#[process]
async fn reads(items: Receiver<u32>, enough: u32) -> Result<u32> {
    let mut sum = 0;
    while sum < enough
        && let Some(item) = items.recv().await
    {
        sum += item;
    }
    Ok(sum)
}

async fn feed<F>(scope: &Scope, hub: F) -> Result<()>
where
    F: FnOnce(Receiver<u32>, Vec<Sender<u32>>) -> Task<()>,
{
    let (news, inbox) = bounded(4).named("news");
    let (a, to_a) = bounded(1).named("to a");
    let (b, to_b) = bounded(1).named("to b");
    let hub = hub(inbox, vec![a, b]);
    let impatient = scope.spawn(reads(to_a, 1));
    let faithful = scope.spawn(reads(to_b, 7));
    for item in [1, 2, 4] {
        news.send(item).await.ok();
    }
    news.finish();
    hub.await?;
    assert_eq!((impatient.await?, faithful.await?), (1, 7));
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    feed(scope, |news, to| scope.spawn(sends_to_all(news, to))).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    feed(scope, |news, to| scope.spawn(forgets_who_is_gone(news, to))).await
}
