//! rayon: no processes and no channels, but the same computing on a pool that does nothing else.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bench_suite::counts;
use bench_suite::entry::{self, Arguments};
use bench_suite::event::{Event, Tally};
use bench_suite::measure::{Figures, Meter};
use bench_suite::work::{Burst, Work, bursts, scaling};
use rayon::prelude::*;
use rayon::{ThreadPool, ThreadPoolBuilder};

fn pool(threads: usize) -> ThreadPool {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.expect("the threads start")
}

/// The events of all sources, with work for each.
fn compute(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::COMPUTE_EVENTS);
    let work = Work::lasting(Duration::from_nanos(counts::COMPUTE_NANOS));
    let on = |threads| {
        pool(threads).install(|| {
            let meter = Meter::start();
            let tally = (0..counts::ROUTER_SOURCES * each)
                .into_par_iter()
                .fold(Tally::default, |mut tally, number| {
                    work.run();
                    tally.add(&Event::new(number / each, number % each));
                    tally
                })
                .reduce(Tally::default, |mut all, tally| {
                    all.merge(tally);
                    all
                });
            assert_eq!(tally, Tally::expected(counts::ROUTER_SOURCES, each));
            meter.stop(tally.count)
        })
    };
    scaling(on(1), on(2)).note("no router: a parallel iterator over the events")
}

/// A job for each process, spawned at once.
fn burst(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::BURSTS);
    let work = Work::lasting(Duration::from_nanos(counts::BURST_NANOS));
    let pool = pool(2);
    let meter = Meter::start();
    let all: Vec<Burst> = (1..=count)
        .filter_map(|number| {
            let burst = Arc::new(Burst::begin(number, counts::BURST_PROCESSES));
            pool.scope(|scope| {
                for _ in 0..counts::BURST_PROCESSES {
                    let burst = Arc::clone(&burst);
                    scope.spawn(move |_| burst.work(work));
                }
            });
            Arc::into_inner(burst)
        })
        .collect();
    assert_eq!(all.len() as u64, count);
    bursts(meter.stop(count * counts::BURST_PROCESSES), &all).note("jobs are spawned, not woken")
}

fn main() -> ExitCode {
    entry::main("rayon", &[("compute", compute), ("burst", burst)])
}
