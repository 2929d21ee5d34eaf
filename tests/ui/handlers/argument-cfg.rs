//! An argument of a handler that some configurations do not have.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: i64, #[cfg(any())] twice: Missing) {
        self.n += by;
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    scope.spawn(Counter { n: 0 }).add(1).await?;
    Ok(())
}
