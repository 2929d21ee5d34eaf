//! Two processes are given the same handle.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: i64) {
        self.n += by;
    }
}

#[process]
async fn count(counter: CounterHandle) -> Result<()> {
    counter.add(1).await?;
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let counter = scope.spawn(Counter { n: 0 });
    scope.spawn(count(counter));
    scope.spawn(count(counter));
    Ok(())
}
