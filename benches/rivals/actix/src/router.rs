//! The router. There is no shared queue: the sources go round the mailboxes of the workers.

use std::sync::{Arc, Mutex, PoisonError};

use actix::prelude::{Actor, Addr, Context, Handler, Message};
use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::event::{Event, Tally, rules};
use bench_suite::measure::{Figures, Meter};

use super::{Arbiters, Latch, UNBOUNDED};

#[derive(Message)]
#[rtype(result = "()")]
struct Route(Event);

/// Comes after everything that was sent before.
#[derive(Message)]
#[rtype(result = "()")]
struct End(Arc<Latch>, Arc<Mutex<Tally>>);

/// Counts what comes.
struct Sink(Tally);

impl Actor for Sink {
    type Context = Context<Self>;
}

impl Handler<Route> for Sink {
    type Result = ();

    fn handle(&mut self, event: Route, _context: &mut Context<Self>) {
        self.0.add(&event.0);
    }
}

impl Handler<End> for Sink {
    type Result = ();

    fn handle(&mut self, End(latch, tally): End, _context: &mut Context<Self>) {
        let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.merge(self.0);
        latch.down();
    }
}

/// Sends each event to the sink that the rules name.
struct Worker {
    rules: [u8; 16],
    sinks: Vec<Addr<Sink>>,
}

impl Actor for Worker {
    type Context = Context<Self>;
}

impl Handler<Route> for Worker {
    type Result = ();

    fn handle(&mut self, event: Route, _context: &mut Context<Self>) {
        self.sinks[event.0.sink(&self.rules)].do_send(event);
    }
}

impl Handler<End> for Worker {
    type Result = ();

    fn handle(&mut self, End(latch, _): End, _context: &mut Context<Self>) {
        latch.down();
    }
}

/// Waits until actors have handled what they have.
fn finish<A>(actors: &[Addr<A>], tally: &Arc<Mutex<Tally>>)
where
    A: Actor<Context = Context<A>> + Handler<End>,
{
    let latch = Latch::new(actors.len() as u64);
    for actor in actors {
        actor.do_send(End(Arc::clone(&latch), Arc::clone(tally)));
    }
    latch.wait();
}

pub fn router(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ROUTER_EVENTS);
    let expected = Tally::expected(counts::ROUTER_SOURCES, each);
    let arbiters = Arbiters::start();
    let meter = Meter::start();
    let sinks: Vec<_> = (0..counts::ROUTER_SINKS)
        .map(|at| arbiters.spawn(at as u64, Sink(Tally::default())))
        .collect();
    let workers: Vec<_> = (0..counts::ROUTER_WORKERS)
        .map(|at| {
            let (rules, sinks) = (rules(), sinks.clone());
            arbiters.spawn(at as u64, Worker { rules, sinks })
        })
        .collect();
    let latch = Latch::new(counts::ROUTER_SOURCES);
    for source in 0..counts::ROUTER_SOURCES {
        let (workers, latch) = (workers.clone(), Arc::clone(&latch));
        arbiters.at(source).spawn(async move {
            for number in 0..each {
                let worker = &workers[(source + number) as usize % workers.len()];
                worker.do_send(Route(Event::new(source, number)));
                if number % 64 == 63 {
                    tokio::task::yield_now().await;
                }
            }
            latch.down();
        });
    }
    latch.wait();
    let tally = Arc::new(Mutex::new(Tally::default()));
    finish(&workers, &tally);
    finish(&sinks, &tally);
    let tally = *tally.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(tally, expected);
    let figures = meter.stop(tally.count);
    figures
        .note("no shared queue: sources go round 8 mailboxes, and yield every 64")
        .note(UNBOUNDED)
}
