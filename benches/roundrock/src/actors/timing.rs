//! Workloads about time: what idle processes cost, and how timers keep their time.

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
        let waiting = start_idle(&scope, count).await;
        let meter = Meter::start();
        sleep(secs(counts::PARKED_SECONDS)).await;
        let figures = meter.stop(count);
        drop(waiting);
        Ok(figures)
    })
}

/// Ticks once a second.
#[process]
struct Ticker {
    begun: Instant,
    ticks: u64,
    worst: u64,
    out: Sender<u64>,
}

#[handlers]
impl Ticker {
    #[on_start]
    fn begin(&mut self) {
        self.begun = Instant::now();
    }

    #[every("1s")]
    async fn tick(&mut self, cx: &mut Cx<Self>) -> Result<()> {
        self.ticks += 1;
        let due = Duration::from_secs(self.ticks);
        self.worst = self.worst.max(lateness(self.begun, due));
        if self.ticks == counts::PARKED_SECONDS {
            self.out.send(self.worst).await?;
            cx.stop();
        }
        Ok(())
    }
}

/// Many structs with a handler that runs once a second.
pub fn timers(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    system(async move |scope| {
        let (out, results) = bounded(64);
        let meter = Meter::start();
        let tickers: Vec<_> = (0..count)
            .map(|_| {
                scope.spawn(Ticker {
                    begun: Instant::now(),
                    ticks: 0,
                    worst: 0,
                    out: out.clone(),
                })
            })
            .collect();
        out.finish();
        let mut worst = Vec::with_capacity(tickers.len());
        while let Some(late) = results.recv().await {
            worst.push(late);
        }
        let figures = meter.stop(worst.len() as u64 * counts::PARKED_SECONDS);
        ensure!(
            worst.len() as u64 == count,
            "{} of {count} ended",
            worst.len()
        );
        Ok(figures
            .latencies(worst)
            .note("latencies: worst lateness of each process"))
    })
}
