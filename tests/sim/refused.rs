//! What cannot be simulated is refused, with an error that says so.

use std::sync::Arc;
use std::time::Duration;

use roundrock::prelude::*;
use roundrock::sim::{Failure, Reason, Simulation, Summary};

#[track_caller]
fn woken_by_a_thread(found: Result<Summary, Box<Failure>>) {
    let failure = found.expect_err("a thread is not part of the simulation");
    assert!(
        matches!(&failure.reason, Reason::Outside(process) if process.starts_with("receiver#")),
        "{failure}"
    );
}

#[test]
fn a_thread_that_wakes_a_process_ends_the_run() {
    let failure = Simulation::new("threads")
        .seeds(4)
        .run(|sim: Sim| async move {
            let (out, inbox) = bounded(1);
            let receiver = sim.task("receiver", async move { roundrock::Ok(inbox.recv().await) });
            sim.settle().await;
            let thread = std::thread::spawn(move || out.blocking_send(1));
            thread.join().expect("it does not panic")?;
            receiver.await?;
            roundrock::Ok(())
        });
    woken_by_a_thread(failure);
}

/// The thread takes its time: the processes that it feeds wait for ever, as far as the simulation sees.
#[test]
fn a_thread_that_feeds_a_process_late_is_told_and_no_deadlock_or_leak() {
    for body_waits in [true, false] {
        let failure = Simulation::new("feeds")
            .seeds(4)
            .run(move |sim: Sim| async move {
                let (out, inbox) = bounded(1);
                let receiver =
                    sim.task("receiver", async move { roundrock::Ok(inbox.recv().await) });
                // Not joined: it sends when the processes have parked long ago.
                let _feeds = std::thread::spawn(move || {
                    std::thread::sleep(Duration::from_millis(2));
                    out.blocking_send(1)
                });
                if body_waits {
                    receiver.await?;
                }
                roundrock::Ok(())
            });
        woken_by_a_thread(failure);
    }
}

#[test]
fn a_job_that_waits_for_a_process_is_refused() {
    let failure = Simulation::new("jobs").seeds(1).run(|_sim: Sim| async {
        let (_out, inbox) = bounded::<u32>(1);
        blocking(move || inbox.blocking_recv()).await;
    });
    let failure = failure.expect_err("a job has no thread that could wait");
    let text = failure.to_string();
    assert!(
        text.contains("`blocking_recv` waits for a message"),
        "{text}"
    );
    assert!(text.contains("cannot wait in a simulation"), "{text}");
}

/// A job runs on the only thread that there is: a system of its own would need others. What is said helps there.
#[test]
fn a_system_in_a_job_is_refused() {
    let failure = Simulation::new("inside").seeds(1).run(|_sim: Sim| async {
        blocking(|| System::builder().workers(1).run(async |_| Ok(()))).await
    });
    let text = failure.expect_err("there are no threads").to_string();
    for said in [
        "`System::builder().run(..)` in a job that blocks cannot run in a simulation",
        "`#[roundrock::test(real)]`",
    ] {
        assert!(text.contains(said), "{text}");
    }
}

#[cfg(feature = "io")]
#[test]
fn a_socket_is_refused_at_the_call() {
    let failure = Simulation::new("sockets")
        .seeds(1)
        .run(|_sim: Sim| async { tokio::net::TcpListener::bind("127.0.0.1:0").await.map(drop) });
    let failure = failure.expect_err("there is no reactor");
    assert!(
        matches!(&failure.reason, Reason::Panicked { message, .. } if message.contains("reactor")),
        "{failure}"
    );
}

#[test]
fn a_blocking_operation_in_a_process_is_refused() {
    let failure = Simulation::new("blocks").seeds(1).run(|_sim: Sim| async {
        let (out, _inbox) = bounded::<u32>(1);
        out.blocking_send(1).map(drop)
    });
    let failure = failure.expect_err("it would block the only thread");
    assert!(
        failure.to_string().contains("would block every process"),
        "{failure}"
    );
}

#[test]
#[should_panic(expected = "a simulation on a worker would block")]
fn a_simulation_in_a_process_is_refused() {
    let ran = System::builder().workers(1).run(async |_scope| {
        let _ = Simulation::new("inner").run(|_sim: Sim| async {});
        Ok(())
    });
    if let Err(error) = ran {
        panic!("{error:#}");
    }
}

