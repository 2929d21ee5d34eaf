//! The end of a run: deadlocks, leaks, and processes that do not end.

use roundrock::prelude::*;
use roundrock::sim::{Reason, Simulation};

#[test]
fn a_deadlock_names_everybody_and_what_they_wait_for() {
    let failure = Simulation::new("dead").run(|sim: Sim| async move {
        let (a, from_a) = rendezvous::<u32>().named("left to right");
        let (b, from_b) = rendezvous::<u32>().named("right to left");
        sim.task("left", async move {
            let n = from_b.recv().await.unwrap_or(0);
            a.send(n).await
        });
        let right = sim.task("right", async move {
            let n = from_a.recv().await.unwrap_or(0);
            b.send(n).await
        });
        right.await?;
        roundrock::Ok(())
    });
    let failure = failure.expect_err("both wait");
    assert_eq!(failure.reason, Reason::Deadlock);
    let waits = failure.waits.join("\n");
    for part in [
        "test#0 waits for the end of right#",
        "waits for a message from right to left: u32, with one sender",
        "waits for a message from left to right: u32, with one sender",
    ] {
        assert!(waits.contains(part), "`{part}` is not in\n{waits}");
    }
}

#[test]
fn a_deadlock_on_one_path_only_is_found() {
    let search = Simulation::new("locks").seeds(1000);
    let failure = search.run(|sim: Sim| async move {
        let one = std::sync::Arc::new(roundrock::sync::Mutex::new(0));
        let other = std::sync::Arc::new(roundrock::sync::Mutex::new(0));
        let mut tasks = Vec::new();
        for (first, second) in [(&one, &other), (&other, &one)] {
            let (first, second) = (first.clone(), second.clone());
            tasks.push(sim.task("locker", async move {
                let first = first.lock().await;
                let second = second.lock().await;
                drop((first, second));
            }));
        }
        for task in tasks {
            task.await?;
        }
        roundrock::Ok(())
    });
    let failure = failure.expect_err("each has what the other one wants");
    assert_eq!(failure.reason, Reason::Deadlock, "{failure}");
    assert_eq!(failure.shrunk.deviations(), 1, "{failure}");
}

async fn keeps_its_own_sender(sim: &Sim) -> Result<()> {
    let (jobs, inbox) = bounded::<u32>(4);
    let keep = jobs.clone();
    sim.task("consumer", async move {
        let _keep = keep;
        while inbox.recv().await.is_some() {}
    });
    jobs.send(1).await?;
    Ok(())
}

#[test]
fn a_missing_close_is_a_leak_unless_it_is_allowed() {
    let search = Simulation::new("open").seeds(8);
    let failure = search.run(|sim: Sim| async move { keeps_its_own_sender(&sim).await });
    let failure = failure.expect_err("nobody closes the input");
    assert!(
        matches!(&failure.reason, Reason::Leak(who) if who.len() == 1 && who[0].starts_with("consumer#")),
        "{failure}"
    );
    let allowed = search.deny_leaks(false);
    let found = allowed.run(|sim: Sim| async move { keeps_its_own_sender(&sim).await });
    found.expect("the stop ends it");
}

/// Echoes what it hears: two of them in a ring wait for each other.
#[process]
async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
    while let Some(number) = input.recv().await {
        output.send(number).await?;
    }
    Ok(())
}

/// Two processes that nobody will ever say anything to, and a sender to one of them.
fn ring_of_echoes(sim: &Sim) -> (Task<()>, Sender<u32>) {
    let (left, to_right) = rendezvous();
    let (right, to_left) = rendezvous();
    let outside = left.clone();
    sim.spawn(echo(to_right, right));
    (sim.spawn(echo(to_left, left)), outside)
}

/// Never ends by itself, and never lets the system come to rest.
fn ticker(sim: &Sim) -> Task<()> {
    let scope = sim.clone();
    sim.task("ticker", async move {
        let mut tick = interval(secs(1));
        loop {
            select! {
                _ = tick.next() => {}
                _ = scope.stopping() => break,
            }
        }
    })
}

#[test]
fn a_leak_is_proven_beside_processes_that_go_on() {
    let search = Simulation::new("echoes").seeds(8);
    let body = |sim: Sim| async move {
        ring_of_echoes(&sim);
        ticker(&sim);
    };
    let failure = search.run(body).expect_err("the echoes are left");
    let Reason::Leak(found) = &failure.reason else {
        panic!("{failure}")
    };
    let proven = "proven leaked: 2 processes wait for each other, and nobody else can wake them";
    assert!(
        found.len() == 1 && found[0].starts_with(proven),
        "{failure}"
    );
    let report = failure.to_string();
    for part in [
        "waits to receive from the channel made at tests/sim/end.rs:",
        "whose only sender is held by echo#",
        "ROUNDROCK_TAPE=",
        "waits for the first of these: a timer; its scope to stop",
    ] {
        assert!(report.contains(part), "`{part}` is not in\n{report}");
    }
    let again = search
        .replay(&failure.shrunk, body)
        .expect_err("it fails again");
    assert_eq!(again.reason, failure.reason);
    let allowed = search.deny_leaks(false).run(body);
    allowed.expect("the stop ends them");
}

