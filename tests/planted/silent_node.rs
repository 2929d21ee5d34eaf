//! The bug: a node works off all that has piled up before it looks at its clock again; with a backlog it sends no heartbeat.
//! Ordinary tests miss it: their jobs come one at a time.
//! An arm of a select that is starved by the body of another one. Shows as a node that is taken for dead.

use roundrock::prelude::*;

/// How long a job takes.
const JOB_MS: u64 = 60;

#[process]
async fn drains(work: &Receiver<u32>, beats: &Sender<()>) -> Result<()> {
    let mut clock = interval(millis(100));
    loop {
        select! {
            _ = work.recv() => {
                sleep(millis(JOB_MS)).await;
                while work.try_recv().is_ok() {
                    sleep(millis(JOB_MS)).await;
                }
            }
            _ = clock.next() => beats.send(()).await?,
        }
    }
}

#[process]
async fn takes_one(work: &Receiver<u32>, beats: &Sender<()>) -> Result<()> {
    let mut clock = interval(millis(100));
    loop {
        select! {
            biased;
            _ = clock.next() => beats.send(()).await?,
            _ = work.recv() => sleep(millis(JOB_MS)).await,
        }
    }
}

#[process]
async fn client(work: &Sender<u32>) -> Result<()> {
    for job in 0..4 {
        work.send(job).await?;
        sleep(millis(JOB_MS)).await;
    }
    Ok(())
}

async fn cluster<F>(scope: &Scope, node: F) -> Result<()>
where
    F: FnOnce(&Scope, Receiver<u32>, Sender<()>) -> Task<()>,
{
    let nodes = scope.child("nodes");
    let (work, inbox) = bounded(8).named("work");
    let (beats, heard) = bounded(8).named("heartbeats");
    let node = node(&nodes, inbox, beats);
    let clients = [0, 1].map(|_| nodes.spawn(client(work.clone())));
    for _ in 0..4 {
        let beat = heard.recv().within(millis(250)).await;
        assert!(beat.is_ok(), "the node is dead");
    }
    for client in clients {
        client.await?;
    }
    node.kill();
    nodes.stop(secs(1)).await;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    cluster(scope, |scope, work, beats| scope.spawn(drains(work, beats))).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    cluster(scope, |scope, work, beats| {
        scope.spawn(takes_one(work, beats))
    })
    .await
}
