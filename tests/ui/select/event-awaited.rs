//! An event that is awaited before `select!` can wait for it.

use roundrock::prelude::*;

async fn first(jobs: Receiver<u8>, more: Receiver<u8>) -> u8 {
    select! {
        job = jobs.recv().await => job,
        job = more.recv() => job,
        else => 0,
    }
}

fn main() {}
