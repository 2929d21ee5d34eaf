//! P33 to P35 for systems that are started and shut down by hand: who may end them, and what is left.
//!
//! Threads only: all of it: systems that plain threads start and shut down.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use roundrock::System;
use roundrock::prelude::*;
use roundrock::system::ShutdownInside;

fn system(name: &str) -> System {
    System::builder()
        .workers(2)
        .name(name)
        .grace(secs(5))
        .start()
        .expect("threads can be started")
}

/// Threads of this program whose name begins so.
fn threads(name: &str) -> usize {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the threads of this program");
    let names =
        tasks.filter_map(|task| std::fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|thread| thread.starts_with(name)).count()
}

/// Counts when it is dropped.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn p34_shutdown_drains_and_leaves_no_thread() {
    let system = system("drained");
    let dropped = Arc::new(AtomicUsize::new(0));
    let (jobs, inbox) = bounded(100);
    let held = Counted(Arc::clone(&dropped));
    let worker = system.scope().task("worker", async move {
        let _held = held;
        let mut sum = 0;
        while let Some(job) = inbox.recv().await {
            sum += job;
        }
        roundrock::Ok(sum)
    });
    for job in 1..=100 {
        jobs.blocking_send(job).expect("the worker lives");
    }
    // A thread gives itself its name when it begins.
    while cfg!(target_os = "linux") && threads("drained") == 0 {
        std::thread::yield_now();
    }
    let report = system.shutdown(secs(5)).expect("a plain thread");
    assert!(report.is_clean(), "{report}");
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    assert!(worker.exit().is_some_and(|exit| exit.is_normal()));
    assert!(jobs.try_send(1).is_err(), "nobody is left");
    if cfg!(target_os = "linux") {
        assert_eq!(threads("drained"), 0);
    }
    // The end can be asked for again, and so can what is known of it.
    assert!(system.shutdown(secs(5)).expect("a plain thread").is_clean());
    assert_eq!(system.snapshot().processes.len(), 0);
}

#[test]
fn p33_who_is_late_is_dropped_and_named() {
    let system = system("late");
    let dropped = Arc::new(AtomicUsize::new(0));
    let held = Counted(Arc::clone(&dropped));
    system.scope().task("deaf", async move {
        let _held = held;
        sleep(secs(1000)).await;
    });
    let report = system.shutdown(millis(20)).expect("a plain thread");
    let late: Vec<&str> = report.late.iter().map(|late| late.name).collect();
    assert_eq!(late, ["deaf"]);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
}

#[test]
fn p35_shutdown_in_a_process_or_job_is_an_error() {
    let system = system("inside");
    let (errors, received) = mpsc::channel();
    let (own, tell) = (system.clone(), errors.clone());
    system.scope().task("process", async move {
        let _ = tell.send(own.shutdown(secs(5)).map(drop));
        let tell = tell.clone();
        blocking(move || {
            let _ = tell.send(own.shutdown(secs(5)).map(drop));
        })
        .await;
    });
    drop(errors);
    let errors: Vec<_> = received.iter().collect();
    assert_eq!(errors, [Err(ShutdownInside), Err(ShutdownInside)]);
    assert!(!system.scope().is_stopping(), "it goes on");
    assert!(system.shutdown(secs(5)).expect("a plain thread").is_clean());
}

#[test]
fn dropping_the_last_system_waits_for_its_end() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let system = system("dropped");
    let other = system.clone();
    let (jobs, inbox) = bounded::<Counted>(10);
    system.scope().task("worker", async move {
        while let Some(job) = inbox.recv().await {
            sleep(millis(1)).await;
            drop(job);
        }
    });
    for _ in 0..10 {
        let job = Counted(Arc::clone(&dropped));
        assert!(jobs.blocking_send(job).is_ok());
    }
    drop(system);
    assert!(jobs.blocking_send(Counted(Arc::clone(&dropped))).is_ok());
    drop(other);
    assert_eq!(dropped.load(Ordering::SeqCst), 11);
}

#[test]
fn p35_dropping_the_last_system_in_a_process_ends_it_in_the_background() {
    let system = system("own-end");
    let scope = system.scope();
    let (go, wait) = bounded::<()>(1);
    let dropped = Arc::new(AtomicUsize::new(0));
    let held = Counted(Arc::clone(&dropped));
    let own = scope.clone();
    own.task("owner", async move {
        let _held = held;
        wait.recv().await;
        drop(system);
        // It is told like everybody else, and ends by itself.
        scope.stopping().await;
    });
    go.blocking_send(()).expect("it waits");
    let patience = Instant::now();
    while dropped.load(Ordering::SeqCst) == 0 || threads("own-end") > 0 {
        assert!(
            patience.elapsed() < Duration::from_secs(10),
            "it never ends"
        );
        thread::yield_now();
    }
}

#[test]
fn all_who_shut_down_wait_for_the_same_end() {
    let system = system("several");
    system.scope().task("slow", {
        let scope = system.scope();
        async move {
            scope.stopping().await;
            sleep(millis(30)).await;
        }
    });
    let start = Arc::new(Barrier::new(4));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let (system, start) = (system.clone(), Arc::clone(&start));
            thread::spawn(move || {
                start.wait();
                let report = system.shutdown(secs(5)).expect("a plain thread");
                (report.drained, threads("several"))
            })
        })
        .collect();
    for caller in callers {
        let (drained, threads) = caller.join().expect("no panic");
        assert_eq!((drained, threads), (1, 0));
    }
}

#[test]
fn a_system_that_runs_a_body_can_be_shut_down_from_outside() {
    let (systems, received) = mpsc::channel::<System>();
    let outside = thread::spawn(move || {
        let system = received.recv().expect("it starts");
        system.shutdown(secs(5)).map(|report| report.is_clean())
    });
    let result = System::builder().workers(2).run(async move |scope| {
        systems.send(scope.system()).expect("somebody waits");
        scope.stopping().await;
        Ok(7)
    });
    assert_eq!(result.expect("nothing fails"), 7);
    assert_eq!(outside.join().expect("no panic"), Ok(true));
}

#[test]
fn before_the_body_runs_its_own_thread_cannot_shut_down() {
    let result = System::builder().workers(1).run(|scope| {
        let shutdown = scope.system().shutdown(secs(5)).map(drop);
        async move { Ok(shutdown) }
    });
    assert_eq!(result.expect("nothing fails"), Err(ShutdownInside));
}

#[test]
fn a_failure_stops_a_started_system_and_is_its_scopes() {
    let system = system("failed");
    system
        .scope()
        .task("broken", async { Err::<(), _>(Error::msg("no disk")) });
    let (errors, error) = bounded(1);
    let scope = system.scope();
    let root = scope.clone();
    // A process of another system may wait for it.
    System::builder()
        .workers(1)
        .run(async move |_| {
            let failure = root.join().await.expect_err("it failed");
            errors.send(format!("{failure:#}")).await?;
            Ok(())
        })
        .expect("nothing fails");
    let error = error.blocking_recv().expect("it was sent");
    assert!(error.ends_with("no disk"), "{error}");
    assert!(scope.is_stopping());
}
