//! A key that has no hash: a float, in a pool that routes by it.

use roundrock::prelude::*;

#[process]
#[derive(Clone)]
struct Cache {
    hits: u32,
}

#[handlers]
impl Cache {
    fn get(&mut self, #[key] name: String, #[key] at: f64) -> u32 {
        self.hits += u32::from(name.is_empty() || at > 1.0);
        self.hits
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let cache = scope.pool(2, Cache { hits: 0 }.by_key());
    println!("{}", cache.get("a".to_owned(), 1.5).await?);
    Ok(())
}
