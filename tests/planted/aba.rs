//! The bug: a list pops its head by compare-and-swap; between the look and the swap the head is popped and pushed again.
//! Ordinary tests miss it: another one must take two nodes and put the first one back in that very moment.
//! The ABA problem. Shows as a node that two users have.
use roundrock::prelude::*;
use std::collections::BTreeMap;

#[process]
struct Store {
    head: Option<u32>,
    changes: u64,
    next: BTreeMap<u32, Option<u32>>,
    counts_changes: bool,
}
#[handlers]
impl Store {
    fn head(&self) -> (Option<u32>, u64) {
        (self.head, self.changes)
    }
    fn next(&self, node: u32) -> Option<u32> {
        self.next[&node]
    }
    fn set_next(&mut self, node: u32, next: Option<u32>) {
        self.next.insert(node, next);
    }
    fn swap(&mut self, seen: (Option<u32>, u64), new: Option<u32>) -> bool {
        let same = self.head == seen.0 && (!self.counts_changes || self.changes == seen.1);
        if same {
            self.head = new;
            self.changes += 1;
        }
        same
    }
}
async fn pop(store: &StoreHandle) -> Result<Option<u32>> {
    loop {
        let seen = store.head().await?;
        let Some(node) = seen.0 else {
            return Ok(None);
        };
        let next = store.next(node).await?;
        if store.swap(seen, next).await? {
            return Ok(Some(node));
        }
    }
}
async fn push(store: &StoreHandle, node: u32) -> Result<()> {
    loop {
        let seen = store.head().await?;
        store.set_next(node, seen.0).await?;
        if store.swap(seen, Some(node)).await? {
            return Ok(());
        }
    }
}
#[process]
async fn takes_one(store: &StoreHandle, taken: &Sender<u32>) -> Result<()> {
    if let Some(node) = pop(store).await? {
        taken.send(node).await?;
    }
    Ok(())
}
#[process]
async fn takes_the_second(store: &StoreHandle, taken: &Sender<u32>) -> Result<()> {
    let Some(first) = pop(store).await? else {
        return Ok(());
    };
    if let Some(second) = pop(store).await? {
        taken.send(second).await?;
    }
    push(store, first).await
}
async fn run(scope: &Scope, counts_changes: bool) -> Result<()> {
    let store = scope.spawn(Store {
        head: Some(1),
        changes: 0,
        next: BTreeMap::from([(1, Some(2)), (2, Some(3)), (3, None)]),
        counts_changes,
    });
    let (taken, nodes) = bounded(4);
    scope.spawn(takes_one(store.clone(), taken.clone()));
    scope.spawn(takes_the_second(store.clone(), taken));
    let mut all = Vec::new();
    while let Some(node) = nodes.recv().await {
        all.push(node);
    }
    while let Some(node) = pop(&store).await? {
        all.push(node);
    }
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3], "each node is taken once");
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
