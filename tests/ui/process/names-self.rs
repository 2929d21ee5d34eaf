//! An associated function that names its type.

use roundrock::prelude::*;

struct Job;

impl Job {
    #[process]
    async fn work(jobs: &Receiver<Self>) -> Result<()> {
        jobs.recv().await;
        Ok(())
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let _ = (scope, Job);
    Ok(())
}
