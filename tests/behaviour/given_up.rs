//! Jobs that block and that nobody waits for any more: the scope of the process that began one does not end before it. P15.
//!
//! Threads only, as `blocking`.

use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use roundrock::prelude::*;
use roundrock_tests::{LIMIT, checked, on, watched};

/// Begins a job that waits until it is released, and returns when it runs.
async fn holds(
    held: mpsc::Receiver<()>,
    done: Arc<AtomicUsize>,
) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    let begun = Arc::new(AtomicUsize::new(0));
    let tell = Arc::clone(&begun);
    let job = blocking(move || {
        tell.store(1, Ordering::SeqCst);
        let _ = held.recv();
        done.fetch_add(1, Ordering::SeqCst);
    });
    let mut job: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(job);
    while begun.load(Ordering::SeqCst) == 0 {
        assert!(job.as_mut().within(millis(1)).await.is_err());
    }
    job
}

/// P15: killing one process does not let its scope end while its thread works; nor does giving up the job.
#[test]
fn p15_a_scope_waits_for_the_thread_of_a_killed_process() {
    on(2, |scope| async move {
        let child = scope.child("threads");
        let (release, held) = mpsc::channel::<()>();
        let (begun, begins) = oneshot();
        let task = child.task("waits", async move {
            let job = holds(held, Arc::default()).await;
            let _ = begun.send(());
            job.await;
        });
        begins.await;
        task.kill();
        assert_eq!(task.done().await.kind(), "killed");
        assert!(child.join().within(millis(20)).await.is_err());
        drop(release);
        child.join().await?;

        let (release, held) = mpsc::channel::<()>();
        let given_up = child.task("gives up", async move {
            drop(holds(held, Arc::default()).await);
        });
        given_up.await?;
        assert!(child.join().within(millis(20)).await.is_err());
        drop(release);
        child.join().await
    });
}

/// P15: whoever drops the future of a job, it is the scope of the process that began it which waits.
#[test]
fn p15_a_job_is_that_of_the_process_that_began_it() {
    on(2, |scope| async move {
        for by_thread in [true, false] {
            let (child, other) = (scope.child("begins"), scope.child("drops"));
            let (release, held) = mpsc::channel::<()>();
            let (pass, passed) = bounded(1);
            let (free, stays) = rendezvous::<()>();
            child.task("begins", async move {
                let job = holds(held, Arc::default()).await;
                let _ = pass.send(job).await;
                let _ = stays.recv().await;
            });
            let job = passed.recv().await.context("it is passed on")?;
            if by_thread {
                std::thread::spawn(move || drop(job))
                    .join()
                    .expect("it drops it");
            } else {
                other.task("drops", async move { drop(job) }).await?;
            }
            other.join().await?;
            drop(free);
            assert!(child.join().within(millis(20)).await.is_err());
            drop(release);
            child.join().await?;
        }
        Ok(())
    });
}

/// P15: a stop waits for a job that was given up, in a process and in the body of `main`, and says of one that does not return that it is
/// stuck; it is none of the processes that have drained.
#[test]
fn p15_a_stop_waits_for_a_job_that_was_given_up() {
    on(2, |scope| async move {
        let child = scope.child("threads");
        let gives_up = |held: mpsc::Receiver<()>, done: Arc<AtomicUsize>| async move {
            drop(holds(held, done).await);
        };
        let done = Arc::new(AtomicUsize::new(0));
        let (release, held) = mpsc::channel::<()>();
        child
            .task("gives up", gives_up(held, Arc::clone(&done)))
            .await?;
        let stopped = scope.task("stops", {
            let child = child.clone();
            async move { roundrock::Ok(child.stop(LIMIT).await) }
        });
        child.stopping().await;
        drop(release);
        let report = stopped.await?;
        assert!(report.is_clean(), "{report}");
        assert_eq!((report.drained, done.load(Ordering::SeqCst)), (0, 1));

        let child = scope.child("threads");
        let (release, held) = mpsc::channel::<()>();
        child
            .task("gives up", gives_up(held, Arc::clone(&done)))
            .await?;
        sleep(millis(40)).await;
        let report = child.stop(millis(5)).await;
        let stuck = &report.stuck[..];
        assert!(matches!(stuck, [one] if one.name == "gives up"), "{report}");
        assert!(
            stuck[0].since >= millis(40),
            "not when it was left: {report}"
        );
        drop(release);
        Ok(())
    });
    let done = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&done);
    watched(move |_| {
        let (release, held) = mpsc::channel::<()>();
        let ended = checked(System::builder().workers(1), async move |scope| {
            drop(holds(held, count).await);
            // It outlives the body.
            scope.task("releases", async move {
                sleep(millis(5)).await;
                drop(release);
            });
            Ok(())
        });
        ended.expect("it waits for the job");
    });
    assert_eq!(done.load(Ordering::SeqCst), 1);
}
