//! Scopes: who waits for whom, and what a failure does. Cases J05, J06, X01 to X03; P15.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::prelude::*;
use roundrock::scope::ScopeError;
use roundrock::time::now;
use roundrock_tests::{
    Step, Tally, Token, fails_on_workers, isolated, on_both, on_workers, yield_now,
};

/// P15: a scope does not end before its children, nor before theirs, also when nobody waits for them. Case J05.
#[test]
fn p15_a_scope_waits_for_its_children() {
    let tally = Tally::new();
    let book = tally.clone();
    on_workers(move |scope| {
        // Of the run before: its system has ended.
        book.assert_balanced();
        let book = book.clone();
        async move {
            for n in 0..3 {
                let (token, scope) = (book.token(n), scope.clone());
                let book = book.clone();
                let _ = scope.clone().task("child", async move {
                    for _ in 0..50 {
                        yield_now().await;
                    }
                    let grandchild = book.token(10 + n);
                    let _ = scope.child("below").task("grandchild", async move {
                        sleep(millis(2)).await;
                        drop(grandchild);
                    });
                    drop(token);
                });
            }
            Ok(())
        }
    });
    tally.assert_balanced();
}

/// The first failure stops the siblings, who end in their own time, and is what the system returns. Case J06.
#[test]
fn the_first_failure_stops_the_siblings_and_is_returned() {
    let ended = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ended);
    fails_on_workers(
        move |scope| {
            let count = Arc::clone(&count);
            async move {
                for _ in 0..5 {
                    let (stopping, count) = (scope.stopping(), Arc::clone(&count));
                    let _ = scope.task("sibling", async move {
                        stopping.await;
                        sleep(millis(1)).await;
                        count.fetch_add(1, Ordering::SeqCst);
                    });
                }
                let (go, wait) = bounded::<()>(1);
                let _ = scope.task("fails", async move {
                    drop(go);
                    Err::<(), _>(Error::msg("the first reason"))
                });
                let stopping = scope.stopping();
                let _ = scope.task("fails later", async move {
                    wait.recv().await;
                    stopping.await;
                    Err::<(), _>(Error::msg("the second reason"))
                });
                roundrock::Ok(())
            }
        },
        move |error| {
            assert!(
                error.to_string().contains("`fails#") || error.to_string().contains("fails"),
                "{error}"
            );
            assert_eq!(
                error.chain().last().unwrap().to_string(),
                "the first reason"
            );
            assert_eq!(ended.swap(0, Ordering::SeqCst), 5);
        },
    );
}

/// An error of the body stops the children, and is returned as it is.
/// What fails while the others stop is in the error too, and how each of them ended; the one that failed first is the cause.
#[test]
fn the_error_of_a_scope_has_the_first_failure_its_causes_and_the_exits_of_the_others() {
    on_workers(async |scope| {
        let parts = scope.child("parts");
        let (there, all) = bounded(4);
        let waits = || {
            let (scope, there) = (parts.clone(), there.clone());
            async move {
                there.send(()).await?;
                scope.stopping().await;
                roundrock::Ok(())
            }
        };
        parts.task("reader", waits());
        let late = waits();
        parts.task("logger", async move {
            late.await?;
            Err::<(), _>(Error::msg("the log is gone"))
        });
        let stuck = there.clone();
        parts.task("stuck", async move {
            stuck.send(()).await?;
            std::future::pending::<Result<()>>().await
        });
        parts.task("writer", async move {
            for _ in 0..3 {
                all.recv().await;
            }
            let full = std::io::Error::new(std::io::ErrorKind::StorageFull, "no room");
            Err::<(), _>(full).context("cannot write")
        });
        drop(there);
        while !parts.is_stopping() {
            yield_now().await;
        }
        parts.stop(millis(10)).await;
        let error = parts.join().await.expect_err("the writer failed");

        let failed = error.downcast_ref::<ScopeError>().context("of a scope")?;
        assert!(failed.process().starts_with("writer#"), "{failed}");
        assert!(failed.scope().ends_with("parts"), "{failed}");
        assert_eq!(failed.exit().kind(), "failed");
        let names = failed.exits().map(|(process, exit)| {
            let name = process.split('#').next().unwrap_or_default();
            (name.to_owned(), exit.kind())
        });
        let mut exits: Vec<_> = names.collect();
        exits.sort_unstable();
        let expected = [("logger", "failed"), ("reader", "ok"), ("stuck", "killed")];
        assert_eq!(exits, expected.map(|(name, kind)| (name.to_owned(), kind)));

        let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
        assert!(
            chain[0].starts_with("`writer#")
                && chain[0].contains("` failed in scope `")
                && chain[0].contains("tests/behaviour/scope.rs:")
                && chain[0].contains("; then `logger#")
                && chain[0].ends_with("the log is gone)"),
            "{chain:?}"
        );
        assert_eq!(chain[1..], ["cannot write", "no room"]);
        // Where it is one line, why the first one failed stands last, and belongs to nobody else.
        let line = format!("{error:#}");
        assert!(
            line.ends_with("the log is gone): cannot write: no room"),
            "{line}"
        );
        let cause = error.downcast_ref::<std::io::Error>();
        let kind = cause.context("the cause")?.kind();
        assert_eq!(kind, std::io::ErrorKind::StorageFull);
        Ok(())
    });
}

