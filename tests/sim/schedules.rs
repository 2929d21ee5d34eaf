//! Schedules: races are found, made simple, and replayed by their seed and by their tape.

use std::collections::{BTreeSet, HashSet};
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use roundrock::prelude::*;
use roundrock::sim::{Failure, Faults, Reason, Simulation, Strategy, Tape};
use roundrock_tests::yield_now;

/// What a static makes of equal choices shows in how a run ends, if nowhere else.
#[test]
fn runs_that_end_in_another_way_are_told_apart() {
    static RUNS: AtomicUsize = AtomicUsize::new(0);
    let failure = Simulation::new("counts its runs").run(|_: Sim| async {
        let run = RUNS.fetch_add(1, Ordering::SeqCst);
        assert_ne!(run, 7, "the eighth run");
        roundrock::Ok(())
    });
    let failure = failure.expect_err("the eighth run fails");
    assert!(
        matches!(&failure.reason, Reason::Nondeterministic(text) if text.contains("the eighth run")),
        "{failure}"
    );
}

/// What is to be pasted has the options without which the tape means something else.
#[test]
fn the_regression_test_has_the_options_of_the_test() {
    let search = Simulation::new("with options")
        .faults(Faults::none().slow(0.25).panic(0.5))
        .max_steps(5_000)
        .deny_leaks(false)
        .grace(millis(1_500));
    let failure = search.run(|_: Sim| async { Err::<(), _>(roundrock::Error::msg("always")) });
    let text = failure.expect_err("it always fails").to_string();
    let options = "faults(panic = 0.5, slow = 0.25), max_steps = 5000, leaks = \"allow\", grace = \"1500ms\")]";
    assert!(text.contains(options), "{text}");
}

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: i64) {
        self.n += by;
    }
    fn get(&self) -> i64 {
        self.n
    }
}

#[process]
async fn double(numbers: &Receiver<u32>, doubles: &Sender<u32>) -> Result<()> {
    while let Some(n) = numbers.recv().await {
        doubles.send(2 * n).await?;
    }
    Ok(())
}

/// Two processes add one to a shared number, with an operation between reading and writing.
async fn lost_update(sim: &Sim) -> Result<()> {
    let shared = Arc::new(AtomicU32::new(0));
    let (notes, _read) = bounded::<()>(8);
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let (shared, notes) = (Arc::clone(&shared), notes.clone());
        tasks.push(sim.task("adder", async move {
            let n = shared.load(Ordering::Relaxed);
            notes.send(()).await?;
            shared.store(n + 1, Ordering::Relaxed);
            roundrock::Ok(())
        }));
    }
    for task in tasks {
        task.await?;
    }
    let sum = shared.load(Ordering::Relaxed);
    assert_eq!(sum, 2, "an addition was lost");
    Ok(())
}

/// Fails only if three messages arrive in the reverse of the order in which their senders were spawned.
async fn reversed(sim: &Sim) -> Result<()> {
    let (out, inbox) = bounded(8);
    for n in 0..3 {
        let out = out.clone();
        sim.task("sender", async move { out.send(n).await });
    }
    out.finish();
    let mut order = Vec::new();
    while let Some(n) = inbox.recv().await {
        order.push(n);
    }
    ensure!(order != [2, 1, 0], "reversed");
    Ok(())
}

fn find(strategy: Strategy) -> Box<Failure> {
    let search = Simulation::new("lost_update")
        .seeds(1000)
        .strategy(strategy);
    let found = search.run(|sim: Sim| async move { lost_update(&sim).await });
    found.expect_err("an addition can be lost")
}

