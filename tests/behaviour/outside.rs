//! Where Roundrock meets plain threads: joins and spawns from outside, kept wakers, blocking jobs, systems in systems. Case C23;
//! P17, P34.
//!
//! Threads only: all but wakers: plain threads, several systems, systems in jobs.

use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::thread;

use roundrock::prelude::*;
use roundrock_tests::{
    LIMIT, block_on, checked, isolated, on, on_threads, on_workers, unique_name, watched,
};

/// A process may be joined from a plain thread, with a waker that is not Roundrock's; a scope may be used there too.
#[test]
fn plain_threads_spawn_and_join() {
    on_threads(|scope| async move {
        let (sender, receiver) = bounded(1);
        let inner = scope.clone();
        let thread = thread::spawn(move || {
            let task = inner.task("from outside", async move {
                roundrock::Ok(receiver.recv().await)
            });
            assert_eq!(block_on(task.into_future()).unwrap(), Some(5));
            block_on(inner.task("again", async {}).done())
        });
        sender.send(5).await?;
        blocking(move || thread.join()).await.unwrap();
        Ok(())
    });
}

/// A waker may be kept and used when its process, and even its system, is gone.
#[test]
fn wakers_outlive_their_process_and_system() {
    let kept = Arc::new(Mutex::new(Vec::<Waker>::new()));
    let keep = Arc::clone(&kept);
    on(2, move |scope| async move {
        let task = scope.task("gives its waker away", async move {
            std::future::poll_fn(|cx| {
                keep.lock().unwrap().push(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
        });
        task.await?;
        Ok(())
    });
    let wakers = std::mem::take(&mut *kept.lock().unwrap());
    wakers.iter().for_each(Waker::wake_by_ref);
    let copies = wakers.clone();
    copies.into_iter().for_each(Waker::wake);
    thread::spawn(move || drop(wakers)).join().unwrap();
}

/// Work that blocks runs on threads of its own; its value and its panic come back.
#[test]
fn blocking_jobs_return_their_value_or_panic() {
    on_workers(|scope| async move {
        assert_eq!(blocking(|| 3).await, 3);
        let failed = isolated(&scope, async {
            blocking(|| assert_eq!(1, 2, "in the job")).await
        });
        let exit = failed.await.unwrap_err();
        assert!(exit.to_string().contains("in the job"), "{exit}");
        // A job that has begun runs to its end when its future is dropped.
        let (sender, receiver) = bounded(1);
        let (begins, begun) = oneshot::<()>();
        let mut job = Box::pin(blocking(move || {
            let _ = begins.send(());
            sender.blocking_send(8)
        }));
        std::future::poll_fn(|cx| {
            let _ = job.as_mut().poll(cx);
            Poll::Ready(())
        })
        .await;
        begun.await;
        drop(job);
        assert_eq!(receiver.recv().within(LIMIT).await, Ok(Some(8)));
        Ok(())
    });
}

/// A system may run inside a blocking job of another one, but not on a worker.
#[test]
fn systems_run_inside_blocking_jobs_only() {
    on(1, |scope| async move {
        let value = blocking(|| {
            System::builder()
                .workers(1)
                .name(unique_name())
                .run(async |scope: Scope| {
                    Ok(scope.task("inner", async { roundrock::Ok(4) }).await?)
                })
        });
        assert_eq!(value.await?, 4);
        let refused = isolated(&scope, async {
            System::builder().run(async |_| roundrock::Ok(()))
        });
        assert_eq!(refused.await.unwrap_err().kind(), "panicked");
        let (sender, receiver) = bounded::<u8>(1);
        let blocked = isolated(&scope, async move {
            sender.blocking_send(1).map_err(|_| Error::msg("?"))
        });
        assert_eq!(blocked.await.unwrap_err().kind(), "panicked");
        drop(receiver);
        Ok(())
    });
}

/// Two systems in one program: their processes talk, and the end of one closes its endpoints for the other.
#[test]
fn two_systems_talk_to_each_other() {
    watched(|_| {
        let (there, inbox) = rendezvous();
        let (back, answers) = bounded(3);
        let server = std::thread::spawn(move || {
            let system = System::builder().workers(2).name(unique_name());
            checked(system, |scope| async move {
                for _ in 0..2 {
                    let (inbox, back) = (inbox.clone(), back.clone());
                    let _ = scope.task("echo", async move {
                        for _ in 0..1000 {
                            let Some(n) = inbox.recv().await else { break };
                            back.send(n).await?;
                        }
                        roundrock::Ok(())
                    });
                }
                roundrock::Ok(())
            })
        });
        let system = System::builder().workers(1).name(unique_name());
        let client = checked(system, |_scope| async move {
            let mut sum = 0_u64;
            for n in 0..2000 {
                there.send(n).await?;
                sum += answers.recv().await.unwrap();
            }
            assert!(there.send(0).await.is_err() && answers.recv().await.is_none());
            roundrock::Ok(sum)
        });
        assert_eq!(client.unwrap(), 1000 * 1999);
        server.join().unwrap().unwrap();
    });
}
