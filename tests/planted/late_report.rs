//! The bug: rows are moved in two steps, and a report that falls between them counts a row twice; only the rows of the last page are
//! moved so, and there are many before.
//! Ordinary tests miss it: the report comes before all of that, or after it.
//! A non-atomic migration. Shows as a number of rows that there never was.
use roundrock::prelude::*;
use std::collections::BTreeSet;

const ROWS: u32 = 40;
const LAST_PAGE: u32 = 36;

#[process]
struct Table {
    old: BTreeSet<u32>,
    new: BTreeSet<u32>,
}
#[handlers]
impl Table {
    fn copy(&mut self, row: u32) {
        self.new.insert(row);
    }
    fn remove(&mut self, row: u32) {
        self.old.remove(&row);
    }
    fn shift(&mut self, row: u32) {
        self.old.remove(&row);
        self.new.insert(row);
    }
    fn count(&self) -> usize {
        self.old.len() + self.new.len()
    }
}
async fn migrate(table: TableHandle, at_once: bool) -> Result<()> {
    for row in 0..ROWS {
        if at_once || row < LAST_PAGE {
            table.shift(row).await?;
        } else {
            table.copy(row).await?;
            table.remove(row).await?;
        }
    }
    Ok(())
}
async fn run(scope: &Scope, at_once: bool) -> Result<()> {
    let table = scope.spawn(Table {
        old: (0..ROWS).collect(),
        new: BTreeSet::new(),
    });
    let migration = scope.task("migrate", migrate(table.clone(), at_once));
    let report = scope.task("report", async move { roundrock::Ok(table.count().await?) });
    // In this order the report has ended when the last page is moved, in the run in which nothing unusual happens.
    migration.await?;
    assert_eq!(report.await?, ROWS as usize, "rows");
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