#[roundrock::test]
async fn processes_work_as_in_production(sim: &Sim) -> Result<()> {
    let counter = sim.spawn(Counter { n: 0 });
    counter.add(5).send().await?;
    counter.add(2).await?;
    assert_eq!(counter.get().await?, 7);
    let (numbers, inbox) = rendezvous();
    let (doubles, results) = bounded(8);
    sim.pool(3, double(inbox, doubles));
    for n in 0..10 {
        numbers.send(n).await?;
    }
    numbers.finish();
    let mut all = Vec::new();
    while let Some(n) = results.recv().await {
        all.push(n);
    }
    all.sort_unstable();
    assert_eq!(all, (0..10).map(|n| 2 * n).collect::<Vec<_>>());
    Ok(())
}

#[test]
fn a_lost_update_is_found_by_every_strategy_and_needs_one_choice() {
    for strategy in [
        Strategy::Mix,
        Strategy::Random,
        Strategy::Pct,
        Strategy::Holds,
        Strategy::Pos,
        Strategy::Urw,
    ] {
        let failure = find(strategy);
        assert!(failure.seeds_run <= 100, "{strategy:?}: {failure}");
        assert_eq!(failure.shrunk.deviations(), 1, "{strategy:?}: {failure}");
        assert!(
            matches!(&failure.reason, Reason::Panicked { process, .. } if process == "test"),
            "{failure}"
        );
    }
}

#[test]
fn p44_the_seed_alone_replays_a_failure() {
    let failure = find(Strategy::Mix);
    let seed = failure.seed.expect("found by a seed");
    let alone = Simulation::new("lost_update").first_seed(seed).seeds(1);
    let again = alone
        .run(|sim: Sim| async move { lost_update(&sim).await })
        .expect_err("the same run");
    assert_eq!(again.tape, failure.tape);
    assert_eq!(again.shrunk, failure.shrunk);
    assert_eq!(again.events, failure.events);
    assert_eq!(again.reason, failure.reason);
}

#[test]
fn p44_the_text_of_a_tape_replays_a_failure() {
    let failure = find(Strategy::Mix);
    for tape in [&failure.tape, &failure.shrunk] {
        let tape: Tape = tape.to_string().parse().expect("a tape");
        let again = Simulation::new("lost_update")
            .replay(&tape, |sim: Sim| async move { lost_update(&sim).await });
        assert_eq!(again.expect_err("the same run").reason, failure.reason);
    }
    let baseline = Simulation::new("lost_update").replay(&Tape::default(), |sim: Sim| async move {
        lost_update(&sim).await
    });
    assert_eq!(baseline.expect("nothing is lost").seeds, 1);
}

#[test]
fn a_tape_is_run_before_the_seeds() {
    let shrunk = find(Strategy::Mix).shrunk;
    let search = Simulation::new("lost_update").seeds(1).tape(shrunk);
    let failure = search.run(|sim: Sim| async move { lost_update(&sim).await });
    let failure = failure.expect_err("the tape fails");
    assert_eq!((failure.seed, failure.seeds_run), (None, 1));
}

#[test]
fn an_order_that_needs_two_choices_is_found_and_kept_small() {
    let search = Simulation::new("reversed").seeds(1000);
    let failure = search.run(|sim: Sim| async move { reversed(&sim).await });
    let failure = failure.expect_err("three messages can be reversed");
    assert!(failure.shrunk.deviations() <= 2, "{failure}");
}

#[test]
fn every_order_of_three_messages_is_seen() {
    let orders = Arc::new(Mutex::new(HashSet::new()));
    let seen = Arc::clone(&orders);
    let search = Simulation::new("orders").seeds(200);
    let found = search.run(move |sim: Sim| {
        let seen = Arc::clone(&seen);
        async move {
            let (out, inbox) = bounded(8);
            for n in 0..3 {
                let out = out.clone();
                sim.task("sender", async move { out.send(n).await });
            }
            out.finish();
            let order = inbox.recv_many(3).await;
            let mut all = order.clone();
            while let Some(n) = inbox.recv().await {
                all.push(n);
            }
            seen.lock().expect("not poisoned").insert(all);
            roundrock::Ok(())
        }
    });
    found.expect("no order is a mistake");
    assert_eq!(orders.lock().expect("not poisoned").len(), 6);
}

