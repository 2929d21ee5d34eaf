//! An argument that borrows from the caller; its use gives no further error.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn rename(&mut self, name: &str, by: i64) -> i64 {
        self.n += by;
        name.len() as i64
    }
}

async fn wire(counter: &CounterHandle) -> Result<i64> {
    Ok(counter.rename("a".to_owned(), 1).await?)
}

fn main() {}
