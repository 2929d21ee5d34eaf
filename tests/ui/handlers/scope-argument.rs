//! A handler that takes its scope as a process function does; no call passes it.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, scope: &Scope, by: i64) {
        let _ = scope;
        self.n += by;
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    scope.spawn(Counter { n: 0 }).add(1).await?;
    Ok(())
}
