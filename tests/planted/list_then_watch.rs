//! The bug: a watcher lists the services and then subscribes to changes; a change in between is in neither.
//! Ordinary tests miss it: they add services before the watcher starts, or long after.
//! Order violation: subscribe after the snapshot. Shows as a watcher that waits for ever.

use std::collections::BTreeSet;

use roundrock::prelude::*;

#[process]
struct Registry {
    services: BTreeSet<&'static str>,
    changes: BroadcastSender<&'static str>,
}

#[handlers]
impl Registry {
    async fn add(&mut self, service: &'static str) {
        self.services.insert(service);
        // An error says that nobody watches.
        self.changes.send(service).await.ok();
    }
    fn list(&self) -> BTreeSet<&'static str> {
        self.services.clone()
    }
    fn watch(&self) -> BroadcastReceiver<&'static str> {
        self.changes.subscribe()
    }
}

/// Returns once both services are up.
#[process]
async fn lists_then_watches(registry: RegistryHandle) -> Result<()> {
    let mut known = registry.list().await?;
    let changes = registry.watch().await?;
    while known.len() < 2 {
        known.insert(changes.recv().await.context("no more changes")??);
    }
    Ok(())
}

#[process]
async fn watches_then_lists(registry: RegistryHandle) -> Result<()> {
    let changes = registry.watch().await?;
    let mut known = registry.list().await?;
    while known.len() < 2 {
        known.insert(changes.recv().await.context("no more changes")??);
    }
    Ok(())
}

fn registry(scope: &Scope) -> RegistryHandle {
    let (changes, _) = broadcast(8);
    scope.spawn(Registry {
        services: BTreeSet::from(["store"]),
        changes,
    })
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let registry = registry(scope);
    let watcher = scope.spawn(lists_then_watches(registry.clone()));
    registry.add("queue").await?;
    watcher.await?;
    Ok(())
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let registry = registry(scope);
    let watcher = scope.spawn(watches_then_lists(registry.clone()));
    registry.add("queue").await?;
    watcher.await?;
    Ok(())
}
