//! The bug: an operator takes back what is lent out, and the borrower gives it back too; the pool then has it twice.
//! Ordinary tests miss it: the borrower is done before the operator looks, or gives back long after.
//! Double close. Shows as one connection that two borrowers have.

use std::collections::BTreeSet;

use roundrock::prelude::*;

#[process]
struct Connections {
    free: Vec<u32>,
    lent: BTreeSet<u32>,
    checks: bool,
}

#[handlers]
impl Connections {
    fn take(&mut self) -> Option<u32> {
        let connection = self.free.pop()?;
        self.lent.insert(connection);
        Some(connection)
    }
    fn give(&mut self, connection: u32) {
        let was_lent = self.lent.remove(&connection);
        if was_lent || !self.checks {
            self.free.push(connection);
        }
    }
    fn lent(&self) -> BTreeSet<u32> {
        self.lent.clone()
    }
}

#[process]
async fn borrower(connections: ConnectionsHandle) -> Result<()> {
    if let Some(connection) = connections.take().await? {
        connections.give(connection).await?;
    }
    Ok(())
}

async fn day(scope: &Scope, checks: bool) -> Result<()> {
    let connections = scope.spawn(Connections {
        free: vec![1],
        lent: BTreeSet::new(),
        checks,
    });
    let borrower = scope.spawn(borrower(connections.clone()));
    for overdue in connections.lent().await? {
        connections.give(overdue).await?;
    }
    borrower.await?;
    let first = connections.take().await?;
    let second = connections.take().await?;
    assert_eq!((first, second), (Some(1), None), "one connection");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    day(scope, false).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    day(scope, true).await
}
