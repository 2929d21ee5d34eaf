//! The bug: a client writes to the leader and reads from a follower, which may not have got the write yet.
//! Ordinary tests miss it: the follower is next door, and the client takes a moment.
//! Reads that do not see one's own writes. Shows as an old value after a write that was answered.
use roundrock::prelude::*;

#[process]
struct Leader {
    version: u32,
    log: Sender<u32>,
}
#[handlers]
impl Leader {
    async fn write(&mut self) -> Result<u32> {
        self.version += 1;
        self.log.send(self.version).await?;
        Ok(self.version)
    }
}
#[process]
struct Follower {
    version: u32,
    log: Receiver<u32>,
    waiting: Vec<(u32, Reply<u32>)>,
}
#[handlers]
impl Follower {
    #[recv(log)]
    fn apply(&mut self, version: u32) {
        self.version = version;
        let ready = self
            .waiting
            .extract_if(.., |(wanted, _)| *wanted <= version);
        ready.for_each(|(_, reply)| reply.send(version));
    }
    fn read(&self) -> u32 {
        self.version
    }
    /// Answers when it has got this version.
    fn read_after(&mut self, wanted: u32, reply: Reply<u32>) {
        if self.version >= wanted {
            reply.send(self.version);
        } else {
            self.waiting.push((wanted, reply));
        }
    }
}
fn cluster(scope: &Scope) -> (LeaderHandle, FollowerHandle) {
    let (log, shipped) = bounded(8);
    let follower = scope.spawn(Follower {
        version: 0,
        log: shipped,
        waiting: Vec::new(),
    });
    (scope.spawn(Leader { version: 0, log }), follower)
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let (leader, follower) = cluster(scope);
    for _ in 0..2 {
        let written = leader.write().await?;
        assert_eq!(follower.read().await?, written, "what I wrote");
    }
    Ok(())
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let (leader, follower) = cluster(scope);
    for _ in 0..2 {
        let written = leader.write().await?;
        let read = follower.read_after(written).await?;
        assert_eq!(read, written, "what I wrote");
    }
    Ok(())
}
