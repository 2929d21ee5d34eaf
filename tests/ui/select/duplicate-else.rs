//! Two `else` branches.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        n = jobs.recv() => drop(n),
        else => {}
        else => {}
    }
}

fn main() {}
