//! A type that does not exist, as the argument of a handler with a port.

use roundrock::prelude::*;

#[process]
struct Queue {
    jobs: usize,
}

#[handlers]
impl Queue {
    fn push(&mut self, job: Job) {
        self.jobs += 1;
    }

    fn len(&self) -> usize {
        self.jobs
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let queue = scope.spawn(Queue { jobs: 0 });
    queue.push(todo!()).await?;
    println!("{}", queue.len().await?);
    Ok(())
}
