//! Virtual time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Instant;

use roundrock::prelude::*;
use roundrock::sim::{Reason, Simulation};
use roundrock::time::now;

/// Timers that are due at the same moment are as racy as anything: the second fires between any two steps of what the first
/// has woken.
#[test]
fn those_who_are_woken_at_the_same_moment_interleave() {
    let failure = Simulation::new("same moment").run(|sim: Sim| async move {
        let account = sim.spawn(Account { balance: 0 });
        let both = (0..2).map(|_| {
            let account = account.clone();
            sim.task("adds", async move {
                sleep(millis(10)).await;
                let balance = account.get().await?;
                account.set(balance + 1).await?;
                roundrock::Ok(())
            })
        });
        let mut both: JoinSet<_> = both.collect();
        while let Some(ended) = both.join_next().await {
            ended?;
        }
        assert_eq!(account.get().await?, 2, "an addition was lost");
        roundrock::Ok(())
    });
    let failure = failure.expect_err("both read before one writes");
    assert!(failure.to_string().contains("an addition was lost"));
}

#[process]
struct Account {
    balance: u32,
}

#[handlers]
impl Account {
    fn get(&self) -> u32 {
        self.balance
    }
    fn set(&mut self, balance: u32) {
        self.balance = balance;
    }
}

#[roundrock::test(seeds = 4)]
async fn a_year_takes_no_time(sim: &Sim) -> Result<()> {
    let begun = Instant::now();
    assert_eq!(sim.now(), millis(0));
    sleep(secs(365 * 24 * 3600)).await;
    assert_eq!(sim.now(), secs(365 * 24 * 3600));
    assert!(begun.elapsed() < secs(5));
    Ok(())
}

#[roundrock::test]
async fn time_stands_while_anything_can_run(sim: &Sim) -> Result<()> {
    let (jobs, inbox) = rendezvous::<u32>();
    let worker = sim.task("worker", async move {
        let mut sum = 0;
        while let Some(job) = inbox.recv().await {
            sum += job;
        }
        roundrock::Ok(sum)
    });
    for job in 0..100 {
        jobs.send(job).within(millis(1)).await?;
    }
    jobs.finish();
    assert_eq!(worker.await?, 4950);
    assert_eq!(sim.now(), millis(0));
    Ok(())
}

#[roundrock::test]
async fn timers_fire_in_the_order_of_their_deadlines_and_exactly(sim: &Sim) -> Result<()> {
    let probe = sim.probe("fired");
    for ms in [30, 10, 20] {
        let fired = probe.sender();
        let begun = now();
        sim.task("sleeper", async move {
            sleep(millis(ms)).await;
            assert_eq!(now() - begun, millis(ms));
            fired.send(ms).await
        });
    }
    for ms in [10, 20, 30] {
        probe.expect(ms).await;
        assert_eq!(sim.now(), millis(ms));
    }
    probe.expect_closed().await;
    Ok(())
}

#[test]
fn equal_deadlines_fire_in_any_order() {
    let first_wins = Arc::new([const { AtomicU32::new(0) }; 2]);
    let seen = Arc::clone(&first_wins);
    let search = Simulation::new("equal").seeds(64);
    let found = search.run(move |sim: Sim| {
        let seen = Arc::clone(&seen);
        async move {
            let (out, inbox) = bounded(2);
            for n in 0..2 {
                let out = out.clone();
                sim.task("sleeper", async move {
                    sleep(millis(5)).await;
                    out.send(n).await
                });
            }
            let first = inbox.recv().await.unwrap_or(0);
            seen[first].fetch_add(1, Ordering::Relaxed);
            roundrock::Ok(())
        }
    });
    found.expect("both orders are right");
    assert!(
        first_wins.iter().all(|n| n.load(Ordering::Relaxed) > 5),
        "{first_wins:?}"
    );
}

#[test]
fn a_timer_and_a_message_of_the_same_moment_race() {
    let search = Simulation::new("race").seeds(1000);
    let failure = search.run(|sim: Sim| async move {
        let (answer, inbox) = bounded(1);
        sim.task("slow", async move {
            sleep(secs(1)).await;
            answer.send(7).await
        });
        let answer = inbox.recv().within(secs(1)).await;
        ensure!(answer.is_ok(), "the time-out came first");
        roundrock::Ok(())
    });
    assert!(failure.expect_err("it may come first").shrunk.deviations() <= 1);
}

#[roundrock::test]
async fn advance_lets_everything_happen_that_is_due(sim: &Sim) -> Result<()> {
    let ticks = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&ticks);
    let clock = sim.clone();
    sim.task("ticker", async move {
        let mut tick = interval(millis(10));
        loop {
            select! {
                _ = tick.next() => { count.fetch_add(1, Ordering::Relaxed); }
                _ = clock.stopping() => break,
            }
        }
    });
    sim.settle().await;
    sim.advance(millis(100)).await;
    assert_eq!(ticks.load(Ordering::Relaxed), 10);
    assert_eq!(sim.now(), millis(100));
    sim.advance(millis(9)).await;
    assert_eq!(ticks.load(Ordering::Relaxed), 10);
    sim.advance(millis(1)).await;
    assert_eq!(ticks.load(Ordering::Relaxed), 11);
    Ok(())
}