#[test]
fn an_error_of_the_body_stops_the_children() {
    #[derive(Debug)]
    struct Own;
    impl std::fmt::Display for Own {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("of its own type")
        }
    }
    impl std::error::Error for Own {}
    fails_on_workers(
        |scope| async move {
            let stopping = scope.stopping();
            let _ = scope.task("child", stopping);
            Err(Own.into())
        },
        |error| assert!(error.downcast_ref::<Own>().is_some()),
    );
}

/// "The other side is gone" through `?` is a normal stop: it fails nobody, and whoever waits for the end has nothing to handle.
#[test]
fn closed_is_a_normal_stop() {
    on_workers(|scope| async move {
        let (sender, receiver) = bounded(1);
        drop(receiver);
        let (first, second) = (sender.clone(), sender.clone());
        let stopped = scope.task("send", async move { first.send(1).await });
        assert_eq!(stopped.done().await.kind(), "stopped");
        stopped.await?;
        let stopped = scope.task("try_send", async move { second.try_send(1) });
        assert_eq!(stopped.done().await.kind(), "stopped");
        stopped.await?;
        let third = sender.clone();
        let stopped = scope.task("ready", async move {
            third.ready().await?.send(1)?;
            roundrock::Ok(())
        });
        let mut set: JoinSet<()> = [stopped].into_iter().collect();
        assert_eq!(set.join_next().await.map(|ended| ended.is_ok()), Some(true));
        // Who waits for a value has none.
        let stopped = scope.task("value", async move {
            sender.send(1).await?;
            roundrock::Ok(7)
        });
        assert_eq!(stopped.await.unwrap_err().kind(), "stopped");
        assert!(!scope.is_stopping());
        // With context it is an error like any other.
        let wrapped = isolated(&scope, async {
            let (sender, _) = bounded(1);
            sender.send(1).await.context("the log must not be gone")
        });
        assert_eq!(wrapped.await.unwrap_err().kind(), "failed");
        Ok(())
    });
}

/// A group waits for everything in it, returns its body's value, and is over for the scope around it.
#[test]
fn a_group_waits_and_returns_the_value_of_its_body() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        let token = tally.token(1);
        let value = scope.group(async move |group: Scope| {
            let _ = group.task("child", async move {
                sleep(millis(2)).await;
                drop(token);
            });
            Ok(9)
        });
        assert_eq!(value.await?, 9);
        tally.assert_balanced();
        assert!(!scope.is_stopping());
        let empty = scope.group(async |_group: Scope| Ok(()));
        empty.await?;
        Ok(())
    });
}

/// A failure in a group, of a child or of the body, ends the group and nothing around it.
#[test]
fn a_failure_ends_its_group_only() {
    on_workers(|scope| async move {
        let bystander = scope.task("bystander", sleep(millis(20)));
        for body_fails in [false, true] {
            let tally = Tally::new();
            let token = tally.token(1);
            let group = scope.group(async move |group: Scope| {
                let stopping = group.stopping();
                let _ = group.task("sibling", async move {
                    stopping.await;
                    drop(token);
                });
                if body_fails {
                    return Err(Error::msg("the reason"));
                }
                let _ = group.task("fails", async { Err::<(), _>(Error::msg("the reason")) });
                group.stopping().await;
                Ok(())
            });
            let error = group.await.unwrap_err();
            assert!(format!("{error:?}").contains("the reason"), "{error:?}");
            tally.assert_balanced();
        }
        assert!(!scope.is_stopping() && bystander.exit().is_none_or(|exit| exit.is_normal()));
        Ok(())
    });
}

