//! One method runs before the first message, and one after the last.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    #[on_start]
    fn load(&mut self) {
        self.n = 1;
    }
    #[on_start]
    fn check(&mut self) {
        self.n += 1;
    }
    #[on_stop]
    async fn save(&mut self) -> Result<()> {
        Ok(())
    }
    #[on_stop]
    fn report(&mut self) {}
    fn get(&self) -> i64 {
        self.n
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let counter = scope.spawn(Counter { n: 0 });
    let _: i64 = counter.get().await?;
    Ok(())
}
