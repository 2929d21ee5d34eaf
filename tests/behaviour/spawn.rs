//! Processes from spawn to end: joining, watching, killing, and what their end leaves behind. Cases J01 to J12, K12; P10, P15.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use roundrock::prelude::*;
use roundrock_tests::{Step, Tally, isolated, on_both, on_workers, yield_now};

/// Case J01.
#[test]
fn join_returns_the_value() {
    on_workers(|scope| async move {
        assert_eq!(scope.task("number", async { roundrock::Ok(7) }).await?, 7);
        scope.task("nothing", async {}).await?;
        let text = scope.task("own error type", async { Ok::<_, std::fmt::Error>("text") });
        assert_eq!(text.await?, "text");
        Ok(())
    });
}

/// P21: the exits are told apart, and `done` gives each any number of times, before and after the end. Cases J03, J12.
#[test]
fn p21_every_watcher_learns_the_same_exit() {
    on_workers(|scope| async move {
        for how in ["ok", "failed", "panicked", "stopped", "killed"] {
            let (go, wait) = bounded::<()>(1);
            let task = isolated(&scope, async move {
                wait.recv().await;
                match how {
                    "ok" => Ok(()),
                    "failed" => Err(Error::msg("the reason")),
                    "panicked" => panic!("the reason"),
                    "stopped" => {
                        let (sender, _) = bounded(1);
                        sender.send(1).await?;
                        Ok(())
                    }
                    _ => std::future::pending().await,
                }
            });
            let watchers: Vec<_> = (0..3)
                .map(|_| {
                    let done = task.done();
                    scope.task("watcher", async move { Ok::<_, Error>(done.await) })
                })
                .collect();
            yield_now().await;
            assert!(task.exit().is_none());
            if how == "killed" {
                task.kill();
            }
            go.send(()).await.ok();
            for watcher in watchers {
                assert_eq!(watcher.await?.kind(), how);
            }
            let late = [task.done().await, task.done().await, task.exit().unwrap()];
            for exit in late {
                assert_eq!(exit.kind(), how);
                assert_eq!(exit.is_normal(), how == "ok" || how == "stopped");
                assert_eq!(exit.is_failure(), how == "failed" || how == "panicked");
                assert_eq!(exit.to_string().contains("the reason"), exit.is_failure());
            }
            match task.await {
                // There is no value to wait for, so an orderly end is all there is to say.
                Ok(()) => assert!(how == "ok" || how == "stopped"),
                Err(exit) => {
                    assert_eq!(exit.kind(), how);
                    assert!(!exit.is_normal());
                }
            }
        }
        Ok(())
    });
}

/// P15: a kill takes effect at the next await, destructors run, and whoever watches learns of it after them.
#[test]
fn p15_kill_drops_the_future_at_its_await() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        let began = Arc::new(AtomicBool::new(false));
        let (token, flag) = (tally.token(1), Arc::clone(&began));
        let task = isolated(&scope, async move {
            let _token = token;
            flag.store(true, Ordering::SeqCst);
            std::future::pending::<()>().await;
        });
        while !began.load(Ordering::SeqCst) {
            yield_now().await;
        }
        task.kill();
        task.kill();
        assert_eq!(task.done().await.kind(), "killed");
        assert_eq!(tally.dropped(), [1]);
        task.kill();
        assert_eq!(task.await.unwrap_err().kind(), "killed");
        Ok(())
    });
}

/// P15: a process that is killed before its first poll is never polled, and its captures are dropped.
#[test]
fn p15_kill_before_the_first_poll() {
    on_both(1, |scope| async move {
        let tally = Tally::new();
        let token = tally.token(1);
        let task = isolated(&scope, async move {
            assert_eq!(token.number(), 0, "this was killed before it began");
        });
        task.kill();
        assert_eq!(task.done().await.kind(), "killed");
        tally.assert_balanced();
        Ok(())
    });
}