/// A step that goes on for ever, because what it waits for could only happen after it, ends the run, and says why.
#[test]
fn a_loop_that_tries_in_vain_is_told() {
    type Tries = fn() -> Box<dyn Fn() -> bool + Send>;
    let tries: [(&str, Tries); 4] = [
        ("at last try_recv", || {
            let (kept, inbox) = bounded::<u32>(1);
            Box::new(move || !kept.is_closed() && inbox.try_recv().is_ok())
        }),
        ("at last try_send", || {
            let (jobs, kept) = rendezvous::<u32>();
            Box::new(move || !kept.is_closed() && jobs.try_send(1).is_ok())
        }),
        ("at last try_lock", || {
            let lock = Arc::new(roundrock::sync::Mutex::new(0));
            let other = Arc::clone(&lock);
            Box::new(move || {
                let _held = lock.try_lock();
                other.try_lock().is_some()
            })
        }),
        ("at last try_acquire", || {
            let permits = roundrock::sync::Semaphore::new(1);
            Box::new(move || {
                let _held = permits.try_acquire();
                permits.try_acquire().is_some()
            })
        }),
    ];
    for (said, tries) in tries {
        let search = Simulation::new("spins").seeds(2);
        let failure = search.run(move |sim: Sim| async move {
            let tries = tries();
            sim.task("spins", async move { while !tries() {} });
        });
        let failure = failure.expect_err("it goes on for ever");
        assert!(
            matches!(failure.reason, Reason::Spins { .. }),
            "{said}: {failure}"
        );
        let text = failure.reason.to_string();
        assert!(text.starts_with("`spins#"), "{text}");
        assert!(text.contains(said), "{text}");
        assert!(text.contains("in one step, in vain"), "{text}");
    }
}

/// One that looks through many channels does not.
#[test]
fn a_step_that_tries_often_is_fine() {
    let search = Simulation::new("looks").seeds(3);
    let passed = search.run(|_sim: Sim| async move {
        let channels: Vec<_> = (0..1000).map(|_| bounded::<u32>(1)).collect();
        for round in 0..20 {
            let found = channels
                .iter()
                .filter(|(_, inbox)| inbox.try_recv().is_ok());
            assert_eq!(found.count(), 0, "{round}");
        }
    });
    passed.expect("nothing is wrong");
}

/// Panics when it hears that a process has ended.
struct Fragile;

impl tracing::Subscriber for Fragile {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.target() == "roundrock::process"
    }
    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }
    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
    fn event(&self, event: &tracing::Event<'_>) {
        assert!(
            event.fields().all(|field| field.name() != "reason"),
            "the log is full"
        );
    }
    fn enter(&self, _: &tracing::span::Id) {}
    fn exit(&self, _: &tracing::span::Id) {}
}

/// What panics in a run, and in none of its processes, is told with its place: the report of a failure has no room for it.
#[test]
fn a_panic_outside_of_every_process_is_told() {
    let search = Simulation::new("fragile").seeds(2);
    let run = || {
        search.run(|sim: Sim| async move {
            sim.task("ends", async {}).await?;
            roundrock::Ok(())
        })
    };
    // `tracing` asks who listens when a place is first come to. If that is by another test, in the moment in which this one begins to
    // listen, nobody does, until the next one begins.
    let payload = (0..10).find_map(|_| {
        let ended = tracing::subscriber::with_default(Fragile, || {
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(run))
        });
        ended.err()
    });
    let payload = payload.expect("the subscriber panics");
    let text = payload.downcast_ref::<String>().expect("a text");
    for said in [
        "fragile: in the run with seed 0",
        "tests/sim/refused.rs:",
        "the log is full",
    ] {
        assert!(text.contains(said), "{text}");
    }
}

/// What tokio says of itself does not name the simulation.
#[test]
fn what_needs_a_reactor_is_told_where_it_can_run() {
    let search = Simulation::new("socket").seeds(2);
    let failure = search.run(|_sim: Sim| async move {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
        drop(listener?);
        roundrock::Ok(())
    });
    let text = failure.expect_err("there is no reactor").to_string();
    for said in ["no reactor running", "#[roundrock::test(real)]"] {
        assert!(text.contains(said), "{text}");
    }
}
