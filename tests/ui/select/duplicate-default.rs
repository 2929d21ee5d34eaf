//! Two `default` branches.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        n = jobs.recv() => drop(n),
        default => {}
        default => {}
    }
}

fn main() {}
