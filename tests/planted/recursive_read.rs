//! The bug: a reader of a lock calls a function that reads it again; a writer that asks in between waits for the first read,
//! and the second read waits for the writer. Ordinary tests miss it: without a writer at that very moment both reads pass.
//! Deadlock of one lock with itself. Shows as a reader and a writer that wait for each other.

use std::collections::HashMap;
use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::RwLock;

type Settings = Arc<RwLock<HashMap<&'static str, u32>>>;

async fn get(settings: &Settings, key: &str) -> u32 {
    settings.read().await.get(key).copied().unwrap_or(0)
}

#[process]
async fn reads_while_it_reads(settings: Settings) -> Result<u32> {
    let values = settings.read().await;
    let mut area = 1;
    for key in ["width", "height"] {
        if values.contains_key(key) {
            area *= get(&settings, key).await;
        }
    }
    Ok(area)
}

#[process]
async fn reads_once(settings: Settings) -> Result<u32> {
    let values = settings.read().await;
    let mut area = 1;
    for key in ["width", "height"] {
        if let Some(value) = values.get(key) {
            area *= value;
        }
    }
    Ok(area)
}

async fn resize<F>(reader: F) -> Result<()>
where
    F: FnOnce(Settings) -> Task<u32>,
{
    let values = HashMap::from([("width", 2), ("height", 3)]);
    let settings = Arc::new(RwLock::new(values));
    let reader = reader(Arc::clone(&settings));
    settings.write().await.insert("width", 4);
    let area = reader.await?;
    assert!(area == 6 || area == 12, "{area}");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    resize(|settings| scope.spawn(reads_while_it_reads(settings))).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    resize(|settings| scope.spawn(reads_once(settings))).await
}
