//! Links, monitors, sets of tasks, and names. Cases J07, J12, L35; P11, P12, P21.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::prelude::*;
use roundrock_tests::{Random, Step, Tally, on_both, on_workers, times, yield_now};

/// Ends as it is told.
#[process]
struct Half;

#[handlers]
impl Half {
    fn ping(&self) {}
    fn end(&mut self, how: &'static str, cx: &mut Cx) {
        match how {
            "ok" => cx.stop(),
            "failed" => cx.fail(roundrock::Fault::error("the reason")),
            _ => panic!("the reason"),
        }
    }
}

/// A failure of either ends the other; a normal end ends only the link.
#[test]
fn linked_processes_do_not_outlive_a_failure() {
    on_workers(|scope| async move {
        for how in ["ok", "failed", "panicked", "killed"] {
            for reverse in [false, true] {
                let (one, other) = (scope.spawn_isolated(Half), scope.spawn_isolated(Half));
                one.link(&other);
                let (dies, stays) = if reverse {
                    (&other, &one)
                } else {
                    (&one, &other)
                };
                if how == "killed" {
                    dies.kill();
                } else {
                    dies.end(how).send_and_forget().await?;
                }
                let done = dies.done().await;
                assert_eq!(done.kind(), how);
                if how == "ok" {
                    // Linked to one that ended normally: nothing happens.
                    stays.link(dies);
                    for _ in 0..10 {
                        yield_now().await;
                    }
                    stays.ping().await?;
                    stays.stop();
                } else {
                    assert_eq!(stays.closed().await.kind(), "killed");
                    // Linked to one that has failed already.
                    let late = scope.spawn_isolated(Half);
                    late.link(dies);
                    assert_eq!(late.done().await.kind(), "killed");
                }
            }
        }
        let (a, b) = (
            scope.task("a", std::future::pending::<()>()),
            scope.task("b", std::future::pending::<()>()),
        );
        a.link(&b);
        b.kill();
        assert_eq!(a.done().await.kind(), "killed");
        Ok(())
    });
}

/// A link between supervised children: both are started again.
#[test]
fn linked_children_come_back() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let add = || {
            parts
                .supervise(|| Half)
                .backoff(millis(0)..millis(0))
                .spawn()
        };
        let (one, other) = (add(), add());
        one.link(&other);
        other.ping().await?;
        let ids = (one.id(), other.id());
        let (one_done, other_done) = (one.done(), other.done());
        one.end("panicked").send_and_forget().await?;
        assert_eq!(one_done.await.kind(), "panicked");
        assert_eq!(other_done.await.kind(), "killed");
        one.ping().await?;
        other.ping().await?;
        assert!(one.id() != ids.0 && other.id() != ids.1);
        parts.stop(secs(5)).await;
        Ok(())
    });
}

/// P21: each monitor of each incarnation gets one notice, with that incarnation's reason; also when it is polled by another
/// task than before. Case J12.
#[test]
fn p21_one_notice_per_death() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(100, secs(60));
        let half = parts
            .supervise(|| Half)
            .backoff(millis(0)..millis(0))
            .spawn();
        let whole = half.task();
        let (closed, notices) = (half.closed(), Arc::new(AtomicUsize::new(0)));
        for (round, how) in (1..).zip(["failed", "panicked", "killed", "failed"]) {
            half.ping().await?;
            let monitors: Vec<_> = (0..3)
                .map(|_| {
                    let (mut step, notices) = (Step::parked(half.done()), Arc::clone(&notices));
                    step.pending();
                    let done = step.into_future();
                    scope.task("monitor", async move {
                        let exit = done.await;
                        notices.fetch_add(1, Ordering::SeqCst);
                        roundrock::Ok(exit)
                    })
                })
                .collect();
            match how {
                "killed" => half.kill(),
                how => half.end(how).send_and_forget().await?,
            }
            for monitor in monitors {
                assert_eq!(monitor.await?.kind(), how);
            }
            assert_eq!(notices.load(Ordering::SeqCst), 3 * round);
            assert!(whole.exit().is_none());
        }
        half.ping().await?;
        half.stop();
        assert!(closed.await.is_normal() && whole.done().await.is_normal());
        Ok(())
    });
}

