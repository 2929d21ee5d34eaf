//! A struct and its handlers: plain and `async`, with and without a reply.

use roundrock::prelude::*;

#[process]
#[derive(Debug, Default)]
pub struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    /// Adds.
    pub fn add(&mut self, by: i64) {
        self.n += by;
    }
    pub fn get(&self) -> i64 {
        self.n
    }
    async fn slow(&mut self, (a, b): (i64, i64)) -> i64 {
        sleep(secs(1)).await;
        self.n += a * b;
        self.n
    }
    fn typed(self: &mut Self) {}
}

async fn wire(scope: &Scope) -> Result<()> {
    let counter: CounterHandle = scope.spawn(Counter::default());
    counter.add(5).send().await?;
    counter.clone().add(2).await?;
    let n: i64 = counter.get().await?;
    let _: i64 = counter.slow((n, 1)).await?;
    counter.stop();
    Ok(())
}

fn main() {}
