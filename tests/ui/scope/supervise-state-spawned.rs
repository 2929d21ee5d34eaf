//! A state cannot be made again, and its child is used.

use roundrock::prelude::*;

#[process]
struct Worker {
    jobs: u32,
}

#[handlers]
impl Worker {
    fn work(&mut self) {
        self.jobs += 1;
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let worker = scope.supervise(Worker { jobs: 0 }).permanent().spawn();
    worker.work().await?;
    Ok(())
}
