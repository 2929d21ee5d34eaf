//! `.send()` on a handler that returns something.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn get(&self) -> i64 {
        self.n
    }
}

async fn wire(counter: &CounterHandle) {
    let _ = counter.get().send().await;
}

fn main() {}