#[roundrock::test]
async fn settle_waits_for_what_can_run_and_not_for_time(sim: &Sim) -> Result<()> {
    let steps = Arc::new(AtomicU32::new(0));
    let (ball, catch) = bounded(1);
    let count = Arc::clone(&steps);
    sim.task("player", async move {
        while let Some(n) = catch.recv().await {
            count.fetch_add(1, Ordering::Relaxed);
            if n == 0 {
                sleep(secs(1)).await;
                count.fetch_add(100, Ordering::Relaxed);
            }
        }
    });
    for n in (0..20).rev() {
        ball.send(n).await?;
    }
    sim.settle().await;
    assert_eq!(steps.load(Ordering::Relaxed), 20);
    assert_eq!(sim.now(), millis(0));
    sim.run_until({
        let steps = Arc::clone(&steps);
        move || steps.load(Ordering::Relaxed) == 120
    })
    .await;
    assert_eq!(sim.now(), secs(1));
    Ok(())
}

#[test]
fn run_until_something_that_never_holds_is_a_deadlock() {
    let failure = Simulation::new("never")
        .seeds(2)
        .run(|sim: Sim| async move {
            sim.run_until(|| false).await;
        });
    assert_eq!(failure.expect_err("nothing moves").reason, Reason::Deadlock);
}

#[roundrock::test(grace = "60s")]
async fn deadlines_of_calls_follow_virtual_time(sim: &Sim) -> Result<()> {
    #[process]
    struct Slow;
    #[handlers]
    impl Slow {
        async fn work(&mut self, time: std::time::Duration) -> u32 {
            sleep(time).await;
            7
        }
    }
    let slow = sim.spawn(Slow);
    assert_eq!(slow.work(secs(50)).within(secs(60)).await?, 7);
    let late = slow.work(secs(50)).within(secs(49)).await;
    assert!(matches!(late, Err(CallError::Deadline)), "{late:?}");
    assert_eq!(sim.now(), secs(99));
    let inside = sim.within(secs(5));
    let answer = inside.task("caller", {
        let slow = slow.clone();
        async move { roundrock::Ok(slow.work(secs(30)).await.is_err()) }
    });
    assert!(answer.await?);
    Ok(())
}

#[roundrock::test]
async fn a_child_is_restarted_after_its_backoff(sim: &Sim) -> Result<()> {
    #[process]
    async fn flaky(jobs: &Receiver<u32>, starts: &Sender<std::time::Instant>) -> Result<()> {
        starts.send(now()).await?;
        while let Some(job) = jobs.recv().await {
            ensure!(job != 0, "a bad job");
        }
        Ok(())
    }
    let begun = now();
    let (jobs, inbox) = bounded(4);
    let probe = sim.probe("starts");
    let child = flaky(inbox, probe.sender());
    let _flaky = sim.supervise(child).backoff(millis(100)..secs(5)).spawn();
    assert_eq!(probe.next().await - begun, millis(0));
    jobs.send(0).await?;
    let restarted = probe.next().await - begun;
    // The jitter adds up to a quarter.
    assert!(
        (millis(100)..=millis(125)).contains(&restarted),
        "{restarted:?}"
    );
    Ok(())
}

#[roundrock::test(seeds = 16)]
async fn jobs_that_block_run_at_some_point(sim: &Sim) -> Result<()> {
    #[process(cpu)]
    struct Squares;
    #[handlers]
    impl Squares {
        fn of(&self, n: u64) -> u64 {
            n * n
        }
    }
    let squares = sim.spawn(Squares);
    let jobs = sim.task("jobs", async {
        let mut sum = 0;
        for n in 0..5 {
            sum += blocking(move || n).await;
        }
        roundrock::Ok(sum)
    });
    assert_eq!(squares.of(12).await?, 144);
    assert_eq!(jobs.await?, 10);
    assert_eq!(sim.now(), millis(0));
    Ok(())
}

/// Longer than the milliseconds of a clock with 32 bits: 49 days.
#[roundrock::test(seeds = 4)]
async fn times_may_wrap_around(sim: &Sim) -> Result<()> {
    sim.task("daily", async {
        for _ in 0..120 {
            sleep(secs(86_400)).await;
        }
    });
    let (questions, asked) = bounded::<u32>(1);
    let server = sim.task("server", async move {
        let mut all = 0;
        while asked.recv().await.is_some() {
            all += 1;
        }
        roundrock::Ok(all)
    });
    for n in 0..6 {
        sleep(secs(30 * 86_400)).await;
        questions.send(n).await?;
    }
    drop(questions);
    assert_eq!(server.await?, 6);
    Ok(())
}
