//! The bug: a worker subscribes to the stop signal when it has reached its loop; a stop that came before is not repeated.
//! Ordinary tests miss it: they let the workers work for a while before they stop them.
//! Missed cancellation, lost notification. Shows as a worker that nobody can stop any more.

use roundrock::prelude::*;

#[process]
struct Roster {
    workers: u32,
}

#[handlers]
impl Roster {
    fn sign_in(&mut self) {
        self.workers += 1;
    }
    fn workers(&self) -> u32 {
        self.workers
    }
}

#[process]
async fn subscribes_late(roster: RosterHandle, stop: BroadcastSender<()>) -> Result<()> {
    roster.sign_in().await?;
    let stopped = stop.subscribe();
    // It would do its share of something here.
    stopped.recv().await.context("nobody can stop it")??;
    Ok(())
}

#[process]
async fn is_subscribed(roster: RosterHandle, stopped: BroadcastReceiver<()>) -> Result<()> {
    roster.sign_in().await?;
    stopped.recv().await.context("nobody can stop it")??;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let roster = scope.spawn(Roster { workers: 0 });
    let (stop, _) = broadcast(1);
    let worker = scope.spawn(subscribes_late(roster.clone(), stop.clone()));
    roster.sign_in().await?;
    assert!(roster.workers().await? <= 2);
    stop.send(()).await.ok();
    worker.await?;
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let roster = scope.spawn(Roster { workers: 0 });
    let (stop, stopped) = broadcast(1);
    let worker = scope.spawn(is_subscribed(roster.clone(), stopped));
    roster.sign_in().await?;
    assert!(roster.workers().await? <= 2);
    stop.send(()).await.ok();
    worker.await?;
    Ok(())
}
