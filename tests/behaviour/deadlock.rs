//! A system in which nothing can ever go on ends with a report instead of hanging; one in which anything might, does not.
//!
//! Threads only: what a system returns when it ends, to which a simulation has no counterpart but its report; and ways out that are
//! threads.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use roundrock::leaks::{Deadlock, OnLeak};
use roundrock::observe::EventKind;
use roundrock::prelude::*;
use roundrock_tests::{assert_no_threads_of, on_both, on_workers, unique_name, watched};

/// Says what it hears, when it has heard it.
#[process]
async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
    while let Some(number) = input.recv().await {
        output.send(number).await?;
    }
    Ok(())
}

fn spawn_ring(scope: &Scope) {
    let (left, to_right) = rendezvous().named("left");
    let (right, to_left) = rendezvous().named("right");
    scope.spawn(echo(to_right, right));
    scope.spawn(echo(to_left, left));
}

/// Runs a body in systems with one and with two workers, and hands over what they return.
#[track_caller]
fn ends<T, F>(
    body: impl Fn(Scope) -> F + Send + Sync + 'static,
    judge: impl Fn(Result<T>) + Send + Sync + 'static,
) where
    T: Send + 'static,
    F: Future<Output = Result<T>> + Send + 'static,
{
    let (body, judge) = (Arc::new(body), Arc::new(judge));
    for workers in [1, 2] {
        let (body, judge) = (Arc::clone(&body), Arc::clone(&judge));
        watched(move |stage| {
            stage.set(format!("{workers} workers"));
            let name = unique_name();
            let system = System::builder().workers(workers).name(&name);
            judge(system.run(move |scope| body(scope)));
            assert_no_threads_of(&name);
        });
    }
}

#[track_caller]
fn report<T>(result: Result<T>) -> Deadlock {
    match result {
        Ok(_) => panic!("it ended without an error"),
        Err(error) => match error.downcast_ref::<Deadlock>() {
            Some(deadlock) => deadlock.clone(),
            None => panic!("not a deadlock: {error:?}"),
        },
    }
}

/// The body waits for the first of many to end, and none can: each keeps its own input open.
#[test]
fn g01_the_body_waits_for_a_large_set() {
    #[process]
    async fn keeps(input: &Receiver<u32>, own: &Sender<u32>) {
        while input.recv().await.is_some() {}
        let _ = own;
    }

    ends(
        async |scope| {
            let mut set = JoinSet::new();
            for _ in 0..120 {
                let (own, input) = rendezvous();
                set.add(scope.spawn(keeps(input, own)));
            }
            while let Some(ended) = set.join_next().await {
                ended?;
            }
            Ok(())
        },
        |result| {
            let deadlock = report(result);
            let text = deadlock.to_string();
            let causes: usize = deadlock.leaks.iter().map(|leak| leak.behind).sum();
            assert_eq!(causes, 1, "the body waits behind one of them: {text}");
        },
    );
}

/// However late suspects are looked for, a deadlock is found.
#[test]
fn g01_where_nobody_is_ever_old_enough_to_be_suspected() {
    watched(|_| {
        let system = System::builder().workers(1).suspect_after(Duration::MAX);
        let ended: Result<()> = system.run(async |_scope| std::future::pending().await);
        report(ended);
    });
}

#[test]
fn g01_a_ring_after_the_body_has_returned() {
    ends(
        async |scope| {
            spawn_ring(&scope);
            Ok(())
        },
        |result| {
            let deadlock = report(result);
            let text = deadlock.to_string();
            assert!(
                text.starts_with("deadlock: no process can ever go on"),
                "{text}"
            );
            assert!(
                text.contains("\"left\"") && text.contains("\"right\""),
                "{text}"
            );
            assert_eq!(deadlock.leaks[0].names(), ["echo", "echo"], "{text}");
        },
    );
}

