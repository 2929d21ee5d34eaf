//! A comma with no branch before it.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>) {
    select! {
        job = jobs.recv() => drop(job),
        ,
        _ = sleep(secs(1)) => {}
    }
}

fn main() {}
