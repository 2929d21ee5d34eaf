//! A pattern for the `Option` that `recv().await` gives outside of `select!`.

use roundrock::prelude::*;

async fn wire(jobs: &Receiver<u8>, tick: &mut roundrock::time::Interval) {
    select! {
        Some(job) = jobs.recv() => drop(job),
        _ = tick.next() => {}
    }
}

fn main() {}
