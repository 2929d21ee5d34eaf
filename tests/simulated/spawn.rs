//! Spawning, joining, scopes. Cases J01 to J12.

use roundrock::prelude::*;
use roundrock::sim::{Reason, Sim, Simulation};
use roundrock_tests::isolated;

use crate::failing;

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

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("thrown by a destructor");
    }
}

#[process]
async fn holds(_bomb: Bomb) {
    sleep(secs(100)).await;
}

/// A destructor panics while a killed process is dropped: a process panics. What failed before is told
/// instead, and who may fail may do so in this way too.
#[test]
fn a_panic_while_a_killed_process_is_dropped_fails_the_run() {
    let killed = |sim: Sim| async move {
        let task = sim.task("bomb", async {
            let _bomb = Bomb;
            sleep(secs(100)).await;
        });
        sleep(secs(1)).await;
        task.kill();
        task.done().await;
        Ok(())
    };
    let spawned = |sim: Sim| async move {
        let bomb = sim.spawn(holds(Bomb));
        sleep(secs(1)).await;
        bomb.kill();
        bomb.done().await;
        Ok(())
    };
    let failures = [
        (failing::in_every_run(killed), "bomb#"),
        (failing::in_every_run(spawned), "holds#"),
    ];
    for (failures, name) in failures {
        for failure in failures {
            let Reason::Panicked {
                process,
                message,
                site,
                ..
            } = &failure.reason
            else {
                panic!("{failure}");
            };
            assert!(process.starts_with(name), "{failure}");
            assert_eq!(message, "thrown by a destructor", "{failure}");
            let is_here = |site: &String| site.contains("spawn.rs");
            assert!(site.as_ref().is_some_and(is_here), "{failure}");
        }
    }
    let after_another = |sim: Sim| async move {
        sim.spawn(holds(Bomb));
        sleep(secs(1)).await;
        bail!("the cause")
    };
    for failure in failing::in_every_run(after_another) {
        assert!(
            matches!(&failure.reason, Reason::Failed { error, .. } if error.contains("the cause")),
            "{failure}"
        );
    }
    let forgiven = Simulation::new("forgiven")
        .seeds(8)
        .run(|sim: Sim| async move {
            let bomb = sim.spawn_isolated(holds(Bomb));
            sleep(secs(1)).await;
            bomb.kill();
            ensure!(bomb.done().await == Exit::Killed, "it was killed");
            let apart = sim.child("apart").spawn(holds(Bomb));
            sleep(secs(1)).await;
            apart.kill();
            ensure!(apart.done().await == Exit::Killed, "it was killed");
            Ok(())
        });
    forgiven.expect("who is isolated may fail, and so may who is in a scope that nobody joins");
}
