//! Who has a turn: jobs, timers, slow processes, operations that race; and that no correct program fails for want of one.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};

use roundrock::prelude::*;
use roundrock::sim::{Faults, Reason, Simulation, Strategy};
use roundrock_tests::yield_now;

/// Runs a body with every strategy; it must pass.
fn passes<F: Future<Output = Result<()>> + Send + 'static>(body: impl Fn(Sim) -> F) {
    crate::passes(50, body);
}

#[test]
fn a_loop_that_gives_others_a_turn_means_jobs_too() {
    passes(|sim: Sim| async move {
        let done = Arc::new(AtomicBool::new(false));
        let sets = Arc::clone(&done);
        let job = sim.task("asks", async move {
            blocking(move || sets.store(true, SeqCst)).await;
        });
        while !done.load(SeqCst) {
            yield_now().await;
        }
        Ok(job.await?)
    });
}

#[test]
fn a_loop_that_gives_others_a_turn_means_timers_of_its_moment_too() {
    passes(|sim: Sim| async move {
        let done = Arc::new(AtomicBool::new(false));
        let sets = Arc::clone(&done);
        let other = sim.task("sleeps", async move {
            sleep(millis(5)).await;
            sets.store(true, SeqCst);
        });
        sleep(millis(5)).await;
        while !done.load(SeqCst) {
            sleep(millis(0)).await;
        }
        Ok(other.await?)
    });
}

#[test]
fn a_loop_of_operations_that_never_wait_gives_way_to_jobs_and_timers() {
    passes(|sim: Sim| async move {
        let done = Arc::new(AtomicU32::new(0));
        let (job, timer) = (Arc::clone(&done), Arc::clone(&done));
        sim.task("asks", async move {
            blocking(move || job.fetch_add(1, SeqCst)).await;
        });
        sim.task("sleeps", async move {
            sleep(millis(5)).await;
            timer.fetch_add(1, SeqCst);
        });
        sleep(millis(5)).await;
        let (out, inbox) = bounded(1);
        while done.load(SeqCst) < 2 {
            out.send(()).await?;
            inbox.recv().await;
        }
        Ok(())
    });
}

/// A probability of one: every process rests before every turn, and the run still ends.
#[test]
fn processes_that_are_always_slow_come_to_their_end() {
    let search = Simulation::new("slow").seeds(20);
    let found = search
        .faults(Faults::none().slow(1.0))
        .run(|sim: Sim| async move {
            let (jobs, inbox) = bounded::<u32>(1);
            let sum = sim.task("sums", async move {
                let mut sum = 0;
                while let Some(job) = inbox.recv().await {
                    sum += job;
                }
                roundrock::Ok(sum)
            });
            for job in 0..5 {
                jobs.send(job).await?;
            }
            jobs.finish();
            ensure!(sum.await? == 10, "a job is lost");
            roundrock::Ok(())
        });
    found.expect("to be slow is no mistake");
}

/// What must hold in the end is looked at when those who rest have had their turns.
#[test]
fn the_end_waits_for_those_who_rest() {
    let faults = Faults::none().slow(0.5).stall(0.5);
    let search = Simulation::new("rests").seeds(100).faults(faults);
    let found = search.run(|sim: Sim| async move {
        let handled = Arc::new(AtomicU32::new(0));
        let (seen, counts) = (Arc::clone(&handled), Arc::clone(&handled));
        sim.eventually("three are handled", move || seen.load(SeqCst) == 3);
        let (jobs, inbox) = bounded(4);
        sim.task("worker", async move {
            while inbox.recv().await.is_some() {
                counts.fetch_add(1, SeqCst);
            }
        });
        for job in 0..3 {
            jobs.send(job).await?;
        }
        roundrock::Ok(())
    });
    found.expect("all are handled in the end");
}

/// What the test itself waits for is exact: faults are for its processes.
#[test]
fn faults_do_not_touch_the_instruments_of_the_test() {
    let faults = Faults::none().stall(1.0).delay(1.0);
    let search = Simulation::new("instruments").seeds(50).faults(faults);
    let found = search.run(|sim: Sim| async move {
        let probe = sim.probe::<u32>("numbers");
        probe.expect_silence(secs(9)).await;
        ensure!(sim.now() == secs(9), "silence took {:?}", sim.now());
        sim.advance(secs(1)).await;
        ensure!(sim.now() == secs(10), "it is {:?}", sim.now());
        roundrock::Ok(())
    });
    found.expect("nothing runs but the test");
}

