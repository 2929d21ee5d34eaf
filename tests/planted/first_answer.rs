//! The bug: a write waits for two replicas of three, and a read asks all three; but it takes the answer that comes first.
//! Ordinary tests miss it: the replica that was not waited for has got the write by then.
//! A quorum that is asked, and not listened to. Shows as an old value after a write that was confirmed.
use roundrock::prelude::*;

#[process]
struct Replica {
    version: u32,
}
#[handlers]
impl Replica {
    fn write(&mut self, version: u32) {
        self.version = self.version.max(version);
    }
    fn read(&self) -> u32 {
        self.version
    }
}
async fn write(scope: &Scope, replicas: &[ReplicaHandle], version: u32) -> Result<()> {
    let write =
        |replica: ReplicaHandle| scope.task("write", async move { replica.write(version).await });
    let mut writes: JoinSet<_> = replicas.iter().cloned().map(write).collect();
    for _ in 0..2 {
        writes.join_next().await.context("three were asked")??;
    }
    Ok(())
}
async fn read(scope: &Scope, replicas: &[ReplicaHandle], of: u32) -> Result<u32> {
    let read = |replica: ReplicaHandle| scope.task("read", async move { replica.read().await });
    let mut reads: JoinSet<_> = replicas.iter().cloned().map(read).collect();
    let mut newest = 0;
    for _ in 0..of {
        let version = reads.join_next().await.context("three were asked")??;
        newest = newest.max(version);
    }
    Ok(newest)
}
async fn run(scope: &Scope, of: u32) -> Result<()> {
    let replicas = [0; 3].map(|version| scope.spawn(Replica { version }));
    write(scope, &replicas, 1).await?;
    assert_eq!(read(scope, &replicas, of).await?, 1, "what was written");
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, 1).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, 2).await
}
