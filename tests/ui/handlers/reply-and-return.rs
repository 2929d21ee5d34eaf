//! An answer by `Reply` and by return value.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn get(&self, reply: Reply<i64>) -> i64 {
        reply.send(1);
        self.n
    }
}

async fn wire(counter: &CounterHandle) -> Result<i64> {
    Ok(counter.get().await?)
}

fn main() {}