/// Waits that are given up leave nothing with a process that lives on.
#[test]
fn p12_monitors_that_give_up_leave_nothing() {
    on_both(2, |scope| async move {
        let tally = Tally::new();
        let half = scope.spawn(Half);
        let task = half.task();
        for n in 0..times(200, 5) as u64 {
            let (done, token) = (task.done(), tally.token(n));
            scope
                .task("gives up", async move {
                    let _token = token;
                    assert!(timeout(millis(0), done).await.is_err());
                })
                .await?;
            // Two waits of one process: giving one up does not take the other away.
            let mut kept = Step::parked(task.done());
            drop(Step::parked(task.done()));
            kept.pending();
        }
        tally.assert_balanced();
        let (first, mut second) = (task.done(), Box::pin(task.done()));
        let (waiting, is_waiting) = bounded(1);
        let both = scope.task("both", async move {
            assert!(timeout(millis(0), &mut second).await.is_err());
            assert!(timeout(millis(0), first).await.is_err());
            waiting.send(()).await?;
            ensure!(second.await.is_normal(), "it stopped");
            Ok(())
        });
        is_waiting.recv().await;
        half.stop();
        both.await?;
        Ok(())
    });
}

/// Case J07: a set gives its tasks in the order in which they ended, also as an arm of `select!`, and loses none.
#[test]
fn a_set_gives_tasks_as_they_end() {
    on_workers(|scope| async move {
        let mut set = JoinSet::new();
        assert!(set.join_next().await.is_none());
        let gates: Vec<_> = (0..5).map(|_| bounded::<()>(1)).collect();
        for (n, (_, wait)) in gates.iter().enumerate() {
            let wait = wait.clone();
            set.add(scope.task("gated", async move {
                wait.recv().await;
                roundrock::Ok(n)
            }));
        }
        for (n, left) in [(3, 4), (0, 3), (2, 2)] {
            gates[n].0.send(()).await?;
            assert_eq!(set.join_next().await.context("not empty")??, n);
            assert_eq!(set.len(), left);
        }
        // Given up, and asked again.
        assert!(timeout(millis(0), set.join_next()).await.is_err());
        gates[1].0.send(()).await?;
        let mut got = None;
        while got.is_none() {
            select! {
                done = set.join_next() => got = Some(done?),
                _ = scope.stopping() => bail!("nobody stops"),
            }
        }
        assert_eq!(got, Some(1));
        set.kill_all();
        let last = set.join_next().await.context("one is left")?;
        assert_eq!(last.map_err(|exit| exit.kind()), Err("killed"));
        assert!(set.is_empty());
        // An arm of an empty set is disabled.
        let other = select! {
            _ = set.join_next() => false,
            else => true,
        };
        assert!(other);
        Ok(())
    });
}

/// A large set, whose tasks end in any order while it is asked, with a message on another arm.
#[test]
fn a_set_loses_nothing_to_another_arm() {
    on_workers(|scope| async move {
        let mut random = Random::new(3);
        let mut set: JoinSet<_> = (0..500)
            .map(|n| {
                let steps = random.below(4);
                scope.task("ends", async move {
                    for _ in 0..steps {
                        yield_now().await;
                    }
                    roundrock::Ok(n)
                })
            })
            .collect();
        let (ticks_in, ticks) = bounded(1);
        let _ = scope.task("ticks", async move {
            for n in 0..300 {
                ticks_in.send(n).await?;
            }
            roundrock::Ok(())
        });
        let (mut sum, mut heard) = (0, 0);
        while !set.is_empty() {
            select! {
                n = set.join_next() => sum += n?,
                _ = ticks.recv() => heard += 1,
            }
        }
        assert_eq!(sum, 500 * 499 / 2);
        assert!(heard <= 300);
        Ok(())
    });
}

/// `join!` runs its futures at the same time, in one process.
#[test]
fn join_waits_for_all() {
    on_workers(|scope| async move {
        let (sender, receiver) = rendezvous();
        let (sent, got) = join!(sender.send(7), receiver.recv());
        sent?;
        assert_eq!(got, Some(7));
        let task = scope.task("late", async { sleep(millis(1)).await });
        let (a, b, (), d) = join!(async { 1 }, task.done(), sleep(millis(2)), async { "d" });
        assert_eq!((a, b.kind(), d), (1, "ok", "d"));
        Ok(())
    });
}

