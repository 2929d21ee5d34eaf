//! A reply that borrows from the state.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn title(&self, n: i64) -> &str {
        let _ = (self.n, n);
        "a"
    }
}

async fn wire(counter: &CounterHandle) -> Result<usize> {
    Ok(counter.title(1).await?.len())
}

fn main() {}
