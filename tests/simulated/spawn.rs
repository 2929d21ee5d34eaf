//! Spawning, joining, scopes. Cases J01 to J12.

use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock_tests::isolated;

/// Joining gives the value.
#[roundrock::test]
async fn j01_join_returns_the_output(sim: &Sim) -> Result<()> {
    let task = sim.task("seven", async { roundrock::Ok(7) });
    assert_eq!(task.await?, 7);
    Ok(())
}

/// Panicked, failed, killed: three ends that can be told apart.
#[roundrock::test]
async fn j03_ends_are_told_apart(sim: &Sim) -> Result<()> {
    let panicked = isolated(sim, async { panic!("the text of it") });
    let failed = isolated(sim, async { Err::<(), _>(Error::msg("the reason")) });
    let killed = isolated(sim, async { sleep(secs(1000)).await });
    killed.kill();
    for (task, kind) in [
        (&panicked, "panicked"),
        (&failed, "failed"),
        (&killed, "killed"),
    ] {
        assert_eq!(task.done().await.kind(), kind);
    }
    let panicked = panicked.await.expect_err("it panicked");
    assert_eq!(panicked.kind(), "panicked");
    assert!(
        panicked.to_string().contains("the text of it"),
        "{panicked}"
    );
    let failed = failed.await.expect_err("it failed");
    assert_eq!(failed.kind(), "failed");
    assert!(failed.to_string().contains("the reason"), "{failed}");
    let killed = killed.await.expect_err("it was killed");
    assert_eq!(killed.kind(), "killed");
    Ok(())
}

/// A group ends after its last child.
#[roundrock::test]
async fn j05_a_scope_waits_for_its_children(sim: &Sim) -> Result<()> {
    let (ends, ended) = bounded(3);
    sim.group(async move |group| {
        for n in 0..3 {
            let ends = ends.clone();
            group.task("child", async move {
                sleep(millis(n)).await;
                ends.send(n).await
            });
        }
        Ok(())
    })
    .await?;
    assert_eq!(ended.recv_many(8).await, [0, 1, 2]);
    assert_eq!(sim.now(), millis(2));
    Ok(())
}

/// One child fails: the siblings are stopped, and its error is the group's.
#[roundrock::test]
async fn j06_a_failure_stops_the_siblings(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded::<u32>(1);
    let group = sim.group(async move |group| {
        for _ in 0..2 {
            let receiver = receiver.clone();
            group.task("waits", async move {
                receiver.recv().await;
            });
        }
        group.task("fails", async { Err::<(), _>(Error::msg("the first")) });
        Ok(())
    });
    let error = group.await.expect_err("one child has failed");
    assert!(format!("{error:#}").contains("the first"), "{error:#}");
    assert!(sender.is_closed(), "all children have ended");
    Ok(())
}

/// A set yields its tasks in the order in which they end.
#[roundrock::test]
async fn j07_join_set_yields_in_the_order_of_ends(sim: &Sim) -> Result<()> {
    let mut set = JoinSet::new();
    for n in [3, 1, 2] {
        set.add(sim.task("sleeps", async move {
            sleep(millis(n)).await;
            roundrock::Ok(n)
        }));
    }
    for n in 1..=3 {
        let next = set.join_next().await.context("the set is empty")?;
        assert_eq!(next?, n);
    }
    assert!(set.join_next().await.is_none());
    Ok(())
}

/// Everybody who waits for an end is told of it once, also who asks afterwards.
#[roundrock::test]
async fn j12_monitors(sim: &Sim) -> Result<()> {
    let (go, gate) = bounded::<()>(1);
    let ends = sim.task("ends", async move {
        gate.recv().await;
        roundrock::Ok(7)
    });
    let monitors: Vec<_> = (0..3)
        .map(|_| {
            let done = ends.done();
            sim.task("monitor", async move { roundrock::Ok(done.await.kind()) })
        })
        .collect();
    go.send(()).await?;
    for monitor in monitors {
        assert_eq!(monitor.await?, "ok");
    }
    assert_eq!(ends.done().await.kind(), "ok");
    assert_eq!(ends.await?, 7);
    Ok(())
}