#[test]
fn who_might_still_be_woken_is_no_leak() {
    let found = Simulation::new("echoes")
        .seeds(64)
        .run(|sim: Sim| async move {
            let (_, outside) = ring_of_echoes(&sim);
            let scope = sim.clone();
            sim.task("somebody", async move {
                let _outside = outside;
                scope.stopping().await;
            });
        });
    found.expect("somebody has a sender, and may use it");
}

#[test]
fn a_run_that_hangs_says_who_can_never_go_on() {
    let proven = "proven leaked: 2 processes wait for each other";
    let failure = Simulation::new("join").seeds(1).run(|sim: Sim| async move {
        let (echo, _) = ring_of_echoes(&sim);
        echo.await
    });
    let failure = failure.expect_err("the echoes do not end");
    assert_eq!(failure.reason, Reason::Deadlock);
    assert!(failure.to_string().contains(proven), "{failure}");
    let search = Simulation::new("busy").seeds(1).max_steps(1000);
    let failure = search.run(|sim: Sim| async move {
        ticker(&sim);
        let (echo, _) = ring_of_echoes(&sim);
        echo.await
    });
    let failure = failure.expect_err("the echoes do not end, and the ticker goes on");
    let stuck = matches!(&failure.reason, Reason::Stuck(proofs) if proofs.len() == 1);
    assert!(stuck, "{failure}");
    assert!(failure.to_string().contains(proven), "{failure}");
}

#[roundrock::test(leaks = "allow", seeds = 8)]
async fn leaks_can_be_allowed(sim: &Sim) -> Result<()> {
    keeps_its_own_sender(sim).await
}

#[roundrock::test(seeds = 16)]
async fn who_waits_to_be_stopped_is_no_leak(sim: &Sim) {
    let scope = sim.clone();
    let (_keep, never) = rendezvous::<()>();
    sim.task("daemon", async move {
        select! {
            _ = never.recv() => {}
            _ = scope.stopping() => {}
        }
    });
}

#[test]
fn who_does_not_end_within_the_grace_is_late() {
    let search = Simulation::new("late").seeds(4).grace(secs(3));
    let failure = search.run(|sim: Sim| async move {
        sim.task("sleeper", sleep(secs(60)));
    });
    let failure = failure.expect_err("the sleeper sleeps on");
    assert!(
        matches!(&failure.reason, Reason::Late(who) if who.len() == 1 && who[0].starts_with("sleeper#")),
        "{failure}"
    );
    let patient = Simulation::new("late").seeds(4).grace(secs(100));
    let found = patient.run(|sim: Sim| async move {
        sim.task("sleeper", sleep(secs(60)));
    });
    assert_eq!(found.expect("it ends").virtual_time, secs(4 * 60));
}

#[test]
fn a_failure_of_a_process_fails_the_run_and_one_that_is_isolated_does_not() {
    let search = Simulation::new("fails").seeds(2);
    let failure = search.run(|sim: Sim| async move {
        sim.task("broken", async { Err::<(), _>(Error::msg("no such host")) });
    });
    let failure = failure.expect_err("a process failed");
    assert!(
        matches!(&failure.reason, Reason::Failed { process, error, .. }
            if process.starts_with("broken") && error == "no such host"),
        "{failure}"
    );
    #[process]
    async fn broken(_n: &u32) -> Result<()> {
        bail!("no such host")
    }
    let found = search.run(|sim: Sim| async move {
        let exit = sim.spawn_isolated(broken(1)).done().await;
        assert!(exit.is_failure());
    });
    found.expect("its failure is nobody else's");
}

#[test]
fn a_supervisor_that_gives_up_fails_the_run() {
    #[process]
    async fn hopeless(_n: &u32) -> Result<()> {
        bail!("always")
    }
    let search = Simulation::new("gives up").seeds(2);
    let failure = search.run(|sim: Sim| async move {
        let _hopeless = sim
            .supervise(hopeless(1))
            .backoff(millis(1)..millis(2))
            .spawn();
        sim.advance(secs(60)).await;
    });
    let failure = failure.expect_err("the intensity is exceeded");
    assert!(failure.to_string().contains("hopeless"), "{failure}");
    assert!(
        failure.to_string().contains("starts again (incarnation 1)"),
        "{failure}"
    );
}

#[roundrock::test(seeds = 8)]
async fn each_run_has_books_of_its_own(sim: &Sim) -> Result<()> {
    let (jobs, inbox) = bounded(4);
    jobs.send(1).await?;
    jobs.send(2).await?;
    assert_eq!(inbox.recv().await, Some(1));
    drop(inbox);
    let ledger = sim.system().ledger();
    assert_eq!((ledger.sent, ledger.handled, ledger.dead.closed), (2, 1, 1));
    Ok(())
}

