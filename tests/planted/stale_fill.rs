//! The bug: a reader that misses the cache reads the database and fills the cache; an update that is made between the two, and
//! clears the cache, is forgotten again. Ordinary tests miss it: they update before a read, or after it.
//! Order violation between two stores. Shows as an old price that never goes away.

use roundrock::prelude::*;

#[process]
struct Database {
    price: u32,
}

#[handlers]
impl Database {
    fn read(&self) -> u32 {
        self.price
    }
    fn write(&mut self, price: u32) {
        self.price = price;
    }
}

#[process]
struct Cache {
    price: Option<u32>,
    /// How often it was cleared.
    cleared: u32,
}

#[handlers]
impl Cache {
    fn lookup(&self) -> (Option<u32>, u32) {
        (self.price, self.cleared)
    }
    fn fill(&mut self, price: u32) {
        self.price = Some(price);
    }
    fn fill_if_not_cleared(&mut self, price: u32, cleared: u32) {
        if self.cleared == cleared {
            self.price = Some(price);
        }
    }
    fn clear(&mut self) {
        self.price = None;
        self.cleared += 1;
    }
}

#[process]
async fn fills(cache: &CacheHandle, database: &DatabaseHandle) -> Result<()> {
    if let (None, _) = cache.lookup().await? {
        cache.fill(database.read().await?).await?;
    }
    Ok(())
}

#[process]
async fn fills_with_care(cache: &CacheHandle, database: &DatabaseHandle) -> Result<()> {
    if let (None, cleared) = cache.lookup().await? {
        let price = database.read().await?;
        cache.fill_if_not_cleared(price, cleared).await?;
    }
    Ok(())
}

async fn shop<F>(scope: &Scope, reader: F) -> Result<()>
where
    F: FnOnce(CacheHandle, DatabaseHandle) -> Task<()>,
{
    let database = scope.spawn(Database { price: 10 });
    let cache = scope.spawn(Cache {
        price: None,
        cleared: 0,
    });
    let reader = reader(cache.clone(), database.clone());
    database.write(12).await?;
    cache.clear().await?;
    reader.await?;
    let (price, _) = cache.lookup().await?;
    assert!(price.is_none_or(|price| price == 12), "the price is old");
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    shop(scope, |cache, database| scope.spawn(fills(cache, database))).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    shop(scope, |cache, database| {
        scope.spawn(fills_with_care(cache, database))
    })
    .await
}
