//! Code that calls `tokio::spawn` itself: its tasks run on the one shared driver, and are aborted at shutdown.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use roundrock::prelude::*;
use roundrock_tests::{Tally, on, on_threads, watched, yield_now};

#[test]
fn spawned_tasks_run_while_workers_idle() {
    on_threads(|_| async {
        for n in 0..100 {
            assert_eq!(tokio::spawn(async move { n + 1 }).await?, n + 1);
        }
        let slept = tokio::spawn(tokio::time::sleep(millis(2)));
        slept.await?;
        Ok(())
    });
}

#[test]
fn spawned_tasks_run_while_workers_are_busy() {
    on_threads(|scope| async move {
        let busy = scope.child("busy");
        for _ in 0..8 {
            let stop = busy.clone();
            let _ = busy.task("spinner", async move {
                while !stop.is_stopping() {
                    yield_now().await;
                }
            });
        }
        let tasks: Vec<_> = (0..100)
            .map(|n| {
                tokio::spawn(async move {
                    for _ in 0..10 {
                        tokio::task::yield_now().await;
                    }
                    n
                })
            })
            .collect();
        for (n, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await?, n);
        }
        busy.stop(secs(5)).await;
        Ok(())
    });
}

#[test]
fn spawned_tasks_use_channels_and_wake_processes() {
    on_threads(|scope| async move {
        let (jobs, inbox) = bounded(2);
        let (results, done) = rendezvous();
        let worker = scope.task("worker", async move {
            while let Some(n) = inbox.recv().await {
                results.send(n * 2).await?;
            }
            roundrock::Ok(())
        });
        let feeder = tokio::spawn(async move {
            for n in 0..500 {
                jobs.send(n).await.unwrap();
            }
        });
        for n in 0..500 {
            assert_eq!(done.recv().await, Some(n * 2));
        }
        feeder.await?;
        worker.await?;
        Ok(())
    });
}

#[test]
fn panic_of_a_spawned_task_is_its_own() {
    on_threads(|_| async {
        let task = tokio::spawn(async { panic!("planted") });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(tokio::spawn(async { 1 }).await?, 1);
        Ok(())
    });
}

#[test]
fn spawn_blocking_works() {
    on_threads(|_| async {
        assert_eq!(tokio::task::spawn_blocking(|| 7).await?, 7);
        Ok(())
    });
}

/// `block_in_place` in a process is code that blocks a worker: another one takes over. A task that was given to tokio panics.
#[test]
fn block_in_place_blocks_the_worker_of_a_process_and_nobody_else() {
    for workers in [1, 2] {
        on(workers, |scope| async move {
            let (release, blocked) = mpsc::channel();
            let blocking = scope.task("blocking", async move {
                tokio::task::block_in_place(|| blocked.recv())
            });
            let free = scope.task("free", async move {
                tokio::time::sleep(millis(1)).await;
                release.send(7)
            });
            assert_eq!(blocking.await?, 7);
            free.await?;
            let refused = tokio::spawn(async { tokio::task::block_in_place(|| 7) });
            assert!(refused.await.unwrap_err().is_panic());
            Ok(())
        });
    }
}

/// What was given to tokio and had not ended is counted in the report of the system, and in no other.
#[test]
fn aborted_tasks_are_in_the_exit_report() {
    watched(|_| {
        for (tasks, text) in [
            (0, "1 drained"),
            (1, "1 drained\n1 task given to tokio was aborted"),
            (2, "1 drained\n2 tasks given to tokio were aborted"),
        ] {
            let system = System::builder().workers(2).start().unwrap();
            let (told, done) = bounded(1);
            let scope = system.scope();
            system.scope().task("spawner", async move {
                tokio::spawn(async {}).await?;
                for _ in 0..tasks {
                    tokio::spawn(std::future::pending::<()>());
                }
                told.send(()).await?;
                scope.stopping().await;
                roundrock::Ok(())
            });
            assert_eq!(done.blocking_recv(), Some(()));
            let report = system.shutdown(secs(5)).unwrap();
            assert_eq!((report.tokio_tasks, report.is_clean()), (tasks, true));
            assert_eq!(report.to_string(), text);
        }
    });
}

/// Shutdown does not wait for tasks that tokio was given: it drops them.
#[test]
fn spawned_tasks_are_aborted_at_shutdown() {
    watched(|_| {
        for workers in [1, 2] {
            let tally = Tally::new();
            let polled = Arc::new(AtomicBool::new(false));
            let (token, flag) = (tally.token(1), Arc::clone(&polled));
            System::builder()
                .workers(workers)
                .run(async move |_| {
                    tokio::spawn(async move {
                        let _token = token;
                        flag.store(true, Ordering::SeqCst);
                        std::future::pending::<()>().await;
                    });
                    // One that wakes itself for ever.
                    tokio::spawn(async {
                        loop {
                            tokio::task::yield_now().await;
                        }
                    });
                    tokio::time::sleep(millis(5)).await;
                    Ok(())
                })
                .unwrap();
            assert!(polled.load(Ordering::SeqCst));
            tally.assert_balanced();
        }
    });
}

/// A busy task of tokio's does not keep processes from running, nor the other way round.
#[test]
fn busy_task_and_busy_processes_share_a_worker() {
    on_threads(|scope| async move {
        let turns = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&turns);
        let spinner = tokio::spawn(async move {
            loop {
                count.fetch_add(1, Ordering::SeqCst);
                tokio::task::yield_now().await;
            }
        });
        let (pings, inbox) = rendezvous();
        let _ = scope.task("pings", async move {
            for n in 0..2_000 {
                pings.send(n).await?;
                yield_now().await;
            }
            roundrock::Ok(())
        });
        let mut received = 0;
        while inbox.recv().await.is_some() {
            received += 1;
        }
        assert_eq!(received, 2_000);
        while turns.load(Ordering::SeqCst) < 10 {
            yield_now().await;
        }
        spinner.abort();
        assert!(spinner.await.unwrap_err().is_cancelled());
        Ok(())
    });
}
