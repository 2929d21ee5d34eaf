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

/// P19: processes that exchange messages all the time are gathered on one worker; when one of them blocks it, the others go on
/// elsewhere.
#[test]
fn p19_a_gathered_group_is_not_stuck_behind_one_of_its_own() {
    const EACH: usize = 20_000;
    for workers in [2, 4] {
        on(workers, |scope| async move {
            let (out, numbers) = bounded(64);
            let (over, is_over) = mpsc::channel();
            let seen = Arc::new(AtomicUsize::new(0));
            for _ in 0..4 {
                let out = out.clone();
                let _ = scope.task("producer", async move {
                    for number in 0..EACH {
                        out.send(number).await?;
                    }
                    roundrock::Ok(())
                });
            }
            out.finish();
            let mut consumers = Vec::new();
            for _ in 0..4 {
                let (numbers, over, seen) = (numbers.clone(), over.clone(), Arc::clone(&seen));
                consumers.push(scope.task("consumer", async move {
                    while numbers.recv().await.is_some() {
                        if seen.fetch_add(1, Ordering::SeqCst) + 1 == 4 * EACH {
                            over.send(())?;
                        }
                    }
                    roundrock::Ok(())
                }));
            }
            let (begun, seen_now) = (Arc::clone(&seen), Arc::clone(&seen));
            let blocker = scope.task("blocks", async move {
                while begun.load(Ordering::SeqCst) < EACH {
                    ensure!(numbers.recv().await.is_some(), "there are more messages");
                    begun.fetch_add(1, Ordering::SeqCst);
                }
                numbers.finish();
                // Blocks the thread until the others have received the rest.
                is_over.recv().map_err(roundrock::Error::new)
            });
            blocker.await?;
            for consumer in consumers {
                consumer.await?;
            }
            assert_eq!(seen_now.load(Ordering::SeqCst), 4 * EACH);
            Ok(())
        });
    }
}