/// Of many that end after a failure, those are named that fail as well, and the others are counted.
#[test]
fn failures_are_remembered_before_who_ended_well() {
    on_workers(|scope| async move {
        for (siblings, failing, more) in [(30, 1, 0), (30, 18, 3)] {
            let parts = scope.child("parts");
            let ended: Vec<_> = (0..siblings)
                .map(|_| parts.task("sibling", parts.stopping()))
                .collect();
            let stopping = parts.stopping();
            parts.task("late", async move {
                stopping.await;
                for sibling in ended {
                    sibling.done().await;
                }
                panic!("too late");
            });
            for _ in 1..failing {
                let stopping = parts.stopping();
                parts.task("fails too", async move {
                    stopping.await;
                    Err::<(), _>(Error::msg("no disk"))
                });
            }
            parts.task("first", async { Err::<(), _>(Error::msg("no disk")) });
            let error = parts.join().await.expect_err("it failed");
            let failed = error.downcast_ref::<ScopeError>().context("of a scope")?;
            assert!(failed.process().starts_with("first#"), "{failed}");
            assert_eq!(failed.exits().len(), 15);
            let kept = failed.exits().filter(|(_, exit)| exit.is_failure()).count();
            assert_eq!(kept + more, failing, "{failed}");
            let text = failed.to_string();
            let told = match more {
                0 => "then `late#",
                _ => "; and 3 more failed)",
            };
            assert!(text.contains(told), "{text}");
        }
        Ok(())
    });
}

/// P21: everybody who joins a scope is told of its failure, however many there are, and so is its owner: the cause as the error that it
/// was for all who wait together, and in words for whoever comes later, for an error may hold what holds the scope.
#[test]
fn p21_every_joiner_is_told_and_so_is_the_owner() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        let parts = scope.child("parts");
        let (go, wait) = bounded::<()>(1);
        let sibling = parts.task("sibling", parts.stopping());
        let token = tally.token(1);
        parts.task("fails", async move {
            wait.recv().await;
            Err::<(), _>(Holds(sibling, token))
        });
        let mut joiners = vec![];
        for _ in 0..3 {
            let parts = parts.clone();
            joiners.push(scope.task(
                "joins",
                async move { roundrock::Ok(parts.join().await.err()) },
            ));
        }
        // One that does not wait any more takes nothing from the others.
        assert!(parts.join().within(millis(1)).await.is_err());
        drop(go);
        let mut whole = 0;
        for joiner in joiners {
            let error = joiner.await?.expect("the scope has failed");
            assert!(format!("{error:#}").ends_with("held"), "{error:#}");
            whole += usize::from(error.downcast_ref::<Holds>().is_some());
        }
        assert!(whole >= 1);
        tally.assert_balanced();
        let error = parts.join().await.expect_err("it has failed");
        assert!(error.downcast_ref::<ScopeError>().is_some());
        assert!(format!("{error:#}").ends_with("held"), "{error:#}");
        Ok(())
    });
}

/// P21: whoever joins the scope of a group, or that of a system, takes nothing from its owner.
#[test]
fn p21_the_owner_is_told_whoever_has_joined() {
    let fails = |scope: Scope| async move {
        scope.task("fails", async {
            Err::<(), _>(std::io::Error::other("no disk"))
        });
        let told = scope.join().await;
        assert!(told.is_err(), "who joins is told as well");
        roundrock::Ok(())
    };
    fails_on_workers(fails, |error| {
        assert!(
            error.chain().any(|cause| cause.is::<std::io::Error>()),
            "{error:#}"
        );
    });
}

#[process]
async fn has_a_child_that_fails(scope: &Scope, out: Sender<Scope>, go: Receiver<()>) -> Result<()> {
    let (told, wait) = bounded::<()>(1);
    drop(scope.task("fails", async move {
        wait.recv().await;
        Err::<(), _>(std::io::Error::other("no disk"))
    }));
    out.send(scope.clone()).await?;
    drop(told);
    go.recv().await;
    Ok(())
}

/// P21: a failure in the own scope of a process, which it has not seen itself, is its failure, whoever else has joined that scope.
#[test]
fn p21_a_process_fails_by_its_own_scope_whoever_joins_that() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let (out, own) = bounded(1);
        let (go, wait) = bounded(1);
        let parent = parts.spawn(has_a_child_that_fails(out, wait));
        let own = own.recv().await.expect("it has a scope");
        let joined = own.join().await.expect_err("its child fails");
        assert!(joined.chain().any(|cause| cause.is::<std::io::Error>()));
        drop((own, go));
        let exit = parent.done().await;
        assert_eq!(exit.kind(), "failed");
        let error = parts.join().await.expect_err("the parent fails");
        assert!(
            error.chain().any(|cause| cause.is::<std::io::Error>()),
            "{error:#}"
        );
        Ok(())
    });
}

