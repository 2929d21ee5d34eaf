//! Cancellation. Cases X01 to X04.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::prelude::*;
use roundrock::sim::{Sim, Simulation};

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

/// Kills a receiver after so many steps of the run, if it still lives then, which is counted. Each message was received, or is
/// left for others.
async fn killed_at(sim: Sim, capacity: usize, point: usize, kills: Arc<AtomicUsize>) -> Result<()> {
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
    let dead = victim.done();
    let mut steps = 0;
    sim.always("one receiver is killed", move || {
        if steps == point && victim.exit().is_none() {
            victim.kill();
            kills.fetch_add(1, Ordering::SeqCst);
        }
        steps += 1;
        true
    });
    let sends = sim.task("sends", async move {
        for n in 0..4 {
            sender.send(n).await?;
        }
        roundrock::Ok(())
    });
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
    Ok(())
}

/// A receiver that is killed at any point has received a message, or left it: every point of 64 schedules, one by one.
#[test]
fn x04_a_cancelled_recv_loses_nothing() {
    for capacity in [0, 1, 4] {
        let search = Simulation::new("killed at each point");
        for point in 0.. {
            let kills = Arc::new(AtomicUsize::new(0));
            let searched = search.run(|sim| killed_at(sim, capacity, point, Arc::clone(&kills)));
            if let Err(failure) = searched {
                panic!("capacity {capacity}, point {point}: {failure}");
            }
            if kills.load(Ordering::SeqCst) == 0 {
                // No schedule is longer.
                assert!(point > 10, "capacity {capacity}: only {point} points");
                break;
            }
        }
    }
}
