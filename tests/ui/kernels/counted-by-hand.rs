//! Go's `WaitGroup`, moby 25384: a set of tasks is not counted by hand.

use roundrock::prelude::*;

#[process]
async fn waits() {
    let mut group = JoinSet::<u8>::new();
    group.add(1);
    group.join_next().await;
}

fn main() {}
