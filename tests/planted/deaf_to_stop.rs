//! The bug: a client tries to connect until it succeeds, and does not look at its scope; with the server gone it never ends.
//! Ordinary tests miss it: their server is up at the first attempt.
//! Missed cancellation. Shows as a process that is dropped after the grace, for being late.

use roundrock::prelude::*;

#[process]
struct Server {
    up: bool,
}

#[handlers]
impl Server {
    fn connect(&self) -> bool {
        self.up
    }
    fn shut_down(&mut self) {
        self.up = false;
    }
}

#[process]
async fn tries_for_ever(server: ServerHandle) -> Result<()> {
    while !server.connect().await? {
        sleep(secs(1)).await;
    }
    Ok(())
}

#[process]
async fn tries_until_stopped(server: ServerHandle, scope: &Scope) -> Result<()> {
    while !server.connect().await? {
        select! {
            _ = sleep(secs(1)) => {}
            _ = scope.stopping() => return Ok(()),
        }
    }
    Ok(())
}

async fn evening<F>(scope: &Scope, client: F) -> Result<()>
where
    F: FnOnce(&Scope, ServerHandle),
{
    let server = scope.spawn(Server { up: true });
    let clients = scope.child("clients");
    client(&clients, server.clone());
    ensure!(server.connect().await?, "the server does not come up");
    server.shut_down().await?;
    let report = clients.stop(secs(5)).await;
    assert!(report.is_clean(), "{report}");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    evening(scope, |clients, server| {
        clients.spawn(tries_for_ever(server));
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    evening(scope, |clients, server| {
        clients.spawn(tries_until_stopped(server));
    })
    .await
}
