//! A call is a branch.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn get(&self) -> i64 {
        self.n
    }
}

async fn wire(counter: &CounterHandle, jobs: &Receiver<u8>) {
    select! {
        n = counter.get() => drop(n),
        _ = jobs.recv() => {}
    }
}

fn main() {}
