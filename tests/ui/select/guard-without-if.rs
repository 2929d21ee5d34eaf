//! A guard without its `if`, as other macros of this name have it.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>, is_open: bool) {
    select! {
        _ = jobs.recv(), is_open => {}
        _ = sleep(secs(1)), 1 + 1 == 2 => {}
        _ = jobs.ready(), true => {}
    }
}

fn main() {}