/// P21: how others end in the own scope of a process after a failure there that it has seen is not its failure.
#[test]
fn p21_what_ends_after_a_failure_that_was_seen_is_none() {
    #[process]
    async fn goes_on(scope: &Scope) {
        let fails = scope.task("fails", async { Err::<(), _>(Error::msg("no disk")) });
        drop(fails);
        assert!(scope.join().await.is_err());
        // It is never run, for the scope stops.
        let exit = scope.task("again", async {}).done().await;
        assert_eq!(exit.kind(), "stopped");
    }
    on_workers(|scope| async move {
        assert_eq!(scope.spawn(goes_on()).done().await, Exit::Ok);
        Ok(())
    });
}

/// An error that holds what holds the scope that it was recorded in.
#[derive(Debug)]
struct Holds(
    #[expect(dead_code, reason = "held")] Task<()>,
    #[expect(dead_code, reason = "held")] Token,
);

impl std::fmt::Display for Holds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("held")
    }
}

impl std::error::Error for Holds {}

/// P12: a group that is dropped half way stops its children; the scope around it still waits for them.
#[test]
fn p12_a_dropped_group_stops_its_children() {
    let tally = Tally::new();
    let book = tally.clone();
    on_workers(move |scope| {
        // Of the run before: its system has ended.
        book.assert_balanced();
        let token = book.token(1);
        async move {
            let group = scope.group(async move |group: Scope| {
                let stopping = group.stopping();
                let _ = group.task("child", async move {
                    stopping.await;
                    sleep(millis(2)).await;
                    drop(token);
                });
                std::future::pending::<Result<()>>().await
            });
            assert!(timeout(millis(2), group).await.is_err());
            assert!(!scope.is_stopping());
            Ok(())
        }
    });
    tally.assert_balanced();
}

/// Case X01, X03: stopping goes down the tree and nowhere else.
#[test]
fn stopping_goes_down_the_tree_only() {
    on_workers(|scope| async move {
        let trunk = scope.child("trunk");
        let mut at = trunk.clone();
        let heard = Arc::new(AtomicUsize::new(0));
        let mut below = Vec::new();
        for _ in 0..5 {
            at = at.child("below");
            let (stopping, heard) = (at.stopping(), Arc::clone(&heard));
            let _ = at.task("listens", async move {
                stopping.await;
                heard.fetch_add(1, Ordering::SeqCst);
            });
            below.push(at.clone());
        }
        let aside = scope.child("aside");
        let quiet = aside.task("quiet", std::future::pending::<()>());
        // The deepest first: nobody above is touched.
        let report = below[4].stop(secs(5)).await;
        assert!(report.is_clean() && below[4].is_stopping());
        assert_eq!(heard.load(Ordering::SeqCst), 1);
        assert!(!below[3].is_stopping() && !trunk.is_stopping());
        let report = trunk.stop(secs(5)).await;
        assert!(report.is_clean());
        assert!(below.iter().all(Scope::is_stopping));
        assert_eq!(heard.load(Ordering::SeqCst), 5);
        assert!(!aside.is_stopping() && !scope.is_stopping() && quiet.exit().is_none());
        quiet.kill();
        Ok(())
    });
}

/// Case X02: who waits for a stop that has begun already is told at once; a scope made in a stopping one stops too.
#[test]
fn a_stop_that_has_begun_is_seen_at_once() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        let mut before = Step::parked(child.stopping());
        child.stop(secs(5)).await;
        assert_eq!(before.wakes(), 1);
        before.ready();
        Step::new(child.stopping()).ready();
        let late = child.child("late");
        assert!(late.is_stopping());
        Step::new(late.stopping()).ready();
        Ok(())
    });
}

/// A process that is spawned on a stopping scope ends without being polled; its captures are dropped.
#[test]
fn spawning_on_a_stopping_scope_runs_nothing() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        let child = scope.child("child");
        child.stop(secs(5)).await;
        for target in [child.clone(), child.child("late")] {
            let token = tally.token(1);
            let task = target.task("late", async move {
                assert_eq!(token.number(), 0, "it was polled");
            });
            let exit = task.done().await;
            assert_eq!(exit.kind(), "stopped");
            assert!(task.await.is_err());
        }
        tally.assert_balanced();
        Ok(())
    });
}

