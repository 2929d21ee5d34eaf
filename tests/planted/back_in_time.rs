//! The bug: a reader takes its replicas in turn; the one that it comes to next may be behind the one that it has read.
//! Ordinary tests miss it: they read from one replica, or after all have caught up.
//! Reads that are not monotonic. Shows as a value that is older than the one before.
use roundrock::prelude::*;

#[process]
async fn replicate(log: &BroadcastReceiver<u32>, shown: &LatestSender<u32>) -> Result<()> {
    while let Some(value) = log.recv().await {
        shown.set(value?);
    }
    Ok(())
}
#[process]
struct Reader {
    replicas: [LatestReceiver<u32>; 2],
    reads: usize,
    last: u32,
    remembers: bool,
}
#[handlers]
impl Reader {
    fn read(&mut self) -> u32 {
        self.reads += 1;
        let value = self.replicas[self.reads % 2].get();
        if self.remembers {
            self.last = self.last.max(value);
            return self.last;
        }
        value
    }
}
async fn run(scope: &Scope, remembers: bool) -> Result<()> {
    let (log, first) = broadcast(8);
    let second = log.subscribe();
    let replicas = [first, second].map(|log| {
        let (shown, value) = latest(0);
        scope.spawn(replicate(log, shown));
        value
    });
    let reader = scope.spawn(Reader {
        replicas,
        reads: 0,
        last: 0,
        remembers,
    });
    scope.task("writes", async move {
        for value in 1..4 {
            log.send(value).await?;
        }
        roundrock::Ok(())
    });
    let mut last = 0;
    for _ in 0..4 {
        let value = reader.read().await?;
        assert!(value >= last, "{last} was read before {value}");
        last = value;
    }
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
