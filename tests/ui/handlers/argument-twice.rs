//! Two arguments of one name.

#![allow(unused_variables)]

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: i64, by: i64) {
        self.n += by;
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    scope.spawn(Counter { n: 0 }).add(1, 2).await?;
    Ok(())
}
