//! A body without the arrow before it.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        job = jobs.recv() { drop(job) }
        else => {}
    }
}

fn main() {}
