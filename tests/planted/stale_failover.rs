//! The bug: a write is confirmed once it is in the replication log; after a failover the replica does not have it yet.
//! Ordinary tests miss it: replication is fast, and the test does something else before it fails over.
//! Stale read after failover, a promise given too early. Shows as an old value after a confirmed write.

use roundrock::prelude::*;

#[process]
struct Replica {
    value: u32,
}

#[handlers]
impl Replica {
    fn apply(&mut self, value: u32) {
        self.value = value;
    }
    fn read(&self) -> u32 {
        self.value
    }
}

#[process]
async fn ship(log: &Receiver<(u32, OneshotSender<()>)>, replica: &ReplicaHandle) -> Result<()> {
    while let Some((value, applied)) = log.recv().await {
        replica.apply(value).await?;
        // Not everybody waits for it.
        applied.send(()).ok();
    }
    Ok(())
}

#[process]
struct Primary {
    value: u32,
    log: Sender<(u32, OneshotSender<()>)>,
    waits_for_replica: bool,
}

#[handlers]
impl Primary {
    async fn write(&mut self, value: u32) -> Result<()> {
        self.value = value;
        let (applied, is_applied) = oneshot();
        self.log.send((value, applied)).await?;
        if self.waits_for_replica {
            is_applied.recv().await.context("the shipper has gone")?;
        }
        Ok(())
    }
}

async fn failover(scope: &Scope, waits_for_replica: bool) -> Result<()> {
    let replica = scope.spawn(Replica { value: 1 });
    let (log, shipped) = bounded(8);
    scope.spawn(ship(shipped, replica.clone()));
    let primary = scope.spawn(Primary {
        value: 1,
        log,
        waits_for_replica,
    });
    primary.write(2).await?;
    primary.stop();
    assert_eq!(replica.read().await?, 2, "the write was confirmed");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    failover(scope, false).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    failover(scope, true).await
}
