//! The type of a channel and of an argument differ.

use roundrock::prelude::*;

struct Job;

#[process]
async fn work(jobs: &Receiver<Job>) {
    jobs.recv().await;
}

fn wire(scope: &Scope, jobs: Receiver<u8>) {
    scope.spawn(work(jobs));
}

fn main() {}