#[test]
fn every_arm_of_a_select_wins_and_the_first_one_in_the_baseline() {
    let wins = Arc::new([const { AtomicU64::new(0) }; 3]);
    let seen = Arc::clone(&wins);
    let run = |seeds, seen: Arc<[AtomicU64; 3]>| {
        let search = Simulation::new("arms").seeds(seeds);
        let found = search.run(move |_sim: Sim| {
            let seen = Arc::clone(&seen);
            async move {
                let (a, from_a) = bounded(1);
                let (b, from_b) = bounded(1);
                let (c, from_c) = bounded(1);
                a.send(()).await?;
                b.send(()).await?;
                c.send(()).await?;
                let arm = select! {
                    _ = from_a.recv() => 0,
                    _ = from_b.recv() => 1,
                    _ = from_c.recv() => 2,
                };
                seen[arm].fetch_add(1, Ordering::Relaxed);
                roundrock::Ok(())
            }
        });
        found.expect("every arm may win");
    };
    run(1, Arc::clone(&seen));
    assert_eq!(
        seen[1].load(Ordering::Relaxed) + seen[2].load(Ordering::Relaxed),
        0
    );
    run(64, seen);
    assert!(
        wins.iter().all(|wins| wins.load(Ordering::Relaxed) > 0),
        "{wins:?}"
    );
}

#[test]
fn what_users_draw_is_searched_and_made_small() {
    let search = Simulation::new("draws").seeds(1000);
    let failure = search.run(|_sim: Sim| async {
        let mut rng = roundrock::rng();
        let drawn: Vec<u64> = (0..5).map(|_| rng.below(100)).collect();
        let large = drawn.iter().filter(|&&n| n >= 40).count();
        ensure!(large < 3, "three of {drawn:?} are large");
        roundrock::Ok(())
    });
    let failure = failure.expect_err("found");
    let values: Vec<u32> = failure
        .shrunk
        .values()
        .iter()
        .copied()
        .filter(|&n| n > 0)
        .collect();
    assert_eq!(values, [40, 40, 40], "{failure}");
}

#[test]
fn what_differs_from_run_to_run_is_reported_with_the_step() {
    let runs = Arc::new(AtomicU32::new(0));
    let search = Simulation::new("unsteady").seeds(8);
    let failure = search.run(move |sim: Sim| {
        let run = runs.fetch_add(1, Ordering::Relaxed);
        async move {
            for _ in 0..2 + run % 2 {
                sim.task("sometimes", async {});
            }
            sim.settle().await;
        }
    });
    let failure = failure.expect_err("the number of processes differs");
    let Reason::Nondeterministic(text) = &failure.reason else {
        panic!("{failure}");
    };
    assert!(text.contains("HashMap") && text.contains("step"), "{text}");
}

#[test]
fn a_livelock_ends_at_the_limit_of_steps() {
    let search = Simulation::new("livelock").seeds(1).max_steps(5_000);
    let failure = search.run(|sim: Sim| async move {
        let (ball, catch) = bounded::<u32>(1);
        let back = ball.clone();
        sim.task("left", async move {
            while let Some(n) = catch.recv().await {
                back.send(n).await?;
            }
            roundrock::Ok(())
        });
        ball.send(1).await?;
        sim.stopping().await;
        roundrock::Ok(())
    });
    let failure = failure.expect_err("it never ends");
    assert_eq!(
        failure.reason.to_string(),
        "the run did not end within 5000 steps, and for the last 5000 of them time stood still at 0ns: a livelock, or set `max_steps` higher; who looks in a loop for what a timer does must `sleep` in between, because time moves only when nobody can run"
    );
}

