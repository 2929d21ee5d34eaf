//! `#[process]` on a method.

use roundrock::prelude::*;

struct Job;

impl Job {
    #[process]
    async fn run(&self) {}
}

async fn wire(job: Job) {
    job.run().await;
}

fn main() {}
