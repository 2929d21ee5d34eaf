//! A branch for a list of events.

use roundrock::prelude::*;

async fn first(jobs: &Receiver<String>, more: &Receiver<String>) -> usize {
    select! {
        job = [jobs.recv(), more.recv()] => job.len(),
        else => 0,
    }
}

async fn any(all: &[Receiver<String>]) -> usize {
    let all: Vec<_> = all.iter().map(|jobs| jobs.recv()).collect();
    select! {
        job = all => job.len(),
        else => 0,
    }
}

fn main() {}
