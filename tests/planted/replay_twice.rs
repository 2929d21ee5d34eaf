//! The bug: a mirror that has missed events asks for all since the last one; some of these are still on their way to it, and come
//! a second time. Ordinary tests miss it: nothing is published while it catches up.
//! A gap that is filled twice. Shows as a sum that is too high.
use roundrock::prelude::*;

const EVENTS: u64 = 6;

#[process]
struct Source {
    published: u64,
    out: BroadcastSender<u64>,
}
#[handlers]
impl Source {
    async fn publish(&mut self) -> Result<()> {
        self.published += 1;
        self.out.send(self.published).await?;
        Ok(())
    }
    fn since(&self, last: u64) -> Vec<u64> {
        (last + 1..=self.published).collect()
    }
}
#[process]
async fn mirror(
    source: &SourceHandle,
    feed: &BroadcastReceiver<u64>,
    skips_known: &bool,
) -> Result<u64> {
    let (mut last, mut sum) = (0, 0);
    while last < EVENTS {
        let next = feed.recv().await.context("the source has gone")?;
        let events = match next {
            Ok(event) => vec![event],
            Err(_missed) => source.since(last).await?,
        };
        for event in events {
            if event > last || !skips_known {
                last = event;
                sum += event;
            }
        }
    }
    Ok(sum)
}
async fn run(scope: &Scope, skips_known: bool) -> Result<()> {
    let (out, feed) = broadcast(2);
    let source = scope.spawn(Source { published: 0, out });
    let mirror = scope.spawn(mirror(source.clone(), feed, skips_known));
    for _ in 0..EVENTS {
        source.publish().send_and_forget().await?;
    }
    assert_eq!(mirror.await?, (1..=EVENTS).sum::<u64>());
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
