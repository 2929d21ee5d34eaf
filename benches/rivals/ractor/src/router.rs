//! The router. There is no shared queue: the sources go round the mailboxes of the workers.

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::event::{Event, Tally, rules};
use bench_suite::measure::{Figures, Meter};
use bench_tokio::run;
use ractor::{Actor, ActorRef};
use tokio::sync::oneshot;

use super::{Handled, UNBOUNDED, send, start};

/// Counts what comes.
struct Sink;

enum SinkMessage {
    Take(Event),
    Get(oneshot::Sender<Tally>),
}

impl Actor for Sink {
    type Msg = SinkMessage;
    type State = Tally;
    type Arguments = ();

    async fn pre_start(&self, _me: ActorRef<SinkMessage>, _: ()) -> Handled<Tally> {
        Ok(Tally::default())
    }

    async fn handle(
        &self,
        _me: ActorRef<SinkMessage>,
        message: SinkMessage,
        tally: &mut Tally,
    ) -> Handled {
        match message {
            SinkMessage::Take(event) => tally.add(&event),
            SinkMessage::Get(sender) => {
                let sent = sender.send(*tally);
                sent.map_err(|_| "nobody waits for the tally")?;
            }
        }
        Ok(())
    }
}

/// Sends each event to the sink that the rules name.
struct Worker;

enum WorkerMessage {
    Route(Event),
    /// Answers when everything before it is done.
    End(oneshot::Sender<()>),
}

impl Actor for Worker {
    type Msg = WorkerMessage;
    type State = ([u8; 16], Vec<ActorRef<SinkMessage>>);
    type Arguments = Vec<ActorRef<SinkMessage>>;

    async fn pre_start(
        &self,
        _me: ActorRef<WorkerMessage>,
        sinks: Self::Arguments,
    ) -> Handled<Self::State> {
        Ok((rules(), sinks))
    }

    async fn handle(
        &self,
        _me: ActorRef<WorkerMessage>,
        message: WorkerMessage,
        (rules, sinks): &mut Self::State,
    ) -> Handled {
        match message {
            WorkerMessage::Route(event) => {
                let sink = &sinks[event.sink(rules)];
                let sent = sink.send_message(SinkMessage::Take(event));
                sent.map_err(|_| "a sink has ended")?;
            }
            WorkerMessage::End(sender) => {
                sender.send(()).map_err(|()| "nobody waits for the end")?;
            }
        }
        Ok(())
    }
}

pub fn router(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ROUTER_EVENTS);
    let expected = Tally::expected(counts::ROUTER_SOURCES, each);
    run(async move {
        let meter = Meter::start();
        let mut sinks = Vec::new();
        for _ in 0..counts::ROUTER_SINKS {
            sinks.push(start(Sink, ()).await.0);
        }
        let mut workers = Vec::new();
        for _ in 0..counts::ROUTER_WORKERS {
            workers.push(start(Worker, sinks.clone()).await.0);
        }
        let sources: Vec<_> = (0..counts::ROUTER_SOURCES)
            .map(|source| {
                let workers = workers.clone();
                tokio::spawn(async move {
                    for number in 0..each {
                        let worker = &workers[(source + number) as usize % workers.len()];
                        send(worker, WorkerMessage::Route(Event::new(source, number)));
                        if number % 64 == 63 {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for source in sources {
            source.await.expect("a source does not panic");
        }
        for worker in &workers {
            let (sender, ended) = oneshot::channel();
            send(worker, WorkerMessage::End(sender));
            ended.await.expect("the worker answers");
        }
        let mut tally = Tally::default();
        for sink in &sinks {
            let (sender, part) = oneshot::channel();
            send(sink, SinkMessage::Get(sender));
            tally.merge(part.await.expect("the sink answers"));
        }
        assert_eq!(tally, expected);
        let figures = meter.stop(tally.count);
        figures
            .note("no shared queue: sources go round 8 mailboxes, and yield every 64")
            .note(UNBOUNDED)
    })
}
