//! What cannot be simulated is said, and not passed over. Cases C23, F05, F06, G02, L34 on the deterministic scheduler.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use roundrock::prelude::*;
use roundrock::sim::{Failure, Reason, Sim, Simulation, Strategy};

/// A message that is there when it is looked for is received as any other, whoever sent it: nobody was woken.
#[test]
fn c23_a_thread_outside_may_send_what_nobody_waits_for() {
    let threads = Mutex::new(Vec::new());
    let searched = Simulation::new("outside").run(|_sim: Sim| {
        let (sender, receiver) = bounded(1);
        let (sent, has_sent) = mpsc::sync_channel(1);
        threads.lock().unwrap().push(thread::spawn(move || {
            let went = sender.blocking_send(7).is_ok();
            drop(sender);
            sent.send(()).is_ok() && went
        }));
        // Before the run, which the thread must not block.
        has_sent.recv().expect("the thread sends");
        async move {
            assert_eq!(receiver.recv().await, Some(7));
            assert_eq!(receiver.recv().await, None);
        }
    });
    let summary = searched.expect("nobody was woken");
    assert_eq!(summary.seeds, 64);
    for thread in threads.into_inner().unwrap() {
        assert!(thread.join().expect("the thread does not panic"));
    }
}

/// A thread of its own that wakes a process: the run cannot be replayed, and says so. With each seed.
#[test]
fn f06_a_wake_from_outside_is_refused() {
    for seed in 0..64 {
        let search = Simulation::new("outside").first_seed(seed).seeds(1);
        let searched = search.run(|sim: Sim| async move {
            let (sender, receiver) = bounded(1);
            let waits = sim.task("waits", async move { roundrock::Ok(receiver.recv().await) });
            sim.settle().await;
            let thread = thread::spawn(move || sender.blocking_send(7).is_ok());
            assert!(thread.join().expect("the thread does not panic"));
            waits.await?;
            roundrock::Ok(())
        });
        let failure = searched.expect_err("a thread woke a process");
        assert!(
            matches!(&failure.reason, Reason::Outside(process) if process.contains("waits")),
            "{failure}"
        );
    }
}

/// A process that blocks the thread is named, with what to write instead.
#[test]
fn f05_a_process_that_blocks_the_thread_is_refused() {
    let failure = Simulation::new("sleeps")
        .seeds(1)
        .run(|sim: Sim| async move {
            let (jobs, inbox) = bounded::<u64>(1);
            sim.task("worker", async move {
                while let Some(job) = inbox.recv().await {
                    thread::sleep(Duration::from_millis(job));
                }
            });
            jobs.send(0).await?;
            jobs.send(5).await
        });
    let failure = failure.expect_err("the thread slept");
    assert!(
        matches!(&failure.reason, Reason::Blocked { process, took, .. }
            if process.starts_with("worker#") && *took >= Duration::from_millis(5)),
        "{failure}"
    );
    let text = failure.to_string();
    assert_named(&failure, "`clock_nanosleep`, which is `std::thread::sleep`");
    assert!(
        text.contains("instead of `std::thread::sleep` write"),
        "{text}"
    );
    assert!(
        text.contains("ROUNDROCK_SEED=0 cargo test sleeps"),
        "{text}"
    );
    let shown = failure
        .events
        .iter()
        .any(|line| line.contains("worker#") && line.contains("recv"));
    assert!(shown, "{text}");
}

/// What it did to the run is not what is told first.
#[test]
fn f05_a_run_that_fails_by_what_blocked_names_that() {
    let failure = Simulation::new("late").seeds(1).run(|sim: Sim| async move {
        sim.task("sleeper", async {
            std::thread::sleep(Duration::from_millis(5))
        })
        .await?;
        ensure!(sim.now() >= Duration::from_millis(5), "no time has passed");
        roundrock::Ok(())
    });
    let text = failure.expect_err("virtual time stood still").to_string();
    // Only where the kernel says in which call a thread is: a wait for a lock would be no reason.
    let says = std::fs::read_to_string("/proc/thread-self/syscall").is_ok();
    let told = text.contains("late: `sleeper#") && text.contains("` blocked the thread for");
    assert!(told || !says, "{text}");
    assert!(
        text.contains("`test` failed at ") && text.contains(": no time has passed"),
        "{text}"
    );
}

/// As the one before, in the body, and with another call: it is the thread that is watched, and no function.
#[test]
fn f05_a_channel_of_the_standard_library_blocks_too() {
    let failure = Simulation::new("mpsc").seeds(1).run(|_sim: Sim| async {
        let (_keep, never) = mpsc::channel::<u32>();
        never
            .recv_timeout(Duration::from_millis(5))
            .map(drop)
            .unwrap_err();
    });
    let failure = failure.expect_err("the thread waited");
    assert!(
        matches!(&failure.reason, Reason::Blocked { process, .. } if process.starts_with("test#")),
        "{failure}"
    );
    assert_named(&failure, "`futex`, which is a lock, a channel,");
}

/// The call that blocked is named, where the kernel says what a thread does.
fn assert_named(failure: &Failure, call: &str) {
    let says = std::fs::read_to_string("/proc/thread-self/syscall").is_ok();
    let text = failure.to_string();
    assert!(!says || text.contains(call), "`{call}` is not in {text}");
}

