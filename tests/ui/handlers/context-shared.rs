//! A context by shared reference; no call passes it.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, cx: &Cx, by: i64) -> i64 {
        let _ = cx;
        self.n += by;
        self.n
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let counter = scope.spawn(Counter { n: 0 });
    println!("{}", counter.add(1).await?);
    Ok(())
}
