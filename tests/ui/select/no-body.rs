//! A branch without a body.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        n = jobs.recv()
    }
}

fn main() {}
