//! One branch for two events.

use roundrock::prelude::*;

async fn first(jobs: &Receiver<String>, more: &Receiver<String>) -> usize {
    select! {
        job = jobs.recv(), more.recv() => job.len(),
        else => 0,
    }
}

async fn either(jobs: &Receiver<String>, more: &Receiver<String>) -> usize {
    select! {
        job = jobs.recv() | more.recv() => job.len(),
        else => 0,
    }
}

fn main() {}
