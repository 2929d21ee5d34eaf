//! Workloads whose processes compute: does the scheduler give the work to all workers, and how soon.

use std::sync::Arc;
use std::time::Duration;

use super::router::route_all;
use super::traits::{Channel, Runtime, System};
use crate::counts;
use crate::entry::{Arguments, set_workers};
use crate::event::Tally;
use crate::measure::{Figures, Meter};
use crate::work::{Burst, Work, bursts, scaling};

/// The router with work, on one worker and on two. For systems that start as many workers as
/// [`workers`](crate::entry::workers) says.
pub fn compute<S: System>(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::COMPUTE_EVENTS);
    let work = Work::lasting(Duration::from_nanos(counts::COMPUTE_NANOS));
    let on = |workers| {
        set_workers(workers);
        S::Runtime::run(async move {
            let meter = Meter::start();
            let tally = route_all::<S>(each, Some(work)).await;
            assert_eq!(tally, Tally::expected(counts::ROUTER_SOURCES, each));
            meter.stop(tally.count)
        })
    };
    scaling(on(1), on(2))
}

/// Processes that wait, and are all woken at once.
pub fn burst<S: System>(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::BURSTS);
    let work = Work::lasting(Duration::from_nanos(counts::BURST_NANOS));
    S::Runtime::run(async move {
        let mut inputs = Vec::new();
        for _ in 0..counts::BURST_PROCESSES {
            let (input, mut messages) = S::Mpsc::bounded::<Arc<Burst>>(1);
            inputs.push(input);
            S::Runtime::detach(S::Runtime::spawn(async move {
                while let Some(burst) = S::Mpsc::recv(&mut messages).await {
                    burst.work(work);
                }
            }));
        }
        S::Runtime::sleep(Duration::from_millis(50)).await;
        let mut all = Vec::new();
        let meter = Meter::start();
        for number in 1..=count {
            let burst = Arc::new(Burst::begin(number, counts::BURST_PROCESSES));
            for input in &mut inputs {
                S::Mpsc::send(input, Arc::clone(&burst)).await;
            }
            while burst.over_ns() == 0 {
                S::Runtime::sleep(Duration::from_millis(1)).await;
            }
            S::Runtime::sleep(Duration::from_millis(1)).await;
            all.extend(Arc::into_inner(burst));
        }
        assert_eq!(all.len() as u64, count, "a process still works");
        bursts(meter.stop(count * counts::BURST_PROCESSES), &all)
    })
}
