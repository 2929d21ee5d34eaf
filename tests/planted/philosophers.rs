//! The bug: each of three philosophers takes the fork at its left and then the one at its right.
//! Ordinary tests miss it: all three must have taken the first fork before anybody takes a second one.
//! Deadlock of three over three locks. Shows as three processes that wait for each other.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Mutex;

type Fork = Arc<Mutex<u32>>;

#[process]
async fn philosopher(first: &Fork, second: &Fork) {
    for _ in 0..2 {
        let mut first = first.lock().await;
        let mut second = second.lock().await;
        *first += 1;
        *second += 1;
    }
}

async fn dinner(scope: &Scope, seats: [(usize, usize); 3]) -> Result<()> {
    let forks: Vec<Fork> = (0..3).map(|_| Arc::default()).collect();
    let guests = seats.map(|(first, second)| {
        scope.spawn(philosopher(forks[first].clone(), forks[second].clone()))
    });
    for guest in guests {
        guest.await?;
    }
    for fork in forks {
        assert_eq!(*fork.lock().await, 4);
    }
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    dinner(scope, [(0, 1), (1, 2), (2, 0)]).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    dinner(scope, [(0, 1), (1, 2), (0, 2)]).await
}