/// P15: a process that kills itself goes on to its next await, no farther; one that ends instead of awaiting has ended.
#[test]
fn p15_a_process_may_kill_itself() {
    on_workers(|scope| async move {
        let (hand, own) = bounded::<Task<()>>(1);
        let reached = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&reached);
        let task = isolated(&scope, async move {
            let own = own.recv().await.unwrap();
            own.kill();
            count.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
            count.fetch_add(10, Ordering::SeqCst);
        });
        let done = task.done();
        hand.send(task).await?;
        assert_eq!(done.await.kind(), "killed");
        assert_eq!(reached.load(Ordering::SeqCst), 1);
        Ok(())
    });
}

/// Dropping a `Task` neither detaches nor kills: the scope waits for the process.
#[test]
fn dropping_a_task_does_nothing_to_the_process() {
    let tally = Tally::new();
    let book = tally.clone();
    on_both(2, move |scope| {
        // Of the run before: its system has ended.
        book.assert_balanced();
        let (token, inner) = (book.token(1), book.clone());
        async move {
            drop(scope.task("goes on", async move {
                for _ in 0..100 {
                    yield_now().await;
                }
                assert_eq!(inner.live(), 1);
                drop(token);
            }));
            Ok(())
        }
    });
    tally.assert_balanced();
}

/// The value of a process is dropped once, whoever takes it, or nobody.
#[test]
fn values_are_dropped_once() {
    let tally = Tally::new();
    let book = tally.clone();
    on_workers(move |scope| {
        let tally = book.clone();
        async move {
            let value = |n| {
                let token = tally.token(n);
                async move { roundrock::Ok(token) }
            };
            drop(scope.task("taken", value(1)).await?);
            drop(scope.task("left", value(2)));
            let watched = scope.task("watched", value(3));
            assert!(watched.done().await.is_normal());
            drop(watched);
            let mut half = Step::new(scope.task("join dropped", value(4)).into_future());
            let _ = half.poll();
            drop(half);
            let killed = isolated(&scope, value(5));
            killed.kill();
            let _ = killed.done().await;
            Ok(())
        }
    });
    tally.assert_balanced();
}

/// P10: however a process ends, its endpoints close. Case K12.
#[test]
fn p10_every_exit_closes_the_endpoints() {
    on_workers(|scope| async move {
        for how in ["return", "fail", "panic", "kill", "kill unpolled"] {
            let (sender, receiver) = rendezvous::<u8>();
            let (back, answers) = bounded::<u8>(1);
            let process = isolated(&scope, async move {
                let _held = (&receiver, &back);
                match how {
                    "return" => Ok(()),
                    "fail" => Err(Error::msg("as asked")),
                    "panic" => panic!("as asked"),
                    _ => std::future::pending().await,
                }
            });
            if how == "kill" {
                yield_now().await;
            }
            if how.starts_with("kill") {
                process.kill();
            }
            let refused = sender.send(7).await.unwrap_err();
            assert_eq!(refused.into_inner(), 7, "{how}");
            assert_eq!(answers.recv().await, None, "{how}");
        }
        Ok(())
    });
}

/// P10: killed while parked in each operation: the message that it was sending, receiving or had room for is not lost.
#[test]
fn p10_killed_while_parked_loses_no_message() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        for round in 0..200 {
            let (sender, receiver) = bounded(1);
            let victim = receiver.clone();
            let task = isolated(&scope, async move {
                let _got = victim.recv().await;
                std::future::pending::<()>().await;
            });
            if round % 2 == 0 {
                yield_now().await;
            }
            sender.send(tally.token(round)).await.ok();
            task.kill();
            let _ = task.done().await;
            drop(sender);
            // Either it was received, and died with the process, or it is still there.
            match receiver.recv().await {
                Some(token) => assert_eq!(token.number(), round),
                None => assert_eq!(tally.dropped().last(), Some(&round)),
            }
        }
        tally.assert_balanced();
        Ok(())
    });
}

/// Names, ids, and the forms of a result.
#[test]
fn processes_have_names_and_ids() {
    on_both(1, |scope| async move {
        let first = scope.task("first", std::future::pending::<Infallible>());
        let second = scope.task("second", async {});
        assert_eq!((first.name(), second.name()), ("first", "second"));
        assert_ne!(first.id(), second.id());
        first.kill();
        let id = second.id();
        second.await?;
        for _ in 0..100 {
            assert_ne!(
                scope.task("later", async {}).id(),
                id,
                "ids are not used again"
            );
        }
        Ok(())
    });
}
