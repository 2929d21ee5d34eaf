//! Arguments that are being written, beside handlers that are whole. rustc alone speaks.

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
    async fn get(&mut self, key: ) -> u32 {
        self.n
    }
    #[every("1s")]
    fn tick(&mut self, cx: &mut) {}
    fn find(&self, #[key] name: String, at) -> Option<u32> {
        Some(self.n)
    }
    fn last(&self) -> u32 {
        self.n
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let store = scope.spawn(Store { n: 1 });
    store.put(1).await?;
    let n: u32 = store.get("key").await? + store.last().await?;
    let _: Option<u32> = store.find(n.to_string(), 1).await?;
    Ok(())
}
