//! The bug: changes are spread over a pool; a later change of a record overtakes the one before it.
//! Ordinary tests miss it: two workers seldom have two changes of one record at the same time.
//! Order violation through a pool. Shows as a record that comes back after it was deleted.

use std::collections::BTreeSet;

use roundrock::prelude::*;

#[process]
struct Table {
    records: BTreeSet<u32>,
}

#[handlers]
impl Table {
    fn insert(&mut self, record: u32) {
        self.records.insert(record);
    }
    fn delete(&mut self, record: u32) {
        self.records.remove(&record);
    }
    fn records(&self) -> BTreeSet<u32> {
        self.records.clone()
    }
}

#[process]
#[derive(Clone)]
struct Applier {
    table: TableHandle,
}

#[handlers]
impl Applier {
    async fn insert(&mut self, #[key] record: u32) -> Result<()> {
        self.table.insert(record).await?;
        Ok(())
    }
    async fn delete(&mut self, #[key] record: u32) -> Result<()> {
        self.table.delete(record).await?;
        Ok(())
    }
}

async fn replay(table: &TableHandle, appliers: ApplierHandle) -> Result<()> {
    for record in [1, 2] {
        appliers.insert(record).send_and_forget().await?;
        appliers.delete(record).send_and_forget().await?;
    }
    appliers.stop();
    appliers.closed().await;
    assert_eq!(table.records().await?, BTreeSet::new(), "all were deleted");
    Ok(())
}

fn table(scope: &Scope) -> TableHandle {
    scope.spawn(Table {
        records: BTreeSet::new(),
    })
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    let table = table(scope);
    let applier = Applier {
        table: table.clone(),
    };
    replay(&table, scope.pool(2, applier)).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let table = table(scope);
    let applier = Applier {
        table: table.clone(),
    };
    replay(&table, scope.pool(2, applier.by_key())).await
}
