//! Cancellation. Cases X01 to X04.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::prelude::*;
use roundrock::sim::Sim;

/// A stop reaches everything below, once, and nothing beside.
#[roundrock::test]
async fn x01_a_stop_goes_down_the_tree(sim: &Sim) -> Result<()> {
    let told = Arc::new(AtomicUsize::new(0));
    let sibling = sim.child("sibling");
    let top = sim.child("0");
    let mut scope = top.clone();
    for depth in 1..=5 {
        let told = Arc::clone(&told);
        let own = scope.clone();
        scope.task("listens", async move {
            own.stopping().await;
            told.fetch_add(1, Ordering::SeqCst);
        });
        scope = scope.child(&depth.to_string());
    }
    assert!(top.stop(secs(1)).await.is_clean());
    assert_eq!(told.load(Ordering::SeqCst), 5);
    assert!(scope.is_stopping() && !sibling.is_stopping() && !sim.is_stopping());
    Ok(())
}

/// Who asks after the stop is told at once.
#[roundrock::test]
async fn x02_stopped_before_the_wait(sim: &Sim) -> Result<()> {
    let child = sim.child("child");
    assert!(child.stop(secs(1)).await.is_clean());
    child.stopping().await;
    assert_eq!(sim.now(), millis(0));
    Ok(())
}

/// The end of a child scope is not that of its parent.
#[roundrock::test]
async fn x03_a_child_does_not_stop_its_parent(sim: &Sim) -> Result<()> {
    let parent = sim.child("parent");
    let child = parent.child("child");
    child.stop(secs(1)).await;
    assert!(!parent.is_stopping());
    assert_eq!(parent.task("lives", async { roundrock::Ok(7) }).await?, 7);
    Ok(())
}

/// A receiver that is killed at any point has received a message, or left it.
#[roundrock::test(seeds = 200)]
async fn x04_a_cancelled_recv_loses_nothing(sim: &Sim) -> Result<()> {
    for capacity in [0, 1, 4] {
        let (sender, receiver) = bounded(capacity);
        let (got, received) = bounded(8);
        let own = receiver.clone();
        let group = sim.child("victims");
        let victim = group.task("victim", async move {
            while let Some(n) = own.recv().await {
                // Synchronous: nothing can come between.
                let _ = got.try_send(n);
            }
        });
        let sends = sim.task("sends", async move {
            for n in 0..4 {
                sender.send(n).await?;
            }
            roundrock::Ok(())
        });
        let dead = victim.done();
        let kills = sim.task("kills", async move { victim.kill() });
        kills.await?;
        let mut rest = Vec::new();
        while let Some(n) = receiver.recv().await {
            rest.push(n);
        }
        sends.await?;
        dead.await;
        // A message that was on its way to the victim when the last sender went comes back behind the end.
        rest.extend(receiver.try_recv());
        let mut all = received.recv_many(8).await;
        all.extend(rest);
        all.sort_unstable();
        assert_eq!(all, [0, 1, 2, 3]);
    }
    Ok(())
}
