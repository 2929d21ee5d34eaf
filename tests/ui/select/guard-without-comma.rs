//! A guard as in `match`.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>, open: bool) {
    select! {
        job = jobs.recv() if open => drop(job),
        _ = sleep(secs(1)) => {}
    }
}

fn main() {}
