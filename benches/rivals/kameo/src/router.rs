//! The router. There is no shared queue: the sources go round the mailboxes of the workers.

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::event::{Event, Tally, rules};
use bench_suite::measure::{Figures, Meter};
use bench_tokio::run;
use kameo::actor::{ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::prelude::Actor;

use super::stop_all;

/// Counts what comes.
#[derive(Actor)]
struct Sink(Tally);

impl Message<Event> for Sink {
    type Reply = ();

    async fn handle(&mut self, event: Event, _context: &mut Context<Self, ()>) {
        self.0.add(&event);
    }
}

struct Get;

impl Message<Get> for Sink {
    type Reply = Result<Tally, Infallible>;

    async fn handle(
        &mut self,
        _get: Get,
        _context: &mut Context<Self, Self::Reply>,
    ) -> Self::Reply {
        Ok(self.0)
    }
}

/// Sends each event to the sink that the rules name.
#[derive(Actor)]
struct Worker {
    rules: [u8; 16],
    sinks: Vec<ActorRef<Sink>>,
}

impl Message<Event> for Worker {
    type Reply = ();

    async fn handle(&mut self, event: Event, _context: &mut Context<Self, ()>) {
        let sink = &self.sinks[event.sink(&self.rules)];
        sink.tell(event).await.expect("the sink lives");
    }
}

pub fn router(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ROUTER_EVENTS);
    let expected = Tally::expected(counts::ROUTER_SOURCES, each);
    run(async move {
        let meter = Meter::start();
        let sinks: Vec<_> = (0..counts::ROUTER_SINKS)
            .map(|_| {
                let mailbox = mailbox::bounded(counts::ROUTER_SINK_CAPACITY);
                Sink::spawn_with_mailbox(Sink(Tally::default()), mailbox)
            })
            .collect();
        let workers: Vec<_> = (0..counts::ROUTER_WORKERS)
            .map(|_| {
                let worker = Worker {
                    rules: rules(),
                    sinks: sinks.clone(),
                };
                Worker::spawn_with_mailbox(worker, mailbox::bounded(1))
            })
            .collect();
        let sources: Vec<_> = (0..counts::ROUTER_SOURCES)
            .map(|source| {
                let workers = workers.clone();
                tokio::spawn(async move {
                    for number in 0..each {
                        let worker = (source + number) as usize % workers.len();
                        let told = workers[worker].tell(Event::new(source, number)).await;
                        told.expect("the worker lives");
                    }
                })
            })
            .collect();
        for source in sources {
            source.await.expect("a source does not panic");
        }
        stop_all(&workers).await;
        let mut tally = Tally::default();
        for sink in &sinks {
            tally.merge(sink.ask(Get).await.expect("the sink lives"));
        }
        assert_eq!(tally, expected);
        let figures = meter.stop(tally.count);
        figures.note("no shared queue: sources go round 8 mailboxes of 1")
    })
}