/// The job is slow in some run: then its caller gives up, and a job that has not begun is not run.
#[test]
fn a_job_may_take_longer_than_its_caller_waits() {
    let search = Simulation::new("jobs")
        .seeds(200)
        .faults(Faults::none().slow(0.3));
    let late = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&late);
    let found = search.run(move |_: Sim| {
        let count = Arc::clone(&count);
        async move {
            let stored = Arc::new(AtomicBool::new(false));
            let store = Arc::clone(&stored);
            let job = blocking(move || store.store(true, SeqCst));
            if roundrock::time::timeout(millis(50), job).await.is_err() {
                count.fetch_add(1, SeqCst);
                sleep(secs(2)).await;
                assert!(!stored.load(SeqCst), "it was run for nobody");
            }
        }
    });
    found.expect("to be slow is no mistake");
    assert!(late.load(SeqCst) > 0, "no job was late in 200 runs");
}

/// A process that is interrupted before the first of two operations has made neither of them when another one runs.
#[test]
fn both_of_two_operations_can_still_be_to_come() {
    let search = Simulation::new("join").seeds(500);
    let failure = search.run(|sim: Sim| async move {
        let (one, first) = bounded(1);
        let (two, second) = bounded(1);
        let begun = Arc::new(AtomicBool::new(false));
        let begins = Arc::clone(&begun);
        let sends = sim.task("sends", async move {
            begins.store(true, SeqCst);
            let (one, two) = join!(one.send(1), two.send(2));
            one?;
            two?;
            roundrock::Ok(())
        });
        let looks = sim.task("looks", async move {
            yield_now().await;
            let both_to_come = first.is_empty() && second.is_empty();
            assert!(!begun.load(SeqCst) || !both_to_come, "neither was made");
            roundrock::Ok((first, second))
        });
        sends.await?;
        looks.await?;
        roundrock::Ok(())
    });
    let failure = failure.expect_err("it is interrupted before both");
    let interrupted = failure
        .events
        .iter()
        .filter(|line| line.contains("sends#") && line.contains("interrupted"));
    assert!(interrupted.count() >= 1, "{failure}");
}

#[test]
fn a_condition_that_panics_is_told_with_its_name_and_place() {
    let search = Simulation::new("panics").seeds(2);
    let failure = search.run(|sim: Sim| async move {
        sim.always("the sum is right", || panic!("the lock is poisoned"));
        yield_now().await;
        roundrock::Ok(())
    });
    let failure = failure.expect_err("the condition panics");
    assert!(
        matches!(&failure.reason, Reason::Panicked { process, message, site: Some(site), .. }
            if process == "the condition the sum is right" && message == "the lock is poisoned"
                && site.contains("turns.rs:")),
        "{failure}"
    );
}

#[test]
fn a_body_that_panics_before_its_first_step_is_told_as_any_other() {
    let failure = Simulation::new("panics").seeds(2).run(|_: Sim| {
        let set_up = "".parse::<u32>().ok();
        let n = set_up.expect("the table is made");
        async move { assert_eq!(n, 1) }
    });
    let failure = failure.expect_err("the closure panics");
    assert!(
        matches!(&failure.reason, Reason::Panicked { process, message, site: Some(_), .. }
            if process == "test" && message == "the table is made"),
        "{failure}"
    );
}

/// Every run chooses alike who runs, and the faults differ.
#[test]
fn the_baseline_has_faults() {
    let faults = Faults::none().slow(0.5);
    let search = Simulation::new("base")
        .seeds(50)
        .strategy(Strategy::Baseline)
        .faults(faults);
    let summary = search.run(|sim: Sim| async move { sim.task("runs", yield_now()).await });
    let summary = summary.expect("to be slow is no mistake");
    assert!(summary.schedules > 5, "{summary}");
}

/// A run that cannot be made again, because something outlives it, is told apart from one whose replays differ.
#[test]
fn what_outlives_a_run_is_said_to() {
    // Those with the first two seeds are made twice each; later ones are made again only if they fail.
    for bad in [1, 3, 5] {
        let runs = AtomicU32::new(0);
        let failure = Simulation::new("counts").seeds(5).run(|sim: Sim| {
            let run = runs.fetch_add(1, SeqCst);
            async move {
                if run == bad {
                    sim.task("more", async {}).await?;
                }
                ensure!(run != bad, "this one is bad");
                roundrock::Ok(())
            }
        });
        let failure = failure.expect_err("one run fails");
        let Reason::Nondeterministic(text) = &failure.reason else {
            panic!("{failure}");
        };
        assert!(text.contains("something outlives a run"), "{text}");
    }
}

