//! `roundrock::sync`: mutual exclusion, fairness, cancellation, and who holds what. Decision 11; P12, P15, P22.
//!
//! Threads only: plain threads as holders.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::prelude::*;
use roundrock::sync::{Mutex, RwLock, Semaphore};
use roundrock_tests::{Random, Step, isolated, now, on_both, on_workers, times, yield_now};

/// One at a time, and nothing is lost.
#[test]
fn a_mutex_excludes() {
    on_workers(|scope| async move {
        let value = Arc::new(Mutex::new((0_u32, 0_u32)));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let value = Arc::clone(&value);
                scope.task("adds", async move {
                    for _ in 0..100 {
                        let mut pair = value.lock().await;
                        pair.0 += 1;
                        yield_now().await;
                        pair.1 += 1;
                        assert_eq!(pair.0, pair.1);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        assert_eq!(*value.try_lock().context("it is free")?, (800, 800));
        assert_eq!(value.holder(), None);
        Ok(())
    });
}

/// Who asked first gets it first; who gives up leaves the queue; a grant that nobody saw goes to the next.
#[test]
fn p12_a_mutex_is_fair_and_cancel_safe() {
    let mutex = Mutex::new(0);
    let guard = now(mutex.lock());
    let mut first = Step::parked(mutex.lock());
    let second = Step::parked(mutex.lock());
    let third = Step::parked(mutex.lock());
    assert_eq!(mutex.waiting(), 3);
    assert!(mutex.try_lock().is_none());
    drop(second);
    assert_eq!(mutex.waiting(), 2);
    drop(guard);
    assert_eq!((first.wakes(), third.wakes()), (1, 0));
    // Granted, and not yet seen: nobody overtakes.
    assert!(mutex.try_lock().is_none());
    drop(first.ready());
    assert_eq!(third.wakes(), 1);
    // Granted, and dropped unseen.
    let mut fourth = Step::parked(mutex.lock());
    drop(third);
    assert_eq!(fourth.wakes(), 1);
    drop(fourth.ready());
    assert!(mutex.try_lock().is_some());
}

/// A holder that is killed or panics gives the lock back; who holds it, and since which line, can be asked.
#[test]
fn p15_a_holder_that_dies_gives_back() {
    on_workers(|scope| async move {
        for how in ["killed", "panicked"] {
            let mutex = Arc::new(Mutex::new(0));
            let (held, is_held) = bounded(1);
            let (go, wait) = bounded::<()>(1);
            let shared = Arc::clone(&mutex);
            let task = isolated(&scope, async move {
                let mut guard = shared.lock().await;
                *guard = 7;
                held.send(()).await.ok();
                wait.recv().await;
                panic!("while it holds the lock");
            });
            is_held.recv().await;
            let holder = mutex.holder().context("it is held")?;
            assert_eq!(holder.process, Some(task.id()));
            assert!(holder.to_string().contains("locks.rs"), "{holder}");
            if how == "killed" {
                task.kill();
            } else {
                go.send(()).await?;
            }
            assert_eq!(*mutex.lock().await, 7);
            assert_eq!(task.done().await.kind(), how);
        }
        Ok(())
    });
}

/// Readers together, a writer alone; a writer that waits is not overtaken by readers.
#[test]
fn a_writer_is_not_starved() {
    let lock = RwLock::new(1);
    let one = now(lock.read());
    let other = now(lock.read());
    assert_eq!((*one + *other, lock.holders().len()), (2, 2));
    let mut writer = Step::parked(lock.write());
    let mut late = Step::parked(lock.read());
    assert!(lock.try_read().is_none());
    drop(one);
    assert_eq!(writer.wakes(), 0);
    drop(other);
    assert_eq!((writer.wakes(), late.wakes()), (1, 0));
    *writer.ready() += 1;
    assert_eq!(late.wakes(), 1);
    assert_eq!(*late.ready(), 2);
    // A writer that gives up lets the readers behind it pass.
    let reader = now(lock.read());
    let writer = Step::parked(lock.write());
    let mut late = Step::parked(lock.read());
    drop(writer);
    assert_eq!(*late.ready(), *reader);
}

/// Many readers and writers see only whole states.
#[test]
fn readers_see_whole_states() {
    on_both(4, |scope| async move {
        let lock = Arc::new(RwLock::new((0, 0)));
        let mut tasks: JoinSet<()> = JoinSet::new();
        for n in 0..8 {
            let lock = Arc::clone(&lock);
            tasks.add(scope.task("both", async move {
                let mut random = Random::new(n);
                for _ in 0..times(200, 10) {
                    if random.below(4) == 0 {
                        let mut pair = lock.write().await;
                        pair.0 += 1;
                        yield_now().await;
                        pair.1 += 1;
                    } else {
                        let pair = lock.read().await;
                        assert_eq!(pair.0, pair.1);
                        yield_now().await;
                    }
                }
            }));
        }
        while let Some(ended) = tasks.join_next().await {
            ended?;
        }
        Ok(())
    });
}

/// A semaphore lets at most its number in, keeps the order also for those who want more, and takes back what is dropped.
#[test]
fn a_semaphore_limits_in_order() {
    let semaphore = Semaphore::new(3);
    let two = now(semaphore.acquire_many(2));
    let mut all = Step::parked(semaphore.acquire_many(3));
    let mut one = Step::parked(semaphore.acquire());
    // One is free, and kept for who asked before.
    assert_eq!(semaphore.available(), 1);
    assert!(semaphore.try_acquire().is_none());
    one.pending();
    drop(two);
    assert_eq!((all.wakes(), one.wakes()), (1, 0));
    let all = all.ready();
    assert_eq!((all.count(), semaphore.available()), (3, 0));
    drop(all);
    drop(one.ready());
    assert_eq!(semaphore.available(), 3);
    on_workers(|scope| async move {
        let semaphore = Semaphore::new(2);
        let inside = Arc::new(AtomicUsize::new(0));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (semaphore, inside) = (semaphore.clone(), Arc::clone(&inside));
                scope.task("inside", async move {
                    let _permit = semaphore.acquire().await;
                    assert!(inside.fetch_add(1, Ordering::SeqCst) < 2);
                    yield_now().await;
                    inside.fetch_sub(1, Ordering::SeqCst);
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        assert_eq!((semaphore.available(), semaphore.waiting()), (2, 0));
        Ok(())
    });
}

/// A plain thread may lock too.
#[test]
fn a_plain_thread_locks() {
    let mutex = Arc::new(Mutex::new(0));
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let mutex = Arc::clone(&mutex);
            std::thread::spawn(move || {
                for _ in 0..100 {
                    *mutex.blocking_lock() += 1;
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().expect("it adds");
    }
    assert_eq!(*mutex.blocking_lock(), 400);
}

#[test]
#[should_panic(expected = "the `permits` of a semaphore are 1 to")]
fn a_semaphore_of_nothing_is_refused() {
    let _ = Semaphore::new(0);
}

#[test]
#[should_panic(expected = "the `count` of permits is 1 to 2, not 3")]
fn more_permits_than_there_are_are_refused() {
    drop(Semaphore::new(2).acquire_many(3));
}
