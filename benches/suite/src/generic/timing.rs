//! Workloads about time: what idle processes cost, how timers keep their time, and who runs beside busy loops.

use std::hint::black_box;
use std::time::{Duration, Instant};

use super::processes::start_idle;
use super::traits::{Runtime, System};
use crate::counts;
use crate::entry::Arguments;
use crate::measure::{Figures, Meter, lateness};

/// The CPU time of a system in which all processes wait.
pub fn idle_cpu<S: System>(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    S::Runtime::run(async move {
        let (_idle, waiting) = start_idle::<S>(count).await;
        let meter = Meter::start();
        S::Runtime::sleep(Duration::from_secs(counts::PARKED_SECONDS)).await;
        let figures = meter.stop(count);
        for (sender, task) in waiting {
            drop(sender);
            S::Runtime::join(task).await;
        }
        figures
    })
}

/// Wakes once a second, and returns its worst lateness in nanoseconds.
async fn tick<S: System>() -> u64 {
    let begun = Instant::now();
    let mut worst = 0;
    for second in 1..=counts::PARKED_SECONDS {
        let due = Duration::from_secs(second);
        S::Runtime::sleep(due.saturating_sub(begun.elapsed())).await;
        worst = worst.max(lateness(begun, due));
    }
    worst
}

/// Many processes that wake once a second.
pub fn timers<S: System>(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    let figures = S::Runtime::run(async move {
        let meter = Meter::start();
        let tickers: Vec<_> = (0..count).map(|_| S::Runtime::spawn(tick::<S>())).collect();
        let mut worst = Vec::with_capacity(tickers.len());
        for ticker in tickers {
            worst.push(S::Runtime::join(ticker).await);
        }
        meter.stop(count * counts::PARKED_SECONDS).latencies(worst)
    });
    figures.note("latencies: worst lateness of each process")
}

/// Sleeps a millisecond at a time until the end; returns how late each wake between `start` and the end was.
pub async fn ticker<S: System>(start: Instant, end: Instant) -> Vec<u64> {
    let mut late = Vec::new();
    while Instant::now() < end {
        let begun = Instant::now();
        S::Runtime::sleep(Duration::from_millis(1)).await;
        if begun > start {
            late.push(lateness(begun, Duration::from_millis(1)));
        }
    }
    late
}

/// Keeps its thread busy until the end.
pub fn busy(end: Instant) {
    let mut number = 0u64;
    while Instant::now() < end {
        for step in 0..1000 {
            number = black_box(number.wrapping_mul(31).wrapping_add(step));
        }
    }
}

/// The figures of `fairness`.
pub fn fair(meter: Meter, late: Vec<u64>) -> Figures {
    let ticks = late.len() as f64;
    meter.stop(1).with("ticks", ticks).latencies(late)
}

/// A process that sleeps a millisecond at a time, beside as many busy loops as there are workers.
pub fn fairness<S: System>(_arguments: &Arguments) -> Figures {
    S::Runtime::run(async move {
        let meter = Meter::start();
        let start = Instant::now() + Duration::from_millis(50);
        let end = start + Duration::from_secs(counts::BUSY_SECONDS);
        let ticker = S::Runtime::spawn(ticker::<S>(start, end));
        S::Runtime::sleep(start.saturating_duration_since(Instant::now())).await;
        for _ in 0..2 {
            S::Runtime::detach(S::Runtime::spawn(async move { busy(end) }));
        }
        fair(meter, S::Runtime::join(ticker).await)
    })
}