/// The order of a `HashMap` decides who is fed first: the operation is named in which two runs differ.
#[test]
fn the_operation_is_named_in_which_two_runs_differ() {
    let body = |sim: Sim| async move {
        let mut feeds = HashMap::new();
        for number in 0..12_u32 {
            let (feed, fed) = bounded::<u32>(1);
            feeds.insert(number, feed);
            sim.task("fed", async move {
                fed.recv().await;
            });
        }
        for (number, feed) in feeds {
            feed.send(number).await?;
        }
        roundrock::Ok(())
    };
    let failure = Simulation::new("hashed").seeds(4).run(body);
    let failure = failure.expect_err("the order differs");
    let Reason::Nondeterministic(text) = &failure.reason else {
        panic!("{failure}");
    };
    assert!(
        text.starts_with("made twice more, the runs differ first in"),
        "{text}"
    );
    assert!(text.contains(" send [sim/turns.rs:"), "{text}");
}

/// A run that does more, where nothing is to be chosen, is another run.
#[test]
fn an_operation_more_is_seen_also_where_nobody_else_could_run() {
    let runs = AtomicU32::new(0);
    let search = Simulation::new("alone").seeds(1);
    let failure = search.run(|_sim: Sim| {
        let run = runs.fetch_add(1, SeqCst);
        async move {
            let (out, _inbox) = bounded::<u32>(4);
            for number in 0..=run.min(2) {
                out.send(number).await?;
            }
            roundrock::Ok(())
        }
    });
    let failure = failure.expect_err("the second run sends once more");
    assert!(
        matches!(failure.reason, Reason::Nondeterministic(_)),
        "{failure}"
    );
}

/// On threads an error of the body fails the test too, if it is that a channel was closed: the rest of the body was not run.
#[roundrock::test(real)]
#[should_panic(expected = "the test failed")]
async fn a_real_test_that_ends_with_a_closed_channel_fails(_scope: &Scope) -> Result<()> {
    let (jobs, inbox) = bounded(1);
    drop(inbox);
    jobs.send(1).await?;
    Ok(())
}

#[process]
struct Ticker;

#[handlers]
impl Ticker {
    #[every("1ms")]
    fn tick(&mut self) {}

    fn is_there(&mut self) -> bool {
        true
    }
}

/// A process that goes on until it is stopped does not keep a test on threads from its end, as it keeps no simulation.
#[roundrock::test(real, workers = 1)]
async fn a_real_test_stops_what_goes_on_when_its_body_has_returned(scope: &Scope) -> Result<()> {
    let ticker = scope.spawn(Ticker);
    ensure!(ticker.is_there().await?, "it answers");
    Ok(())
}

/// The end of a scope is waited for as that of a process is: others may come first, also if it has come already.
#[test]
fn the_wait_for_the_end_of_a_scope_lets_others_come_first() {
    type Waits = fn(Scope) -> Pin<Box<dyn Future<Output = Result<()>> + Send>>;
    let ways: [(&str, Waits); 3] = [
        ("join", |scope| Box::pin(async move { scope.join().await })),
        ("stop", |scope| {
            Box::pin(async move {
                scope.stop(secs(1)).await;
                Ok(())
            })
        }),
        ("group", |scope| {
            Box::pin(async move { scope.group(async |_| Ok(())).await })
        }),
    ];
    for (way, waits) in ways {
        let search = Simulation::new(way).run(move |sim: Sim| async move {
            let counter = Arc::new(AtomicU32::new(0));
            let adds = (0..2).map(|_| {
                let (counter, own) = (Arc::clone(&counter), sim.child("own"));
                sim.task("adds", async move {
                    let before = counter.load(SeqCst);
                    waits(own).await?;
                    counter.store(before + 1, SeqCst);
                    roundrock::Ok(())
                })
            });
            let adds: Vec<_> = adds.collect();
            for task in adds {
                task.await?;
            }
            assert_eq!(counter.load(SeqCst), 2, "an addition was lost");
            roundrock::Ok(())
        });
        let failure = search.expect_err(way);
        assert!(
            failure.to_string().contains("an addition was lost"),
            "{failure}"
        );
    }
}
