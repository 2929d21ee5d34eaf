//! An option that is misspelt; the process is there all the same.

use roundrock::prelude::*;

#[process(mailbx = 8)]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: i64) {
        self.n += by;
    }
}

async fn wire(counter: CounterHandle) -> Result<()> {
    counter.add(1).await?;
    Ok(())
}

fn main() {}
