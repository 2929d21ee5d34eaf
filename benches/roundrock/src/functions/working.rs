//! Workloads whose processes compute: does the scheduler give the work to all workers, and how soon.

use std::sync::Arc;
use std::time::Duration;

use bench_suite::counts;
use bench_suite::entry::{Arguments, set_workers};
use bench_suite::event::{Event, Tally, rules};
use bench_suite::measure::{Figures, Meter};
use bench_suite::work::{Burst, Work, bursts, scaling};
use roundrock::prelude::*;

use super::router::{sink, source};
use crate::system;

/// Computes for each event, and sends it to the sink that the rules name.
#[process]
async fn route(
    events: &Receiver<Event>,
    work: &Work,
    rules: &[u8; 16],
    sinks: &Vec<Sender<Event>>,
) -> Result<()> {
    while let Some(event) = events.recv().await {
        work.run();
        sinks[event.sink(rules)].send(event).await?;
    }
    Ok(())
}

/// The router with work, on one worker and on two.
pub fn compute(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::COMPUTE_EVENTS);
    let work = Work::lasting(Duration::from_nanos(counts::COMPUTE_NANOS));
    let route_all = |workers| {
        set_workers(workers);
        system(async move |scope| {
            let meter = Meter::start();
            let mut outs = Vec::new();
            let mut sinks = Vec::new();
            for _ in 0..counts::ROUTER_SINKS {
                let (out, events) = bounded(counts::ROUTER_SINK_CAPACITY);
                outs.push(out);
                sinks.push(scope.spawn(sink(events)));
            }
            let (out, events) = rendezvous();
            scope.pool(counts::ROUTER_WORKERS, route(events, work, rules(), outs));
            for number in 0..counts::ROUTER_SOURCES {
                scope.spawn(source(number, each, out.clone()));
            }
            out.finish();
            let mut tally = Tally::default();
            for sink in sinks {
                tally.merge(sink.await?);
            }
            let expected = Tally::expected(counts::ROUTER_SOURCES, each);
            ensure!(tally == expected, "{tally:?}, not {expected:?}");
            Ok(meter.stop(tally.count))
        })
    };
    scaling(route_all(1), route_all(2))
}

/// Works whenever it is woken.
#[process]
async fn worker(bursts: &Receiver<Arc<Burst>>, work: &Work) {
    while let Some(burst) = bursts.recv().await {
        burst.work(*work);
    }
}

/// Processes that wait, and are all woken at once.
pub fn burst(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::BURSTS);
    let work = Work::lasting(Duration::from_nanos(counts::BURST_NANOS));
    system(async move |scope| {
        let mut inputs = Vec::new();
        for _ in 0..counts::BURST_PROCESSES {
            let (input, messages) = bounded(1);
            inputs.push(input);
            scope.spawn(worker(messages, work));
        }
        sleep(millis(50)).await;
        let mut all = Vec::new();
        let meter = Meter::start();
        for number in 1..=count {
            let burst = Arc::new(Burst::begin(number, counts::BURST_PROCESSES));
            for input in &inputs {
                input.send(burst.clone()).await?;
            }
            while burst.over_ns() == 0 {
                sleep(millis(1)).await;
            }
            sleep(millis(1)).await;
            all.extend(Arc::into_inner(burst));
        }
        ensure!(all.len() as u64 == count, "a process still works");
        Ok(bursts(meter.stop(count * counts::BURST_PROCESSES), &all))
    })
}