/// P33: who waits for others of a scope that stops, in a set, in a `join!`, or for a supervised one, waits for nothing outside of it.
#[test]
fn p33_a_stop_sees_through_waits_for_ends() {
    #[process]
    async fn reads(input: &Receiver<u32>) {
        while input.recv().await.is_some() {}
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let (kept, mut inputs): (Vec<_>, Vec<_>) = (0..6).map(|_| bounded::<u32>(1)).unzip();
        let mut input = || inputs.pop().unwrap();
        let mut set: JoinSet<()> = (0..3).map(|_| parts.spawn(reads(input()))).collect();
        set.add(parts.supervise(reads(input())).spawn());
        let child = parts.supervise(reads(input())).spawn();
        let plain = parts.spawn(reads(input()));
        let sets = parts.task("set", async move {
            let mut ended = 0;
            while set.join_next().await.is_some() {
                ended += 1;
            }
            roundrock::Ok(ended)
        });
        let both = parts.task("both", async move {
            let both = join!(child.done(), plain.done());
            roundrock::Ok(both.0.is_normal() && both.1.is_normal())
        });
        yield_now().await;
        let report = parts.stop(secs(8)).await;
        assert!(report.is_clean() && report.took < secs(2), "{report}");
        assert_eq!((sets.await?, both.await?), (4, true));
        drop(kept);
        Ok(())
    });
}

/// Names are found by name and type, in the nearest scope; they keep alive what they lead to, and keep no scope from ending.
#[test]
fn names_are_found_in_the_nearest_scope() {
    on_workers(|scope| async move {
        let outer = scope.child("outer");
        let inner = outer.child("inner");
        let half = outer.spawn(Half);
        outer.register("half", &half)?;
        let id = half.id();
        drop(half);
        let found: HalfHandle = inner.lookup("half").context("it is around")?;
        found.ping().await?;
        assert_eq!(found.id(), id);
        assert!(inner.lookup::<Sender<u32>>("half").is_none());
        assert!(scope.lookup::<HalfHandle>("half").is_none());
        let taken = outer.register("half", &found).expect_err("it is taken");
        assert!(taken.to_string().contains("`half`"), "{taken}");
        let other = inner.spawn(Half);
        inner.register("half", &other)?;
        assert_eq!(
            inner
                .lookup::<HalfHandle>("half")
                .and_then(|half| half.id()),
            other.id()
        );
        assert!(inner.unregister("half") && !inner.unregister("half"));
        assert_eq!(
            inner
                .lookup::<HalfHandle>("half")
                .and_then(|half| half.id()),
            id
        );
        let (done, weak) = (found.done(), found.downgrade());
        drop((found, other));
        // Waiting for the scope takes its names back, and so ends what only a name kept alive.
        outer.join().await?;
        assert!(done.await.is_normal() && weak.upgrade().is_none());
        assert!(outer.lookup::<HalfHandle>("half").is_none());
        outer.stop(secs(5)).await;
        let (sender, _receiver) = bounded::<u32>(1);
        let stopping = outer.register("late", &sender).expect_err("it stops");
        assert!(stopping.to_string().contains("stops"), "{stopping}");
        Ok(())
    });
}

/// A name leads to every incarnation; a named process does not keep `main` from returning.
#[test]
fn a_name_survives_a_restart() {
    on_workers(|scope| async move {
        let half = scope
            .supervise(|| Half)
            .backoff(millis(0)..millis(0))
            .spawn();
        scope.register("half", &half)?;
        half.ping().await?;
        let done = half.done();
        half.kill();
        done.await;
        let found: HalfHandle = scope.lookup("half").context("registered")?;
        found.ping().await?;
        Ok(())
    });
}

/// P11: weak handles keep nothing alive, and do not come back after the end, however often they are asked.
#[test]
fn p11_weak_handles_keep_nothing_alive() {
    on_workers(|scope| async move {
        let half = scope.spawn(Half);
        let (weak, done) = (half.downgrade(), half.done());
        weak.upgrade().context("it lives")?.ping().await?;
        drop(half);
        assert!(done.await.is_normal());
        let again = weak.clone();
        for _ in 0..3 {
            assert!(weak.upgrade().is_none() && again.upgrade().is_none());
        }
        let (sender, receiver) = bounded::<u32>(1);
        let weak = sender.downgrade();
        drop(sender);
        assert!(weak.upgrade().is_none() && weak.upgrade().is_none());
        assert_eq!(receiver.recv().await, None);
        Ok(())
    });
}
