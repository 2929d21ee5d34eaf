//! The bug: two mirrors keep room in two logs, one in this order and one in the other, and hold it while they wait for more.
//! Ordinary tests miss it: with one mirror, or with logs that have room, nobody waits.
//! Deadlock over two permits. Shows as two processes that wait for the room that the other one keeps.
use roundrock::prelude::*;

#[process]
async fn mirror(entries: &Vec<u32>, first: &Sender<u32>, second: &Sender<u32>) -> Result<()> {
    for entry in entries {
        let here = first.ready().await?;
        let there = second.ready().await?;
        here.send(*entry)?;
        there.send(*entry)?;
    }
    Ok(())
}
/// Takes an entry from both in turn, as they belong together.
#[process]
async fn store(left: &Receiver<u32>, right: &Receiver<u32>, count: &u32) -> Result<u32> {
    let mut sum = 0;
    for _ in 0..*count {
        sum += left.recv().await.context("left")?;
        sum += right.recv().await.context("right")?;
    }
    Ok(sum)
}
async fn run(scope: &Scope, crossed: bool) -> Result<()> {
    let (left, in_left) = bounded(1);
    let (right, in_right) = bounded(1);
    scope.spawn(mirror(vec![1, 2], left.clone(), right.clone()));
    if crossed {
        scope.spawn(mirror(vec![3, 4], right, left));
    } else {
        scope.spawn(mirror(vec![3, 4], left, right));
    }
    let sum = scope.spawn(store(in_left, in_right, 4)).await?;
    assert_eq!(sum, 20);
    Ok(())
}
pub(crate) async fn buggy(scope: &Scope) -> Result<()> {
    run(scope, true).await
}
pub(crate) async fn fixed(scope: &Scope) -> Result<()> {
    run(scope, false).await
}
