//! A future that may lose work is a branch.

use roundrock::prelude::*;

async fn work() -> u8 {
    1
}

async fn wire(jobs: &Receiver<u8>) {
    select! {
        n = work() => drop(n),
        _ = jobs.recv() => {}
    }
}

fn main() {}
