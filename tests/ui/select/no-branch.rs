//! Nothing to wait for.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        else => {}
    }
}

fn main() {}
