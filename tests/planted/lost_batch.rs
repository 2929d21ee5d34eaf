//! The bug: an aggregator collects readings in a variable and stores them three at a time; a bad reading ends it, and the supervisor
//! starts it again with an empty variable. Ordinary tests miss it: their bad reading is the first one.
//! State that a restart loses. Shows as a sum that is too low.

use roundrock::prelude::*;

#[process]
struct Store {
    sum: i32,
}

#[handlers]
impl Store {
    fn add(&mut self, readings: Vec<i32>) {
        self.sum += readings.iter().sum::<i32>();
    }
    fn sum(&self) -> i32 {
        self.sum
    }
}

#[process]
async fn in_a_variable(readings: &Receiver<i32>, store: &StoreHandle) -> Result<()> {
    let mut batch = Vec::new();
    while let Some(reading) = readings.recv().await {
        ensure!(reading >= 0, "a reading of {reading}");
        batch.push(reading);
        if batch.len() == 3 {
            store.add(std::mem::take(&mut batch)).await?;
        }
    }
    store.add(batch).await?;
    Ok(())
}

#[process]
async fn at_once(readings: &Receiver<i32>, store: &StoreHandle) -> Result<()> {
    while let Some(reading) = readings.recv().await {
        ensure!(reading >= 0, "a reading of {reading}");
        store.add(vec![reading]).await?;
    }
    Ok(())
}

async fn station<F>(scope: &Scope, aggregator: F) -> Result<()>
where
    F: FnOnce(Receiver<i32>, StoreHandle) -> Task<()>,
{
    let store = scope.spawn(Store { sum: 0 });
    let (readings, inbox) = bounded(2).named("readings");
    let aggregator = aggregator(inbox, store.clone());
    let good = readings.clone();
    let good = scope.task("good sensor", async move {
        for reading in [1, 2, 4] {
            good.send(reading).await?;
        }
        roundrock::Ok(())
    });
    let bad = scope.task("bad sensor", async move { readings.send(-1).await });
    good.await?;
    bad.await?;
    aggregator.await?;
    assert_eq!(store.sum().await?, 7);
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    station(scope, |readings, store| {
        scope.supervise(in_a_variable(readings, store)).spawn()
    })
    .await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    station(scope, |readings, store| {
        scope.supervise(at_once(readings, store)).spawn()
    })
    .await
}
