//! A pool that is served by key, of a process whose handlers have none.

use roundrock::prelude::*;

#[process]
#[derive(Clone)]
struct Cache {
    hits: u32,
}

#[handlers]
impl Cache {
    fn get(&mut self, name: String) -> u32 {
        self.hits += u32::from(!name.is_empty());
        self.hits
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let cache = scope.pool(2, Cache { hits: 0 }.by_key());
    let _: u32 = cache.get("a".to_owned()).await?;
    Ok(())
}
