//! The router: many sources, some workers that compete for their events, and sinks.

use super::traits::{Channel, Runtime, System, least};
use crate::counts;
use crate::entry::Arguments;
use crate::event::{Event, Tally, rules};
use crate::measure::{Figures, Meter};
use crate::work::Work;

/// A rendezvous from the sources to the workers, and a small buffer before each sink.
pub fn router<S: System>(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ROUTER_EVENTS);
    let expected = Tally::expected(counts::ROUTER_SOURCES, each);
    let figures = S::Runtime::run(async move {
        let meter = Meter::start();
        let tally = route_all::<S>(each, None).await;
        assert_eq!(tally, expected);
        meter.stop(tally.count)
    });
    let kind = if S::Mpmc::ZERO {
        "rendezvous"
    } else {
        "capacity 1 for a rendezvous"
    };
    figures.note(kind).note(S::Mpmc::NOTE).note(S::NOTE_MPMC)
}

/// Sends the events of all sources through the workers, which do some work for each if there is any.
pub(super) async fn route_all<S: System>(each: u64, work: Option<Work>) -> Tally {
    let mut outs = Vec::new();
    let mut sinks = Vec::new();
    for _ in 0..counts::ROUTER_SINKS {
        let (out, mut events) = S::Mpsc::bounded::<Event>(counts::ROUTER_SINK_CAPACITY);
        outs.push(out);
        sinks.push(S::Runtime::spawn(async move {
            let mut tally = Tally::default();
            while let Some(event) = S::Mpsc::recv(&mut events).await {
                tally.add(&event);
            }
            tally
        }));
    }
    let (out, events) = S::Mpmc::bounded::<Event>(least::<S::Mpmc>());
    let mut inputs = vec![events];
    for _ in 1..counts::ROUTER_WORKERS {
        inputs.push(S::Mpmc::clone_receiver(&inputs[0]));
    }
    let mut tasks = Vec::new();
    for mut events in inputs {
        let mut outs: Vec<_> = outs.iter().map(S::Mpsc::clone_sender).collect();
        let rules = rules();
        tasks.push(S::Runtime::spawn(async move {
            while let Some(event) = S::Mpmc::recv(&mut events).await {
                if let Some(work) = work {
                    work.run();
                }
                S::Mpsc::send(&mut outs[event.sink(&rules)], event).await;
            }
        }));
    }
    drop(outs);
    for source in 0..counts::ROUTER_SOURCES {
        let mut out = S::Mpmc::clone_sender(&out);
        tasks.push(S::Runtime::spawn(async move {
            for number in 0..each {
                S::Mpmc::send(&mut out, Event::new(source, number)).await;
            }
        }));
    }
    drop(out);
    for task in tasks {
        S::Runtime::join(task).await;
    }
    let mut tally = Tally::default();
    for sink in sinks {
        tally.merge(S::Runtime::join(sink).await);
    }
    tally
}