/// A deadline is inherited, and only ever gets nearer.
#[test]
fn deadlines_are_inherited() {
    on_both(1, |scope| async move {
        assert_eq!(scope.deadline(), None);
        let near = scope.within(secs(5));
        let deadline = near.deadline().unwrap();
        assert!(deadline <= now() + secs(5));
        assert_eq!(near.child("below").deadline(), Some(deadline));
        assert_eq!(near.within(secs(50)).deadline(), Some(deadline));
        assert!(near.within(secs(1)).deadline().unwrap() < deadline);
        assert_eq!((scope.name(), near.child("x").name()), ("main", "x"));
        Ok(())
    });
}

/// How a part of `owner` fails, and what `owner` does about it.
#[process]
async fn owner(how: &&'static str, starts: &Arc<AtomicUsize>, scope: &Scope) -> Result<u32> {
    let start = starts.fetch_add(1, Ordering::SeqCst);
    let (held, wait) = bounded::<()>(1);
    let (late, stopping) = (*how == "late", scope.stopping());
    let part = scope.task("part", async move {
        if late {
            // The body returns first.
            wait.recv().await;
            yield_now().await;
        }
        drop(stopping);
        ensure!(start > 0, "lost?");
        Ok(())
    });
    match *how {
        "late" => return Ok(1),
        "join" => scope.join().await?,
        "own" => {
            part.done().await;
            bail!("its own")
        }
        "closed" => {
            part.done().await;
            let (sender, receiver) = bounded::<u32>(1);
            drop(receiver);
            sender.send(1).await?;
        }
        _ => drop(part.done().await),
    }
    drop(held);
    Ok(1)
}

/// A failure in the own scope of a function is a failure of the function, or of the scope around it if the function has returned.
#[test]
fn what_fails_in_the_scope_of_a_function_is_not_lost() {
    for how in ["ignored", "closed", "join", "own", "late"] {
        fails_on_workers(
            move |scope| async move {
                let task = scope.spawn(owner(how, Arc::default()));
                let value = task.await;
                assert_eq!(value.is_ok(), how == "late", "{how} {value:?}");
                roundrock::Ok(())
            },
            move |error| {
                let text = format!("{error:#}");
                // What the function says itself comes first.
                let (reason, failures) = match how {
                    "own" => ("its own", 2),
                    _ => ("lost?", 1),
                };
                assert!(text.ends_with(reason), "{how}: {text}");
                assert_eq!(text.matches("failed in").count(), failures, "{text}");
            },
        );
    }
}

/// It is reported only, if that is what a failure of the function would be.
#[test]
fn what_fails_in_the_scope_of_an_isolated_function_fails_nobody_else() {
    on_workers(|scope| async move {
        for how in ["ignored", "late"] {
            let task = scope.spawn_isolated(owner(how, Arc::default()));
            assert_eq!(task.await.is_ok(), how == "late");
        }
        Ok(())
    });
}

/// An incarnation in whose scope something failed is started again.
#[test]
fn what_fails_in_the_scope_of_a_supervised_function_restarts_it() {
    on_workers(|scope| async move {
        for how in ["ignored", "closed", "late"] {
            let starts = Arc::new(AtomicUsize::new(0));
            let task = scope
                .supervise(owner(how, Arc::clone(&starts)))
                .backoff(millis(0)..millis(0))
                .spawn();
            assert_eq!(task.await.is_ok(), how != "closed");
            assert_eq!(starts.load(Ordering::SeqCst), 2, "{how}");
        }
        Ok(())
    });
}

/// An exit ends with why, which is also its cause: who passes it on and prints it with its causes says that once.
#[test]
fn why_a_process_failed_is_told_once_however_often_it_is_passed_on() {
    on_both(2, async |scope| {
        let apart = scope.child("apart");
        let inner = apart.task("inner", async { Err::<(), _>(Error::msg("no disk")) });
        let outer = apart.task("outer", async move {
            inner.await?;
            roundrock::Ok(())
        });
        let error = Error::from(outer.await.expect_err("it passes that on"));
        for text in [format!("{error:#}"), format!("{error:?}")] {
            assert_eq!(text.matches("no disk").count(), 1, "{text}");
        }
        let failed = apart.join().await.expect_err("the first of them");
        let text = format!("{failed:?}");
        assert!(text.matches("no disk").count() <= 2, "{text}");
        Ok(())
    });
}
