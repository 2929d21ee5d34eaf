//! A `recv` that is not awaited.

use roundrock::prelude::*;

#[process]
async fn work(jobs: &Receiver<u8>) {
    while let Some(job) = jobs.recv() {
        drop(job);
    }
}

fn main() {}