#[test]
fn a_ticker_that_nobody_stops_is_no_livelock_by_its_words() {
    let search = Simulation::new("ticker").seeds(1).max_steps(5_000);
    let failure = search.run(|sim: Sim| async move {
        sim.task("ticker", async {
            loop {
                sleep(secs(1)).await;
            }
            #[expect(unreachable_code, reason = "says what it returns")]
            roundrock::Ok(())
        });
        sleep(secs(10_000)).await;
        roundrock::Ok(())
    });
    let text = failure.expect_err("10,000 ticks take more").to_string();
    assert!(text.contains("in which time went on to"), "{text}");
    assert!(text.contains("`max_steps` must be higher"), "{text}");
}

#[test]
fn a_busy_process_does_not_starve_the_others() {
    let search = Simulation::new("busy").seeds(16);
    let found = search.run(|sim: Sim| async move {
        let (done, is_done) = oneshot::<()>();
        let (noise, heard) = roundrock::unbounded::channel();
        let busy = sim.task("busy", async move {
            // It never waits by itself: only a point at which it is interrupted lets the other one run.
            for n in 0.. {
                noise.send(n).await?;
                if heard.try_recv().is_ok_and(|n| n == 20_000) {
                    break;
                }
            }
            roundrock::Ok(())
        });
        let begun = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&begun);
        sim.task("other", async move {
            other.store(1, Ordering::Relaxed);
            drop(done);
        });
        is_done.await;
        assert_eq!(begun.load(Ordering::Relaxed), 1);
        busy.kill();
        roundrock::Ok(())
    });
    found.expect("the other one runs too");
}

#[test]
fn the_first_failure_is_the_cause_and_not_what_follows() {
    let failure = Simulation::new("cause").run(|sim: Sim| async move {
        let (jobs, inbox) = bounded::<u32>(1);
        sim.task("reader", async move {
            let job = inbox.recv().await;
            assert_eq!(job, Some(7), "the first job");
        });
        for job in 0.. {
            jobs.send(job).await?;
        }
        roundrock::Ok(())
    });
    let failure = failure.expect_err("the reader panics");
    assert!(
        matches!(&failure.reason, Reason::Panicked { process, message, site: Some(site), .. }
            if process.starts_with("reader") && message.contains("the first job") && site.contains("schedules.rs")),
        "{failure}"
    );
}

#[test]
fn the_report_says_what_happened_and_how_to_see_it_again() {
    let failure = find(Strategy::Mix);
    let report = failure.to_string();
    let seed = failure.seed.expect("found by a seed");
    for part in [
        "lost_update: `test` panicked at",
        "an addition was lost",
        "is interrupted before: send [sim/schedules.rs:",
        "adder#",
        &format!("ROUNDROCK_SEED={seed} cargo test lost_update"),
        &format!("ROUNDROCK_TAPE='{}' cargo test lost_update", failure.shrunk),
        &format!("#[roundrock::test(tape = \"{}\")]", failure.shrunk),
    ] {
        assert!(report.contains(part), "`{part}` is not in\n{report}");
    }
    assert!(!report.contains("root#"), "{report}");
    assert!(!report.contains("stop#"), "{report}");
}

#[roundrock::test(
    tape = "2.1",
    seeds = 3,
    strategy = "random",
    leaks = "deny",
    tokio = false
)]
#[should_panic(expected = "the sum is wrong")]
async fn a_failure_fails_the_test(_sim: &Sim) -> Result<()> {
    bail!("the sum is wrong")
}

#[roundrock::test(real, workers = 2)]
async fn on_threads(scope: &Scope) -> Result<()> {
    let counter = scope.spawn(Counter { n: 0 });
    counter.add(3).await?;
    assert_eq!(counter.get().await?, 3);
    assert_eq!(scope.system().workers(), 2);
    Ok(())
}

#[roundrock::test(real)]
#[should_panic(expected = "no luck")]
async fn a_failure_on_threads_fails_the_test(_scope: &Scope) -> Result<()> {
    bail!("no luck")
}

