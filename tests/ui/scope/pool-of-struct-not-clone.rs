//! A pool of a struct that is not `Clone`.

use roundrock::prelude::*;

#[process]
struct Worker;

#[handlers]
impl Worker {
    fn work(&mut self) {}
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let workers = scope.pool(4, Worker);
    workers.work().await?;
    Ok(())
}
