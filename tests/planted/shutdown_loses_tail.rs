//! The bug: a stage leaves its loop as soon as its scope stops, and the jobs that it had accepted are left in its queue.
//! Ordinary tests miss it: by the time they stop, the queue is empty.
//! Shutdown that loses the tail. Shows as jobs that were accepted and not done.

use roundrock::prelude::*;

#[process]
struct Store {
    rows: u32,
}

#[handlers]
impl Store {
    fn insert(&mut self) {
        self.rows += 1;
    }
    fn rows(&self) -> u32 {
        self.rows
    }
}

#[process]
async fn breaks_at_once(jobs: &Receiver<u32>, store: &StoreHandle, cx: &mut Cx) -> Result<()> {
    let scope = cx.scope();
    loop {
        select! {
            _ = jobs.recv() => store.insert().await?,
            _ = scope.stopping() => return Ok(()),
        }
    }
}

/// The end of the input is the sign to leave: a stop closes it, and what was accepted comes first.
#[process]
async fn drains(jobs: &Receiver<u32>, store: &StoreHandle) -> Result<()> {
    while jobs.recv().await.is_some() {
        store.insert().await?;
    }
    Ok(())
}

async fn shutdown<F>(scope: &Scope, stage: F) -> Result<()>
where
    F: FnOnce(&Scope, Receiver<u32>, StoreHandle),
{
    let store = scope.spawn(Store { rows: 0 });
    let stages = scope.child("stages");
    let (jobs, queue) = bounded(8);
    stage(&stages, queue, store.clone());
    for job in 0..3 {
        jobs.send(job).await?;
    }
    let report = stages.stop(secs(5)).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(store.rows().await?, 3, "three jobs were accepted");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    shutdown(scope, |stages, queue, store| {
        stages.spawn(breaks_at_once(queue, store));
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    shutdown(scope, |stages, queue, store| {
        stages.spawn(drains(queue, store));
    })
    .await
}
