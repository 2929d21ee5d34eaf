//! Shutting down: the grace ends what is late, and nothing is left behind. Case D02; P33, P34.
//!
//! Threads only: what a system returns and leaves behind, and who is busy or stuck when the clock goes on, as it does not when time
//! is virtual.

use std::sync::mpsc;

use roundrock::WaitKind;
use roundrock::prelude::*;
use roundrock::time::Duration;
use roundrock_tests::{
    Tally, Token, assert_no_threads_of, block_on, isolated, on, on_both, on_workers, simulated,
    unique_name, until_asleep, watched, yield_now,
};

/// P33: what does not end is dropped after the grace, and named with its site and what it waited for. Case D02.
#[test]
fn p33_the_grace_names_who_was_late() {
    for grace in [Duration::ZERO, millis(5)] {
        on_workers(move |scope| async move {
            let tally = Tally::new();
            let child = scope.child("child");
            let token = tally.token(1);
            let line = line!() + 1;
            let late = child.task("ignores the stop", async move {
                let _token = token;
                loop {
                    sleep(secs(100)).await;
                    if tally_is_poisoned() {
                        break;
                    }
                }
            });
            yield_now().await;
            sleep(millis(1)).await;
            let report = child.stop(grace).await;
            assert!(!report.is_clean() && report.stuck.is_empty(), "{report}");
            assert_eq!(report.late.len(), 1);
            assert_eq!(report.late[0].name, "ignores the stop");
            assert_eq!(report.late[0].id, late.id());
            let (file, at) = report.late[0].site.unwrap();
            assert!(file.ends_with("shutdown.rs") && at == line, "{file}:{at}");
            assert_eq!(report.late[0].waiting_for, WaitKind::Timer);
            assert!(report.to_string().contains("ignores the stop"));
            assert_eq!(late.done().await.kind(), "killed");
            tally.assert_balanced();
            Ok(())
        });
    }
}

/// P33: of a struct the report says too in which handler it was, and for how long.
#[test]
fn p33_the_report_names_the_handler_and_the_age_of_the_wait() {
    #[process]
    struct Slow;
    #[handlers]
    impl Slow {
        fn quick(&self) {}
        async fn fetch(&mut self, begun: Sender<()>) {
            let _ = begun.send(()).await;
            sleep(secs(3600)).await;
        }
    }
    on_both(2, |scope| async move {
        let child = scope.child("child");
        let slow = child.spawn(Slow);
        slow.quick().await?;
        let (begun, begins) = bounded(1);
        slow.fetch(begun).send().await?;
        begins.recv().await;
        until_asleep(&scope, "Slow").await;
        let report = child.stop(millis(60)).await;
        assert_eq!(report.late.len(), 1, "{report}");
        let late = &report.late[0];
        assert_eq!(
            (late.handler, late.worker),
            (Some("fetch"), None),
            "{report}"
        );
        assert!(
            late.since >= millis(20) && late.since < secs(60),
            "{report}"
        );
        let text = report.to_string();
        assert!(
            text.contains("was waiting: Timer in `fetch`, for "),
            "{text}"
        );
        Ok(())
    });
}

/// Never: only keeps the loop above from having no end.
fn tally_is_poisoned() -> bool {
    false
}

/// P33: a body that stops its own scope gets the report, also when somebody was late and the stop took the whole grace.
#[test]
fn p33_a_main_that_waits_for_its_own_stop_returns() {
    for grace in [Duration::ZERO, millis(5)] {
        on(2, move |scope| async move {
            let _ = scope.task("late", std::future::pending::<()>());
            let _ = scope.task("late too", async {
                loop {
                    yield_now().await;
                }
            });
            sleep(millis(1)).await;
            let report = scope.stop(grace).await;
            assert_eq!(report.late.len(), 2, "{report}");
            Ok(())
        });
    }
}

/// P33: a poll that does not return cannot be dropped: it is reported as stuck, and the stop returns all the same.
#[test]
fn p33_a_stuck_poll_is_reported() {
    for workers in [1, 2] {
        on(workers, |scope| async move {
            let child = scope.child("child");
            let (release, blocked) = mpsc::channel::<()>();
            let task = child.task("stuck", async move {
                let _ = blocked.recv();
            });
            while task.exit().is_none() && child.alive() == 0 {
                yield_now().await;
            }
            sleep(millis(20)).await;
            let report = child.stop(millis(1)).await;
            assert_eq!(report.stuck.len(), 1, "{report}");
            assert_eq!(report.stuck[0].name, "stuck");
            // A spare worker may have come, but this one is its own.
            assert!(report.stuck[0].worker.is_some(), "{report}");
            assert!(report.stuck[0].since >= millis(20), "{report}");
            let text = report.to_string();
            assert!(text.contains("was busy on worker"), "{text}");
            release.send(()).unwrap();
            let _ = task.done().await;
            Ok(())
        });
    }
}

/// P34: when `run` has returned, no process is left, no thread, and every destructor has run.
#[test]
fn p34_nothing_is_left_after_run() {
    for workers in [1, 2, 4] {
        watched(move |stage| {
            let tally = Tally::new();
            let name = unique_name();
            for round in 0..10 {
                stage.set(format!("round {round}"));
                let book = tally.clone();
                let system = System::builder()
                    .workers(workers)
                    .name(&name)
                    .grace(millis(5));
                let result = system.run(|scope| async move {
                    let (sender, receiver) = bounded(64);
                    for n in 0..64 {
                        sender.try_send(book.token(n))?;
                        let (token, receiver) = (book.token(100 + n), receiver.clone());
                        let _ = scope.task("held", async move {
                            let _token = token;
                            if n % 2 == 0 {
                                std::future::pending::<()>().await;
                            }
                            let _kept = receiver.recv().await;
                            sleep(secs(100)).await;
                        });
                    }
                    let _ = blocking(|| 1).await;
                    Err::<(), _>(Error::msg("stop, please"))
                });
                assert!(result.is_err());
                tally.assert_balanced();
                assert_no_threads_of(&name);
            }
        });
    }
}

