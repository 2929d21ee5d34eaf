//! Timers and virtual time. Cases T01 to T11.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock_tests::yield_now;

/// No sleep ends before its time, and in virtual time none after it.
#[roundrock::test]
async fn t01_never_early(sim: &Sim) -> Result<()> {
    let sleepers: Vec<_> = (0..100)
        .map(|_| {
            let nanos = roundrock::rng().below(3_000_000_000);
            sim.task("sleeps", async move {
                let begun = roundrock::time::now();
                let length = std::time::Duration::from_nanos(nanos);
                sleep(length).await;
                roundrock::Ok((roundrock::time::now() - begun, length))
            })
        })
        .collect();
    for sleeper in sleepers {
        let (took, length) = sleeper.await?;
        assert_eq!(took, length);
    }
    Ok(())
}

/// Deadlines that were armed in any order fire in their order; equal ones fire once each.
#[roundrock::test]
async fn t02_timers_fire_in_the_order_of_deadlines(sim: &Sim) -> Result<()> {
    let mut times = [1, 5, 2, 5, 4, 3, 5];
    roundrock::rng().shuffle(&mut times);
    let (fired, order) = bounded(8);
    for time in times {
        let fired = fired.clone();
        sim.task("sleeps", async move {
            sleep(millis(time)).await;
            fired.send(time).await
        });
    }
    fired.finish();
    let mut seen = Vec::new();
    while let Some(time) = order.recv().await {
        assert_eq!(sim.now(), millis(time));
        seen.push(time);
    }
    assert_eq!(seen, [1, 2, 3, 4, 5, 5, 5]);
    Ok(())
}

/// How often a future is polled until it is ready.
async fn polls(future: impl Future<Output = ()>) -> u32 {
    let mut future = pin!(future);
    let mut polls = 0;
    poll_fn(|cx| {
        polls += 1;
        future.as_mut().poll(cx)
    })
    .await;
    polls
}

/// A sleep of nothing, and one whose time has passed, take no time, but let others come first.
#[roundrock::test]
async fn t03_zero_and_past(sim: &Sim) {
    assert_eq!(polls(sleep(millis(0))).await, 2);
    assert_eq!(sim.now(), millis(0));
    let begun = roundrock::time::now();
    sleep(millis(3)).await;
    assert_eq!(polls(roundrock::time::sleep_until(begun)).await, 2);
    assert_eq!(sim.now(), millis(3));
}

/// And they do come first, in the run that everybody would write down.
#[roundrock::test(seeds = 1)]
async fn t03_others_come_first(sim: &Sim) {
    for past in [false, true] {
        let ran = Arc::new(AtomicU32::new(0));
        let other = Arc::clone(&ran);
        sim.task("other", async move {
            other.fetch_add(1, Ordering::SeqCst);
        });
        if past {
            roundrock::time::sleep_until(roundrock::time::now()).await;
        } else {
            sleep(millis(0)).await;
        }
        assert_eq!(ran.load(Ordering::SeqCst), 1, "past: {past}");
    }
}

/// The k-th tick comes at k periods, however long the ticks are handled.
#[roundrock::test]
async fn t06_interval_does_not_drift(sim: &Sim) {
    let mut ticks = interval(millis(10));
    for k in 1..=20 {
        ticks.next().await;
        assert_eq!(sim.now(), millis(10 * k));
        sleep(millis(3)).await;
    }
}

/// Time stands still while anything can run.
#[roundrock::test]
async fn t11_time_moves_only_when_nothing_can_run(sim: &Sim) -> Result<()> {
    let yields = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&yields);
    sim.task("busy", async move {
        for _ in 0..1000 {
            count.fetch_add(1, Ordering::SeqCst);
            yield_now().await;
        }
    });
    sleep(millis(1)).await;
    assert_eq!(yields.load(Ordering::SeqCst), 1000);
    Ok(())
}

/// A year passes at once.
#[roundrock::test(seeds = 4)]
async fn t12_a_year_takes_no_time(sim: &Sim) {
    let year = secs(365 * 24 * 3600);
    sim.advance(year).await;
    assert_eq!(sim.now(), year);
}
