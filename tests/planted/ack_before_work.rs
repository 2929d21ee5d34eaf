//! The bug: a worker acknowledges a job before it has stored the result; killed in between, the job is done by nobody.
//! Ordinary tests miss it: a test kills workers between jobs, where nothing is under way.
//! Message loss at a restart. Shows as a job without a result.

use std::collections::{BTreeSet, VecDeque};

use roundrock::prelude::*;

#[process]
struct Broker {
    queue: VecDeque<u32>,
    taken: BTreeSet<u32>,
}

#[handlers]
impl Broker {
    fn take(&mut self) -> Option<u32> {
        let job = self.queue.pop_front()?;
        self.taken.insert(job);
        Some(job)
    }
    fn acknowledge(&mut self, job: u32) {
        self.taken.remove(&job);
    }
    /// A new worker gets what the last one has not acknowledged.
    fn recover(&mut self) {
        self.queue.extend(std::mem::take(&mut self.taken));
    }
}

#[process]
struct Store {
    results: BTreeSet<u32>,
}

#[handlers]
impl Store {
    fn put(&mut self, job: u32) {
        self.results.insert(job);
    }
    fn results(&self) -> BTreeSet<u32> {
        self.results.clone()
    }
}

#[process]
async fn acknowledges_first(broker: &BrokerHandle, store: &StoreHandle) -> Result<()> {
    broker.recover().await?;
    while let Some(job) = broker.take().await? {
        broker.acknowledge(job).await?;
        store.put(job).await?;
    }
    Ok(())
}

#[process]
async fn stores_first(broker: &BrokerHandle, store: &StoreHandle) -> Result<()> {
    broker.recover().await?;
    while let Some(job) = broker.take().await? {
        store.put(job).await?;
        broker.acknowledge(job).await?;
    }
    Ok(())
}

async fn deployment<F>(scope: &Scope, start: F) -> Result<()>
where
    F: FnOnce(&Scope, BrokerHandle, StoreHandle) -> Task<()>,
{
    let broker = scope.spawn(Broker {
        queue: (1..=3).collect(),
        taken: BTreeSet::new(),
    });
    let store = scope.spawn(Store {
        results: BTreeSet::new(),
    });
    let workers = scope.child("workers");
    let worker = start(&workers, broker, store.clone());
    // The deployment of a new version kills the old one, whatever it is doing.
    store.results().await?;
    worker.kill();
    worker.await?;
    assert_eq!(store.results().await?, BTreeSet::from([1, 2, 3]));
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    deployment(scope, |workers, broker, store| {
        workers.supervise(acknowledges_first(broker, store)).spawn()
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    deployment(scope, |workers, broker, store| {
        workers.supervise(stores_first(broker, store)).spawn()
    })
    .await
}