/// A run in which a step blocks only in some orders is made simpler, as one that fails in another way.
#[test]
fn f05_a_step_that_blocks_is_shown_with_few_choices() {
    let search = Simulation::new("order").seeds(200);
    let failure = search
        .strategy(Strategy::Random)
        .run(|sim: Sim| async move {
            let ready = Arc::new(AtomicBool::new(false));
            let sets = Arc::clone(&ready);
            sim.task("sets", async move { sets.store(true, Ordering::Relaxed) });
            sim.task("reads", async move {
                if ready.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(3));
                }
            });
            let (out, inbox) = bounded(1);
            sim.task("others", async move {
                for n in 0..8 {
                    out.send(n).await?;
                }
                roundrock::Ok(())
            });
            while inbox.recv().await.is_some() {}
        });
    let failure = failure.expect_err("somebody slept");
    assert!(
        matches!(&failure.reason, Reason::Blocked { process, .. } if process.starts_with("reads#")),
        "{failure}"
    );
    assert_eq!(failure.shrunk.deviations(), 1, "{failure}");
    assert!(
        failure.tape.deviations() == 1 || failure.shrink_runs > 0,
        "{failure}"
    );
}

/// Runs that take long because of their jobs do not use up what is spent on looking for steps that block.
#[test]
fn f05_a_step_that_blocks_is_found_after_many_jobs_that_do() {
    let search = Simulation::new("jobs").seeds(120);
    let failure = search.run(|sim: Sim| async move {
        blocking(|| thread::sleep(Duration::from_millis(2))).await;
        if sim.seed().is_some_and(|seed| seed >= 80) {
            thread::sleep(Duration::from_millis(2));
        }
    });
    let failure = failure.expect_err("the thread slept");
    assert!(
        matches!(&failure.reason, Reason::Blocked { process, .. } if process.starts_with("test#")),
        "{failure}"
    );
}

/// A job may run in the middle of somebody's step, who is held back after an operation: that step does not block.
#[test]
fn f05_a_job_may_block_in_the_middle_of_a_step() {
    let searched = Simulation::new("between")
        .seeds(60)
        .run(|sim: Sim| async move {
            let (out, inbox) = bounded(8);
            sim.task("sender", async move {
                for n in 0..4 {
                    out.send(n).await?;
                }
                roundrock::Ok(())
            });
            let job = sim.task("job", async {
                blocking(|| thread::sleep(Duration::from_millis(2))).await;
            });
            while inbox.recv().await.is_some() {}
            job.await
        });
    if let Err(failure) = searched {
        panic!("{failure}");
    }
}

/// A step that computes for long does not block, and a job is there to block.
#[test]
fn f05_computing_and_jobs_may_take_long() {
    let long = Duration::from_millis(5);
    let searched = Simulation::new("long")
        .seeds(3)
        .run(|_sim: Sim| async move {
            let begun = std::time::Instant::now();
            while begun.elapsed() < long {
                std::hint::spin_loop();
            }
            blocking(move || thread::sleep(long)).await;
            let begun = std::time::Instant::now();
            while begun.elapsed() < long {
                std::hint::spin_loop();
            }
        });
    searched.expect("nothing blocks a process");
}

/// Jobs that block run inline, at a moment that is chosen.
#[roundrock::test]
async fn c24_blocking_jobs_are_simulated(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(4);
    for n in 0..3 {
        let sender = sender.clone();
        sim.task("asks", async move {
            let square = blocking(move || n * n).await;
            sender.send(square).await
        });
    }
    sender.finish();
    let mut squares = receiver.recv_many(1).await;
    while let Some(square) = receiver.recv().await {
        squares.push(square);
    }
    squares.sort_unstable();
    assert_eq!(squares, [0, 1, 4]);
    Ok(())
}

#[process]
async fn waits(input: &Receiver<u32>) -> Result<u32> {
    input.recv().await.context("closed")
}

/// The sender is outside of all processes: nothing can run, which ends the run, but nobody is accused.
#[test]
fn g02_who_waits_for_the_outside_is_not_proven() {
    let kept = Mutex::new(Vec::new());
    for seed in 0..64 {
        let search = Simulation::new("outside").first_seed(seed).seeds(1);
        let searched = search.run(|sim: Sim| {
            let (sender, receiver) = rendezvous();
            kept.lock().unwrap().push(sender);
            async move {
                let task = sim.spawn(waits(receiver));
                sim.settle().await;
                assert_eq!(sim.system().leaks(), []);
                task.await?;
                roundrock::Ok(())
            }
        });
        let failure = searched.expect_err("no thread uses it");
        assert!(matches!(failure.reason, Reason::Deadlock), "{failure}");
        let accused = failure.waits.iter().any(|text| text.contains("proven"));
        assert!(!accused, "{failure}");
    }
}

/// A server is idle, and its only handle is outside of all processes: it is not leaked, and serves who comes with it.
#[test]
fn l34_an_idle_server_is_not_proven() {
    #[process]
    struct Server {
        served: u32,
    }

    #[handlers]
    impl Server {
        fn serve(&mut self) -> u32 {
            self.served += 1;
            self.served
        }
    }

    let kept = Mutex::new(Vec::new());
    let search = Simulation::new("outside").deny_leaks(false);
    let searched = search.run(|sim: Sim| {
        let server = sim.spawn(Server { served: 0 });
        let weak = server.downgrade();
        kept.lock().unwrap().push(server);
        async move {
            for served in 1..=3 {
                sim.advance(secs(1000)).await;
                assert_eq!(sim.system().leaks(), []);
                let server = weak.upgrade().context("it has gone")?;
                assert_eq!(server.serve().await?, served);
            }
            roundrock::Ok(())
        }
    });
    assert_eq!(searched.expect("nobody is accused").seeds, 64);
}