#[test]
fn g01_the_body_waits_for_a_ring() {
    ends(
        async |scope| {
            let (left, to_right) = rendezvous();
            let (right, to_left) = rendezvous();
            let task = scope.spawn(echo(to_right, right));
            scope.spawn(echo(to_left, left));
            task.await?;
            Ok(())
        },
        |result| {
            let deadlock = report(result);
            assert_eq!(deadlock.leaks[0].behind, 1, "{deadlock}");
        },
    );
}

#[test]
fn g01_the_body_waits_for_nothing() {
    ends(
        async |_scope| {
            std::future::pending::<()>().await;
            Ok(())
        },
        |result| {
            let deadlock = report(result);
            assert_eq!(deadlock.leaks[0].names(), ["main"], "{deadlock}");
        },
    );
}

#[test]
fn g02_a_sender_on_a_thread_is_a_way_out() {
    let (give, given) = mpsc::channel::<Sender<u32>>();
    let given = Arc::new(std::sync::Mutex::new(given));
    ends(
        move |scope| {
            let give = give.clone();
            let given = Arc::clone(&given);
            async move {
                spawn_ring(&scope);
                let (sender, receiver) = rendezvous();
                give.send(sender).expect("the thread takes it");
                let events = scope.system().events();
                let outside = thread::spawn(move || {
                    let sender = given
                        .lock()
                        .expect("one at a time")
                        .recv()
                        .expect("a sender");
                    // The ring is told of by a pass: so there was one, and it has not ended the system.
                    let leak = events
                        .iter()
                        .find(|event| matches!(event.kind, EventKind::Leak { .. }));
                    assert!(leak.is_some(), "the ring is told of");
                    sender.blocking_send(7).expect("the body waits");
                });
                let number = receiver.recv().await;
                outside.join().expect("it has seen the leak");
                scope.stop(secs(0)).await;
                Ok(number)
            }
        },
        |result| assert_eq!(result.expect("it ends"), Some(7)),
    );
}

#[test]
fn g02_a_timer_is_a_way_out() {
    on_workers(async |scope| {
        let (sender, receiver) = rendezvous();
        scope.task("late", async move {
            sleep(millis(150)).await;
            sender.send(7).await
        });
        assert_eq!(receiver.recv().await, Some(7));
        Ok(())
    });
}

#[test]
fn g02_a_blocking_job_is_a_way_out() {
    ends(
        async |scope| {
            let (sender, receiver) = rendezvous();
            scope.task("job", async move {
                blocking(|| thread::sleep(millis(150))).await;
                sender.send(7).await
            });
            receiver.recv().await.context("closed")
        },
        |result| assert_eq!(result.expect("it ends"), 7),
    );
}

#[test]
fn g02_who_waits_for_a_stop_is_not_deadlocked() {
    ends(
        async |scope| {
            let system = scope.system();
            let outside = thread::spawn(move || {
                thread::sleep(millis(150));
                system.shutdown(secs(0))
            });
            scope.stopping().await;
            drop(outside);
            Ok(7)
        },
        |result| assert_eq!(result.expect("it ends"), 7),
    );
}

#[test]
fn on_leak_kills_one_of_a_cause() {
    watched(|_| {
        let system = System::builder().workers(2).on_leak(OnLeak::KillOne);
        let result = system.run(async |scope| {
            spawn_ring(&scope);
            Ok(())
        });
        assert!(result.is_ok(), "the other one's input ends: {result:?}");
    });
}

#[test]
fn on_leak_lets_the_scope_of_a_cause_fail() {
    watched(|_| {
        let system = System::builder()
            .workers(2)
            .grace(secs(0))
            .on_leak(OnLeak::Escalate);
        let result = system.run(async |scope| {
            let inner = scope.child("inner");
            spawn_ring(&inner);
            let error = inner.join().await.expect_err("it fails");
            assert!(
                error
                    .chain()
                    .any(|cause| cause.downcast_ref::<Deadlock>().is_some()),
                "{error:?}"
            );
            Ok(7)
        });
        assert_eq!(result.expect("only the inner scope failed"), 7);
    });
}

