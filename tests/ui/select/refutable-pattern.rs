//! A pattern that does not always match.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        1 = jobs.recv() => {}
    }
}

fn main() {}
