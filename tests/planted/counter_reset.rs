//! The bug: a process hands out numbers from its own counter; its next incarnation begins at zero and hands them out again.
//! Ordinary tests miss it: they test the restart, and they test the numbers, and not numbers across a restart.
//! State that is reset by a restart. Shows as a number that two orders have.

use std::collections::BTreeSet;
use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sync::Mutex;

type Last = Arc<Mutex<u64>>;

#[process]
struct Numbers {
    last: Last,
}

#[handlers]
impl Numbers {
    async fn next(&mut self) -> u64 {
        let mut last = self.last.lock().await;
        *last += 1;
        *last
    }
}

/// Takes two numbers, and asks again where the answer was lost.
#[process]
async fn orders(numbers: NumbersHandle) -> Result<Vec<u64>> {
    let mut mine = Vec::new();
    while mine.len() < 2 {
        match numbers.next().await {
            Ok(number) => mine.push(number),
            Err(CallError::Crashed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(mine)
}

async fn shop(scope: &Scope, make: impl Fn() -> Last + Send + 'static) -> Result<()> {
    let ids = scope.child("ids");
    let numbers = ids
        .supervise(move || Numbers { last: make() })
        .permanent()
        .spawn();
    let orders = scope.spawn(orders(numbers.clone()));
    numbers.next().await.ok();
    numbers.kill();
    let taken = orders.await?;
    let distinct: BTreeSet<_> = taken.iter().collect();
    assert_eq!(distinct.len(), taken.len(), "numbers {taken:?}");
    ids.stop(secs(5)).await;
    Ok(())
}

pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    shop(scope, Last::default).await
}

pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    let last = Last::default();
    shop(scope, move || Arc::clone(&last)).await
}
