//! The router: many sources, some workers that compete for their events, and sinks.

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::event::{Event, Tally, rules};
use bench_suite::measure::{Figures, Meter};
use roundrock::prelude::*;

use crate::system;

/// Sends its events.
#[process]
pub async fn source(number: u64, events: u64, out: &Sender<Event>) -> Result<()> {
    for event in 0..events {
        out.send(Event::new(number, event)).await?;
    }
    Ok(())
}

/// Sends each event to the sink that the rules name.
#[process]
async fn route(
    events: &Receiver<Event>,
    rules: &[u8; 16],
    sinks: &Vec<Sender<Event>>,
) -> Result<()> {
    while let Some(event) = events.recv().await {
        sinks[event.sink(rules)].send(event).await?;
    }
    Ok(())
}

/// Counts what comes.
#[process]
pub async fn sink(events: &Receiver<Event>) -> Result<Tally> {
    let mut tally = Tally::default();
    while let Some(event) = events.recv().await {
        tally.add(&event);
    }
    Ok(tally)
}

/// A rendezvous from the sources to the workers, and a small buffer before each sink.
pub fn router(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ROUTER_EVENTS);
    let expected = Tally::expected(counts::ROUTER_SOURCES, each);
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
        scope.pool(counts::ROUTER_WORKERS, route(events, rules(), outs));
        for number in 0..counts::ROUTER_SOURCES {
            scope.spawn(source(number, each, out.clone()));
        }
        out.finish();
        let mut tally = Tally::default();
        for sink in sinks {
            tally.merge(sink.await?);
        }
        ensure!(tally == expected, "{tally:?}, not {expected:?}");
        Ok(meter.stop(tally.count).note("rendezvous"))
    })
}