#[test]
fn thousands_of_runs_leave_nothing_behind() {
    let search = Simulation::new("memory").seeds(5000).shrink(secs(0));
    let drops = std::sync::Arc::new(());
    let held = std::sync::Arc::clone(&drops);
    let failure = search.run(move |sim: Sim| {
        let held = std::sync::Arc::clone(&held);
        async move {
            let (jobs, inbox) = bounded(1);
            for _ in 0..3 {
                let (inbox, held) = (inbox.clone(), held.clone());
                sim.task("worker", async move {
                    let _held = held;
                    while inbox.recv().await.is_some() {}
                });
            }
            let unlucky = roundrock::rng().below(500) == 499;
            jobs.send(1).await?;
            if unlucky {
                // Deadlock: the run is taken down where it stands.
                std::future::pending::<()>().await;
            }
            roundrock::Ok(())
        }
    });
    assert_eq!(failure.expect_err("one run hangs").reason, Reason::Deadlock);
    assert_eq!(
        std::sync::Arc::strong_count(&drops),
        1,
        "what the processes held was dropped"
    );
}

/// `main` would wait for who only sleeps, so it is no failure to be asleep when the body returns.
#[test]
fn who_only_sleeps_is_waited_for() {
    let searched = Simulation::new("asleep")
        .seeds(32)
        .run(|sim: Sim| async move {
            let scope = Scope::clone(&sim);
            sim.task("flushes", async move {
                sleep(secs(3)).await;
                // What it starts then has its time too.
                scope.task("writes", async { sleep(secs(2)).await }).await?;
                roundrock::Ok(())
            });
            roundrock::Ok(())
        });
    if let Err(failure) = searched {
        panic!("{failure}");
    }
}

/// No longer than the stop would.
#[test]
fn who_sleeps_longer_than_the_grace_is_late() {
    let searched = Simulation::new("late")
        .seeds(4)
        .grace(secs(2))
        .run(|sim: Sim| async move {
            sim.task("sleeps", async { sleep(secs(3)).await });
            roundrock::Ok(())
        });
    let failure = searched.expect_err("it does not end");
    assert!(
        matches!(&failure.reason, Reason::Late(late) if late.len() == 1),
        "{failure}"
    );
}

/// Whoever ticks for ever does not keep a run from its end.
#[test]
fn who_ticks_for_ever_is_told_to_stop() {
    #[process]
    struct Clock(u32);

    #[handlers]
    impl Clock {
        #[every("10ms")]
        fn tick(&mut self) {
            self.0 += 1;
            assert!(self.0 < 200, "it is not waited for so often");
        }
    }

    let searched = Simulation::new("ticks")
        .seeds(4)
        .run(|sim: Sim| async move {
            let _clock = sim.spawn(Clock(0));
            sim.task("polls", async {
                while !sim_is_over() {
                    sleep(millis(10)).await;
                }
            });
            roundrock::Ok(())
        });
    let failure = searched.expect_err("it polls on");
    assert!(
        matches!(&failure.reason, Reason::Late(late) if late.len() == 1),
        "{failure}"
    );
}

fn sim_is_over() -> bool {
    false
}

/// The place of a `bail!`, an `ensure!` and a `?` is in the report, also if another function has handed the error on.
#[test]
fn an_error_says_where_it_was_made() {
    fn parse(text: &str) -> Result<u32> {
        Ok(text.parse::<u32>()?)
    }
    let line = line!() - 2;
    let failure = Simulation::new("placed").seeds(1).run(|_sim: Sim| async {
        let n = parse("seven").context("the number of the house")?;
        ensure!(n == 7, "it is {n}");
        Ok(())
    });
    let failure = failure.expect_err("no number");
    let begins = format!("`test` failed at {}:{line}:", file!());
    let told = failure.reason.to_string();
    assert!(told.starts_with(&begins), "{told}");
    assert!(
        told.contains("the number of the house: invalid digit"),
        "{told}"
    );

    let line = line!() + 5;
    let failure = Simulation::new("ensured")
        .seeds(1)
        .run(|sim: Sim| async move {
            let adds = sim.task("adds", async {
                ensure!(1 + 1 == 3, "no");
                roundrock::Ok(())
            });
            adds.done().await;
            roundrock::Ok(())
        });
    let told = failure.expect_err("it fails").reason.to_string();
    assert!(
        told.contains("` failed at ") && told.contains(&format!("{}:{line}:", file!())),
        "{told}"
    );
}

/// What is told once in a program is told in each run.
#[test]
fn each_run_is_told_of_its_own_circles() {
    #[process]
    struct Node;

    #[handlers]
    impl Node {
        async fn asks(&mut self, own: NodeHandle) -> bool {
            own.ping().within(millis(20)).await.is_err()
        }

        fn ping(&self) {}
    }

    let summary = Simulation::new("circles")
        .seeds(4)
        .run(|sim: Sim| async move {
            let events = sim.system().events();
            let node = sim.spawn(Node);
            ensure!(node.asks(node.clone()).await?, "its time is up");
            ensure!(events.try_iter().count() > 0, "it was told of");
            Ok(())
        });
    if let Err(failure) = summary {
        panic!("{failure}");
    }
}
