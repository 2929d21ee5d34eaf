//! A budget that allows no process.

use roundrock::prelude::*;

#[process(budget = 0)]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: i64) {
        self.n += by;
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let counter = scope.spawn(Counter { n: 0 });
    counter.add(1).await?;
    Ok(())
}
