//! Workloads about time: what idle processes cost, how timers keep their time, and who runs beside busy loops.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter, lateness};
use roundrock::prelude::*;

use super::processes::start_idle;
use crate::system;

/// The CPU time of a system in which all processes wait.
pub fn idle_cpu(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    system(async move |scope| {
        let (_idle, waiting) = start_idle(&scope, count).await;
        let meter = Meter::start();
        sleep(secs(counts::PARKED_SECONDS)).await;
        let figures = meter.stop(count);
        drop(waiting);
        Ok(figures)
    })
}

/// Wakes once a second, and returns its worst lateness in nanoseconds.
#[process]
async fn tick() -> Result<u64> {
    let begun = Instant::now();
    let mut worst = 0;
    for second in 1..=counts::PARKED_SECONDS {
        let due = Duration::from_secs(second);
        sleep(due.saturating_sub(begun.elapsed())).await;
        worst = worst.max(lateness(begun, due));
    }
    Ok(worst)
}

/// Many processes that wake once a second.
pub fn timers(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    system(async move |scope| {
        let meter = Meter::start();
        let tickers: Vec<_> = (0..count).map(|_| scope.spawn(tick())).collect();
        let mut worst = Vec::with_capacity(tickers.len());
        for ticker in tickers {
            worst.push(ticker.await?);
        }
        let figures = meter.stop(count * counts::PARKED_SECONDS);
        Ok(figures
            .latencies(worst)
            .note("latencies: worst lateness of each process"))
    })
}

/// Keeps its worker busy, without an await, until the end.
#[process]
async fn hog(end: Instant) {
    let mut number = 0u64;
    while Instant::now() < end {
        for step in 0..1000 {
            number = black_box(number.wrapping_mul(31).wrapping_add(step));
        }
    }
}

/// Sleeps a millisecond at a time until the end; returns how late each wake between `start` and the end was.
#[process]
async fn ticker(start: Instant, end: Instant) -> Result<Vec<u64>> {
    let mut late = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        sleep(millis(1)).await;
        if begun > start {
            late.push(lateness(begun, Duration::from_millis(1)));
        }
    }
    Ok(late)
}

/// A process that sleeps a millisecond at a time, beside as many busy loops as there are workers.
pub fn fairness(_arguments: &Arguments) -> Figures {
    system(async move |scope| {
        let meter = Meter::start();
        let start = Instant::now() + Duration::from_millis(50);
        let end = start + Duration::from_secs(counts::BUSY_SECONDS);
        let ticker = scope.spawn(ticker(start, end));
        sleep(start.saturating_duration_since(Instant::now())).await;
        for _ in 0..2 {
            scope.spawn(hog(end));
        }
        let late = ticker.await?;
        let figures = meter.stop(1);
        Ok(figures.with("ticks", late.len() as f64).latencies(late))
    })
}
