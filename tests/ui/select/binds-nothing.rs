//! A branch without a pattern.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        jobs.recv() => {}
    }
}

fn main() {}
