//! A method without a body yet, before one that is whole. rustc alone speaks.

use roundrock::prelude::*;

#[process]
struct Store {
    n: u32,
}

#[handlers]
impl Store {
    fn put(&mut self, n: u32) {
        self.n = n;
    }
    pub async fn get(&mut self, key: u32) -> u32
    pub fn last(&self) -> u32 {
        self.n
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let store = scope.spawn(Store { n: 1 });
    store.put(1).await?;
    let _: u32 = store.get(1).await? + store.last().await?;
    Ok(())
}