/// P33: a `Killed` process is not a failure of its scope; the body's value is returned.
#[test]
fn p33_killed_is_not_failed() {
    async fn goes_on(scope: Scope) -> Result<u8> {
        let task = scope.task("killed", std::future::pending::<()>());
        task.kill();
        assert_eq!(task.done().await.kind(), "killed");
        let _ = isolated(&scope, async {}).await;
        assert!(!scope.is_stopping());
        Ok(3)
    }
    assert_eq!(on(2, goes_on), 3);
    simulated(|scope| async move {
        assert_eq!(goes_on(scope).await?, 3);
        Ok(())
    });
}

/// P33: the body of `main` is a process too: when all others have ended, what it waits for can come from nobody.
#[test]
fn p33_the_body_sees_the_end_of_its_input_when_a_process_failed() {
    for workers in [1, 2] {
        let ended = watched(move |_| {
            System::builder().workers(workers).run(|scope| async move {
                let (jobs, inbox) = bounded::<u32>(1);
                let _ = scope.task("fails", async {
                    yield_now().await;
                    Err::<(), _>(roundrock::Error::msg("no disk"))
                });
                let seen = inbox.recv().await;
                drop(jobs);
                assert_eq!(seen, None);
                Ok(())
            })
        });
        let error = ended.expect_err("a process failed");
        assert!(format!("{error:#}").ends_with("no disk"), "{error:#}");
    }
}

/// What the body returns may keep processes alive that nobody can reach any more: they are stopped, and `run` returns.
#[test]
fn body_that_returns_a_handle_ends() {
    #[process]
    struct Counter {
        n: i64,
        _token: Token,
    }
    #[handlers]
    impl Counter {
        fn add(&mut self, by: i64) -> i64 {
            self.n += by;
            self.n
        }
    }
    watched(|_| {
        let tally = Tally::new();
        let token = tally.token(1);
        let (added, counter, jobs) = System::builder()
            .workers(2)
            .run(async move |scope| {
                let counter = scope.spawn(Counter {
                    n: 0,
                    _token: token,
                });
                let (jobs, inbox) = bounded::<u32>(1);
                scope.task(
                    "reads",
                    async move { while inbox.recv().await.is_some() {} },
                );
                let added = counter.add(2).await?;
                Ok((added, counter, jobs))
            })
            .unwrap();
        assert_eq!(added, 2);
        assert!(counter.task().exit().is_some_and(|exit| exit.is_normal()));
        assert!(jobs.try_send(1).is_err());
        tally.assert_balanced();
    });
}

/// A value that keeps nothing alive does not end what still works, also if that pauses.
#[test]
fn body_that_returns_a_value_waits_for_what_still_moves() {
    watched(|_| {
        let (sums, sum) = mpsc::channel();
        let text = System::builder()
            .workers(2)
            .run(async move |scope| {
                let (numbers, inbox) = bounded(1);
                scope.task("adds", async move {
                    let mut sum = 0;
                    while let Some(n) = inbox.recv().await {
                        sum += n;
                    }
                    let _ = sums.send(sum);
                });
                scope.task("feeds", async move {
                    // Longer than a scope that waits to be quiet is left alone.
                    for n in 1..=5 {
                        sleep(millis(700)).await;
                        numbers.send(n).await?;
                    }
                    roundrock::Ok(())
                });
                Ok("done".to_owned())
            })
            .unwrap();
        assert_eq!(text, "done");
        assert_eq!(sum.try_recv(), Ok(15));
    });
}

/// What failed first is what `run` returns, also if the body waits for something else and is dropped in the end.
#[test]
fn the_first_failure_is_returned_though_the_body_does_not_end() {
    for panics in [false, true] {
        watched(move |_| {
            let ended = System::builder()
                .workers(2)
                .grace(millis(20))
                .run(async move |scope| {
                    scope.task("reader", async move {
                        assert!(!panics, "no disk");
                        Err::<(), _>(Error::msg("no disk"))
                    });
                    std::future::pending::<Result<()>>().await
                });
            let text = format!("{:?}", ended.expect_err("the reader failed"));
            assert!(
                text.starts_with("`reader#") && text.contains("no disk"),
                "{text}"
            );
        });
    }
}

/// P33: of two who shut a system down, the one whose grace ends first is heard.
#[test]
fn p33_a_second_shutdown_ends_the_grace_of_the_first() {
    watched(|stage| {
        for first in [secs(3600), Duration::MAX] {
            stage.set(format!("first {first:?}"));
            let system = System::builder().workers(1).start().unwrap();
            system.scope().task("sleeps", sleep(secs(86_400)));
            let patient = std::thread::spawn({
                let system = system.clone();
                move || system.shutdown(first).unwrap()
            });
            block_on(system.scope().stopping());
            let report = system.shutdown(millis(1)).unwrap();
            assert_eq!(report.late.len(), 1, "{report}");
            assert_eq!(patient.join().unwrap().late.len(), 1);
        }
    });
}
