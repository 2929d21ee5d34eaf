//! Workers that do not come back: a process that blocks its thread delays nobody else. Case F05; P19.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use roundrock::prelude::*;
use roundrock_tests::{on, yield_now};

/// P19: a process that blocks its worker delays nobody: not what is queued behind it, nor what it has just woken.
#[test]
fn p19_a_blocked_worker_delays_nobody() {
    for workers in [1, 2, 4] {
        on(workers, |scope| async move {
            let (release, blocked) = mpsc::channel();
            let (sender, receiver) = bounded(1);
            let woken = release.clone();
            let _ = scope.task("woken", async move {
                receiver.recv().await;
                woken.send("the process that it woke")
            });
            yield_now().await;
            let inner = scope.clone();
            let blocker = scope.task("blocks", async move {
                sender.send(1).await?;
                for _ in 0..1000 {
                    let release = release.clone();
                    let _ = inner.task("behind", async move { release.send("behind") });
                }
                drop(release);
                // Blocks the thread until all of them have run.
                assert_eq!(blocked.iter().count(), 1001);
                roundrock::Ok(())
            });
            blocker.await?;
            Ok(())
        });
    }
}

/// P19: again and again, with all workers blocked at once, so that the threads that step in come and go.
#[test]
fn p19_workers_block_again_and_again() {
    for workers in [1, 2, 4] {
        on(workers, move |scope| async move {
            for _ in 0..20 {
                let begun = Arc::new(AtomicUsize::new(0));
                let mut releases = Vec::new();
                let mut blockers = Vec::new();
                for _ in 0..workers {
                    let (release, blocked) = mpsc::channel();
                    let begun = Arc::clone(&begun);
                    releases.push(release);
                    blockers.push(scope.task("blocks", async move {
                        begun.fetch_add(1, Ordering::SeqCst);
                        blocked.recv()
                    }));
                }
                let _ = scope.task("releases", async move {
                    while begun.load(Ordering::SeqCst) < workers {
                        yield_now().await;
                    }
                    yield_now().await;
                    releases.iter().try_for_each(|release| release.send(()))
                });
                for blocker in blockers {
                    blocker.await?;
                }
                sleep(millis(1)).await;
            }
            Ok(())
        });
    }
}

/// P19: timers fire although a worker is blocked.
#[test]
fn p19_timers_fire_behind_a_blocked_worker() {
    for workers in [1, 2] {
        on(workers, |scope| async move {
            let (release, blocked) = mpsc::channel();
            let _ = scope.task("sleeps", async move {
                sleep(millis(5)).await;
                release.send(())
            });
            yield_now().await;
            scope.task("blocks", async move { blocked.recv() }).await?;
            Ok(())
        });
    }
}
