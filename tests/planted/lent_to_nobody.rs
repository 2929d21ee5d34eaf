//! The bug: a pool lends a connection to a client that has just given up, and waits for it to come back.
//! Ordinary tests miss it: their clients give up long before their turn, or not at all.
//! A resource in an answer that nobody takes. Shows as a pool that has no connection left.
use roundrock::prelude::*;
use std::collections::VecDeque;

#[derive(Debug)]
struct Connection {
    home: Option<Sender<()>>,
}
impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.try_send(()).ok();
        }
    }
}
#[process]
struct Pool {
    free: u32,
    waiting: VecDeque<Reply<Connection>>,
    /// Where a connection goes when it is dropped.
    home: Option<Sender<()>>,
    came_home: Receiver<()>,
}
#[handlers]
impl Pool {
    fn take(&mut self, reply: Reply<Connection>) {
        self.waiting.push_back(reply);
        self.lend();
    }
    #[recv(came_home)]
    fn came_home(&mut self, (): ()) {
        self.give();
    }
    fn give(&mut self) {
        self.free += 1;
        self.lend();
    }
    fn close(&mut self) {
        self.home = None;
    }
}
impl Pool {
    fn lend(&mut self) {
        if self.free > 0
            && let Some(reply) = self.waiting.pop_front()
        {
            self.free -= 1;
            reply.send(Connection {
                home: self.home.clone(),
            });
        }
    }
}
#[process]
async fn client(pool: &PoolHandle) -> Result<()> {
    if let Ok(connection) = pool.take().within(millis(10)).await {
        sleep(millis(10)).await;
        if connection.home.is_none() {
            pool.give().await?;
        }
    }
    Ok(())
}
async fn run(scope: &Scope, comes_home: bool) -> Result<()> {
    let (home, came_home) = bounded(4);
    let pool = scope.spawn(Pool {
        free: 1,
        waiting: VecDeque::new(),
        home: comes_home.then_some(home),
        came_home,
    });
    for client in [0; 2].map(|_| scope.spawn(client(pool.clone()))) {
        client.await?;
    }
    let left = pool.take().within(secs(60)).await;
    assert!(left.is_ok(), "no connection is left");
    pool.close().await?;
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