/// P13: no arm that is ready is passed over for ever, in the boring run neither.
#[roundrock::test(max_steps = 2000)]
async fn a_select_comes_to_all_its_arms(_sim: &Sim) -> Result<()> {
    let (again, work) = bounded(1);
    let (stop, quit) = bounded(1);
    again.send(()).await?;
    stop.send(()).await?;
    loop {
        select! {
            _ = work.recv() => again.send(()).await?,
            _ = quit.recv() => return Ok(()),
        }
    }
}

#[process]
struct Door {
    knocks: u32,
    open: bool,
}

#[handlers]
impl Door {
    fn is_open(&mut self) -> bool {
        self.knocks += 1;
        self.open
    }
    fn open(&mut self) {
        self.open = true;
    }
}

/// Two processes that ask and answer are always ready in turn; who is to change the answer comes to it all the same, whatever the
/// priorities are, and long before the run is taken for a livelock.
#[test]
fn a_loop_that_asks_starves_nobody() {
    for strategy in [
        Strategy::Pct,
        Strategy::Holds,
        Strategy::Random,
        Strategy::Pos,
        Strategy::Urw,
    ] {
        let search = Simulation::new("asks").seeds(200).strategy(strategy);
        let found = search.max_steps(10_000).run(|sim: Sim| async move {
            let door = sim.spawn(Door {
                knocks: 0,
                open: false,
            });
            let opens = door.clone();
            sim.task("opens", async move {
                // Many operations, each of which could be put off for ever.
                let (step, steps) = bounded(1);
                for n in 0..20 {
                    step.send(n).await?;
                    steps.recv().await;
                }
                opens.open().await?;
                roundrock::Ok(())
            });
            while !door.is_open().await? {}
            roundrock::Ok(())
        });
        found.unwrap_or_else(|failure| panic!("{strategy:?}: {failure}"));
    }
}

/// Who waits in a loop for somebody that has failed does not hide why it waits, and does not make the run long.
#[test]
fn a_failure_is_the_reason_also_when_others_go_on_for_ever() {
    let search = Simulation::new("spins").seeds(1).shrink(Duration::ZERO);
    let failure = search.run(|sim: Sim| async move {
        let door = sim.spawn(Door {
            knocks: 0,
            open: false,
        });
        let asks = door.clone();
        sim.task("asks", async move {
            while !asks.is_open().await? {}
            roundrock::Ok(())
        });
        let breaks = sim.task("breaks", async move {
            door.is_open().await?;
            assert!(door.is_open().await?, "it cannot be opened");
            roundrock::Ok(())
        });
        breaks.await
    });
    let failure = failure.expect_err("nobody opens the door");
    let Reason::Panicked { message, .. } = &failure.reason else {
        panic!("{failure}");
    };
    assert_eq!(message, "it cannot be opened");
    assert!(failure.steps < 50_000, "{} steps", failure.steps);
}

/// A literal of several lines stays what it is.
#[roundrock::test]
#[should_panic(
    expected = "async fn a_failure_with_a_long_text_seed_0(sim: &Sim) {\n    let _ = sim;\n    let text = \"one\n two\";"
)]
async fn a_failure_with_a_long_text(sim: &Sim) {
    let _ = sim;
    let text = "one
 two";
    assert_eq!(text.len(), 7);
}

/// What is to be pasted is the whole test, with its body.
#[roundrock::test(seeds = 2)]
#[should_panic(
    expected = "async fn a_failure_can_be_pasted_seed_0(sim: &Sim) -> Result<()> {\n        let (sender, receiver) = bounded::<u32>(1);\n\n        sender.send(1).await?;"
)]
async fn a_failure_can_be_pasted(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded::<u32>(1);

    sender.send(1).await?;
    sim.settle().await;
    assert_eq!(receiver.recv().await, Some(2));
    Ok(())
}

