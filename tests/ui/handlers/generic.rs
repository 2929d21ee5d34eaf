//! A generic handler.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn put<T: Into<i64>>(&mut self, value: T) {
        self.n = value.into();
    }
}

async fn wire(counter: &CounterHandle) -> Result<()> {
    counter.put(1_i32).await?;
    Ok(())
}

fn main() {}
