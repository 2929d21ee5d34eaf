//! A factory that gives its endpoint away can make one process only.

use roundrock::prelude::*;

#[process]
async fn work(jobs: Receiver<u8>) {
    while jobs.recv().await.is_some() {}
}

fn start(scope: &Scope, jobs: Receiver<u8>) {
    scope.supervise(move || work(jobs)).spawn();
}

fn main() {}