/// A run that never ends has tens of thousands of choices, which nobody wants in a terminal.
#[test]
fn a_tape_that_is_too_long_is_not_shown() {
    let search = Simulation::new("long").seeds(1).shrink(Duration::ZERO);
    let tape = Tape::new(vec![1; 3000]);
    let failure = search.tape(tape).run(|_sim: Sim| async move {
        let mut rng = roundrock::rng();
        let drawn = (0..3000).filter(|_| rng.below(10) > 0);
        assert!(drawn.count() < 100, "so many");
    });
    let text = failure.expect_err("so many are drawn").to_string();
    assert!(!text.contains("ROUNDROCK_TAPE"), "{text}");
    assert!(text.contains("which is too long to show"), "{text}");
}

/// The regression test with such a tape is in a file, from which it can be copied; the run that it makes fails in the same way.
#[test]
fn a_regression_test_with_a_long_tape_is_in_a_file() {
    let draws = |_sim: Sim| async move {
        let mut rng = roundrock::rng();
        let drawn = (0..3000).filter(|_| rng.below(10) > 0);
        assert!(drawn.count() < 100, "so many");
    };
    let search = Simulation::new("kept").seeds(1).shrink(Duration::ZERO);
    let search = search.tape(Tape::new(vec![1; 3000]));
    let search = search.source("(sim: &Sim) { draws(sim) }", true);
    let report = catch_unwind(AssertUnwindSafe(|| roundrock::sim::run_test(search, draws)));
    let report = report.expect_err("so many are drawn");
    let report = report.downcast_ref::<String>().expect("a report");
    let line = report.lines().last().unwrap_or_default();
    let file = line.strip_prefix("  a regression test with that tape is in ");
    let file = file.unwrap_or_else(|| panic!("{report}"));
    assert!(file.contains("/roundrock/kept_again.rs"), "{file}");
    let text = fs::read_to_string(file).expect("it was written");
    let (tape, rest) = text
        .strip_prefix("#[roundrock::test(tape = \"")
        .and_then(|text| text.split_once('"'))
        .expect("the attribute");
    assert_eq!(rest, ")]\nasync fn kept_again(sim: &Sim) { draws(sim) }\n");
    let tape: Tape = tape.parse().expect("a tape");
    let failure = Simulation::new("kept").replay(&tape, draws);
    let text = failure.expect_err("the same run").reason.to_string();
    assert!(text.ends_with("so many"), "{text}");
}

/// Who waits in a loop that lets others go first does not keep them from what it waits for, whatever the priorities are.
#[test]
fn a_loop_that_yields_starves_nobody() {
    for strategy in crate::STRATEGIES {
        let search = Simulation::new("spins").seeds(200).strategy(strategy);
        let found = search.max_steps(5000).run(|sim: Sim| async move {
            let (numbers, inbox) = rendezvous::<u32>();
            let feeder = sim.task("feeder", async move {
                for n in 0..20 {
                    numbers.send(n).await?;
                }
                roundrock::Ok(())
            });
            let seen = Arc::new(AtomicU32::new(0));
            let count = Arc::clone(&seen);
            sim.task("counts", async move {
                while inbox.recv().await.is_some() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
            while seen.load(Ordering::SeqCst) < 20 {
                yield_now().await;
            }
            feeder.await
        });
        if let Err(failure) = found {
            panic!("{strategy:?}: {failure}");
        }
    }
}

/// A program that draws until the number suits it comes to an end in every run, also in that of seed 0 and in those of a shrunk tape.
#[roundrock::test(seeds = 8)]
async fn a_program_may_draw_again(_sim: &Sim) {
    let mut rng = roundrock::rng();
    let peer = loop {
        let peer = rng.below(3);
        if peer != 0 {
            break peer;
        }
    };
    assert!(peer < 3);
    while !rng.chance(0.5) {
        sleep(millis(1)).await;
    }
    let ids: BTreeSet<u64> = (0..100).map(|_| rng.u64()).collect();
    assert_eq!(ids.len(), 100, "names that are drawn differ");
}
