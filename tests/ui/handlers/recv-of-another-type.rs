//! A method that takes another type than its input gives.

use roundrock::prelude::*;

struct Job(u8);

#[process]
struct Queue {
    jobs: Receiver<Job>,
    sum: usize,
}

#[handlers]
impl Queue {
    #[recv(jobs)]
    fn push(&mut self, job: Option<Job>) {
        self.sum += job.map_or(0, |job| usize::from(job.0));
    }

    fn sum(&self) -> usize {
        self.sum
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (jobs, input) = bounded(1);
    let queue = scope.spawn(Queue { jobs: input, sum: 0 });
    jobs.send(Job(1)).await?;
    println!("{}", queue.sum().await?);
    Ok(())
}
