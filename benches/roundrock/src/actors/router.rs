//! The router: many sources, a pool of workers that share a mailbox, and sinks.

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::event::{Event, Tally, rules};
use bench_suite::measure::{Figures, Meter};
use roundrock::prelude::*;

use crate::system;

/// Counts what comes.
#[process(mailbox = 8)]
struct Sink {
    tally: Tally,
}

#[handlers]
impl Sink {
    fn take(&mut self, event: Event) {
        self.tally.add(&event);
    }

    fn tally(&self) -> Tally {
        self.tally
    }
}

/// Sends each event to the sink that the rules name.
#[process(mailbox = 1)]
#[derive(Clone)]
struct Worker {
    rules: [u8; 16],
    sinks: Vec<SinkHandle>,
}

#[handlers]
impl Worker {
    async fn route(&mut self, event: Event) -> Result<()> {
        let sink = &self.sinks[event.sink(&self.rules)];
        sink.take(event).send().await?;
        Ok(())
    }
}

/// Sends its events.
#[process]
async fn source(number: u64, events: u64, workers: &WorkerHandle) -> Result<()> {
    for event in 0..events {
        let event = Event::new(number, event);
        workers.route(event).send_and_forget().await?;
    }
    Ok(())
}

/// A mailbox of one message for all the workers, and a small one for each sink.
pub fn router(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ROUTER_EVENTS);
    let expected = Tally::expected(counts::ROUTER_SOURCES, each);
    system(async move |scope| {
        let meter = Meter::start();
        let sinks: Vec<_> = (0..counts::ROUTER_SINKS)
            .map(|_| {
                let tally = Tally::default();
                scope.spawn(Sink { tally })
            })
            .collect();
        let worker = Worker {
            rules: rules(),
            sinks: sinks.clone(),
        };
        let workers = scope.pool(counts::ROUTER_WORKERS, worker);
        let sources: Vec<_> = (0..counts::ROUTER_SOURCES)
            .map(|number| scope.spawn(source(number, each, workers.clone())))
            .collect();
        for source in sources {
            source.await?;
        }
        // Nobody calls the workers any more, so they end.
        let ended = workers.closed();
        drop(workers);
        ended.await;
        let mut tally = Tally::default();
        for sink in sinks {
            tally.merge(sink.tally().await?);
        }
        ensure!(tally == expected, "{tally:?}, not {expected:?}");
        Ok(meter.stop(tally.count).note("mailbox 1, a pool of 8"))
    })
}