#[test]
fn p38_a_kill_is_no_violation_of_a_proof() {
    on_both(2, async |scope| {
        let inner = scope.child("inner");
        let (left, to_right) = rendezvous();
        let (right, to_left) = rendezvous();
        let one = inner.spawn(echo(to_right, right));
        let other = inner.spawn(echo(to_left, left));
        while !scope.system().leaks().iter().any(|leak| leak.is_proven()) {
            sleep(millis(1)).await;
        }
        one.kill();
        // It runs again, because the other one was killed.
        assert!(other.await.is_ok());
        assert_eq!(scope.system().proof_violations(), 0);
        assert_eq!(scope.system().snapshot().proof_violations, 0);
        Ok(())
    });
}

#[process]
struct OwnEnd;

#[handlers]
impl OwnEnd {
    async fn wait(&mut self, own: OwnEndHandle, told: OneshotSender<()>) {
        own.stop();
        told.send(()).ok();
        own.closed().await;
    }
}

/// Nobody sees to it that a child ends that was told to stop by its handle.
#[test]
fn a_process_that_waits_for_its_own_end_is_proven_also_if_it_is_supervised() {
    for supervised in [false, true] {
        ends(
            move |scope: Scope| async move {
                let own = match supervised {
                    true => scope.supervise(|| OwnEnd).spawn(),
                    false => scope.spawn(OwnEnd),
                };
                own.wait(own.clone(), oneshot().0).await?;
                Ok(())
            },
            |result| {
                let deadlock = report(result);
                assert_eq!(deadlock.leaks[0].names(), ["OwnEnd"], "{deadlock}");
            },
        );
    }
}

#[process]
struct Sibling;

#[handlers]
impl Sibling {
    fn fail(&mut self) {
        panic!("as it was told");
    }
}

/// But one that a supervisor waits for is dropped after its time, which is no deadlock.
#[test]
fn a_child_that_waits_for_its_own_end_is_dropped_by_a_supervisor_that_waits() {
    ends(
        async |scope: Scope| {
            let group = scope.child("group").one_for_all();
            let own = group.supervise(|| OwnEnd).transient();
            let own = own.shutdown(millis(200)).spawn();
            let sibling = group.supervise(|| Sibling).spawn();
            let (tells, told) = oneshot();
            let (answer, failed) = join!(own.wait(own.clone(), tells), async {
                told.recv().await;
                sibling.fail().await.is_err()
            });
            ensure!(failed, "the sibling fails");
            let violations = scope.system().proof_violations();
            Ok((answer.is_err(), violations))
        },
        |result| assert_eq!(result.expect("no deadlock"), (true, 0)),
    );
}

/// Hears of nobody but its neighbour, and takes its time when its input ends.
#[process]
async fn slow(input: &Receiver<()>, output: &Sender<()>, begun: &Sender<()>) {
    let _ = begun.send(()).await;
    while input.recv().await.is_some() {}
    sleep(millis(150)).await;
    let _ = output;
}

/// The time that a child has for its stop means nothing when it has stopped: whoever waits for ever after that is told of at once.
#[test]
fn the_time_for_a_stop_that_is_over_hides_no_deadlock() {
    ends(
        async |scope: Scope| {
            let ring = scope.child("ring").one_for_all();
            let ((left, to_right), (right, to_left)) = (rendezvous(), rendezvous());
            let (tell, begun) = bounded(2);
            let one = slow(to_right, right, tell.clone());
            let other = slow(to_left, left, tell);
            let [one, _other] = [one, other].map(|child| {
                let child = ring.supervise(child).shutdown(secs(3600));
                child.backoff(millis(0)..millis(0)).spawn()
            });
            for _ in 0..2 {
                begun.recv().await;
            }
            one.kill();
            // Both were started again: one at once, and the other one when it had stopped.
            for _ in 0..2 {
                begun.recv().await;
            }
            Ok(())
        },
        |result| {
            let deadlock = report(result);
            assert_eq!(deadlock.leaks[0].names(), ["slow", "slow"]);
        },
    );
}
