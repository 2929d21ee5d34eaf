//! Programs of which nothing is left that could go on: `run` returns the report instead of hanging.

use std::sync::mpsc;
use std::thread;

use roundrock::leaks::{Deadlock, Leak};
use roundrock::observe::State;
use roundrock::prelude::*;
use roundrock_tests::{Stage, checked, watched};

use crate::kit::at;

/// Runs a body that can never end, and returns the report.
#[track_caller]
fn deadlock<F>(
    workers: usize,
    body: impl FnOnce(Scope) -> F + Send + 'static,
) -> (Vec<Leak>, String)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    watched(move |stage: &Stage| {
        stage.set("a deadlock");
        let system = System::builder().workers(workers).grace(millis(10));
        let error = checked(system, body).expect_err("it cannot end");
        let text = format!("{error:#}");
        let report = error.downcast_ref::<Deadlock>();
        let report = report.unwrap_or_else(|| panic!("not a deadlock: {error:?}"));
        assert!(text.contains(&report.to_string()), "{text}\n{report}");
        (report.leaks.clone(), report.to_string())
    })
}

#[process]
async fn ping(input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    out.send(input.recv().await.unwrap_or(0)).await?;
    Ok(())
}

/// `main` waits for one of two that wait for each other. Case G01.
#[test]
fn g01_main_waits_behind_a_cycle() {
    for workers in [1, 2] {
        let (send_lines, lines) = mpsc::channel();
        let (leaks, text) = deadlock(workers, async move |scope| {
            let ((a, to_a), (b, to_b)) = (rendezvous().named("a"), rendezvous().named("b"));
            let (task, one) = at!(scope.spawn(ping(to_a, b)));
            let (_, two) = at!(scope.spawn(ping(to_b, a)));
            let _ = send_lines.send([one, two]);
            task.await?;
            Ok(())
        });
        let lines = lines.recv().expect("the lines");
        let cycle: Vec<_> = leaks
            .iter()
            .filter(|leak| leak.processes.len() == 2)
            .collect();
        assert!(
            cycle.len() == 1 && cycle[0].is_proven() && cycle[0].behind == 1,
            "{text}"
        );
        for line in lines {
            assert!(
                text.contains(&format!("global.rs:{line}")),
                "{line}:\n{text}"
            );
        }
        assert!(text.contains("\"a\"") && text.contains("\"b\""), "{text}");
    }
}

/// `SelectNoCasesMain`: `main` waits for nothing that exists.
#[test]
fn select_no_cases_main() {
    for workers in [1, 2] {
        let (leaks, text) = deadlock(workers, async |_scope| std::future::pending().await);
        assert_eq!(leaks.len(), 1, "{text}");
        assert!(leaks[0].is_proven(), "{text}");
    }
}

/// The body has returned, and its scope waits for children that wait for each other.
#[test]
fn the_body_has_returned() {
    for workers in [1, 2] {
        let (leaks, text) = deadlock(workers, async |scope| {
            let ((a, to_a), (b, to_b)) = (rendezvous(), rendezvous());
            scope.spawn(ping(to_a, b));
            scope.spawn(ping(to_b, a));
            Ok(())
        });
        assert!(
            leaks
                .iter()
                .any(|leak| leak.is_proven() && leak.processes.len() == 2),
            "{text}"
        );
    }
}

/// The same wait, while a plain thread has the sender: quiet, and not a deadlock. Case G02.
#[test]
fn g02_quiescent_is_not_a_deadlock() {
    for workers in [1, 2] {
        watched(move |_: &Stage| {
            let (give, given) = mpsc::channel::<(Sender<u32>, System)>();
            let outside = thread::spawn(move || {
                let (sender, system) = given.recv().expect("a sender");
                let parked = || {
                    let snapshot = system.snapshot();
                    let runnable =
                        |process: &roundrock::observe::ProcessInfo| process.state != State::Parked;
                    !snapshot.processes.iter().any(runnable)
                };
                while !parked() {
                    thread::yield_now();
                }
                // Many passes, all of which see that nothing moves.
                for _ in 0..100 {
                    let leaks = system.leaks();
                    assert!(leaks.iter().all(|leak| !leak.is_proven()), "{leaks:?}");
                }
                sender.blocking_send(7).expect("main waits");
            });
            let value = checked(System::builder().workers(workers), async move |scope| {
                let (sender, receiver) = rendezvous();
                give.send((sender, scope.system()))
                    .expect("the thread is there");
                receiver.recv().await.context("closed")
            });
            assert_eq!(value.expect("it ends"), 7);
            outside.join().expect("it has seen nothing wrong");
        });
    }
}

/// A timer is a way out, however late.
#[test]
fn a_timer_is_a_way_out() {
    watched(|_: &Stage| {
        let result = checked(System::builder().workers(2), async |scope| {
            let (sender, receiver) = rendezvous();
            scope.task("late", async move {
                sleep(millis(200)).await;
                sender.send(7).await
            });
            receiver.recv().await.context("closed")
        });
        assert_eq!(result.expect("it ends"), 7);
    });
}
