//! The same event twice.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        n = jobs.recv() => drop(n),
        _ = jobs.recv() => {}
    }
}

fn main() {}
