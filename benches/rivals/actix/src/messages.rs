//! Workloads that pass small messages between a few actors.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use actix::prelude::{Actor, Addr, Context, Handler, Message};
use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter};

use super::{Add, Arbiters, Latch, Sum, UNBOUNDED, collect};

/// Passes a token on.
struct Hop {
    next: Option<Addr<Self>>,
    done: Option<Arc<Latch>>,
}

impl Actor for Hop {
    type Context = Context<Self>;
}

#[derive(Message)]
#[rtype(result = "()")]
struct Next(Addr<Hop>);

impl Handler<Next> for Hop {
    type Result = ();

    fn handle(&mut self, next: Next, _context: &mut Context<Self>) {
        self.next = Some(next.0);
    }
}

impl Handler<Add> for Hop {
    type Result = ();

    fn handle(&mut self, hops: Add, _context: &mut Context<Self>) {
        if hops.0 == 0
            && let Some(done) = &self.done
        {
            done.down();
        } else if let Some(next) = &self.next {
            next.do_send(Add(hops.0.saturating_sub(1)));
        }
    }
}

fn hops(length: usize, hops: u64) -> Figures {
    let arbiters = Arbiters::start();
    let latch = Latch::new(1);
    let ring: Vec<_> = (0..length)
        .map(|at| {
            let done = (at == 0).then(|| Arc::clone(&latch));
            arbiters.spawn(at as u64, Hop { next: None, done })
        })
        .collect();
    for (at, hop) in ring.iter().enumerate() {
        hop.do_send(Next(ring[(at + 1) % length].clone()));
    }
    let meter = Meter::start();
    ring[0].do_send(Add(hops));
    latch.wait();
    let figures = meter.stop(hops);
    figures
        .note("every hop goes to the other thread")
        .note(UNBOUNDED)
}

pub fn pingpong(arguments: &Arguments) -> Figures {
    hops(2, 2 * arguments.count(counts::PINGPONG))
}

pub fn ring(arguments: &Arguments) -> Figures {
    hops(counts::RING_PROCESSES, arguments.count(counts::RING_HOPS))
}

fn many(producers: u64, count: u64) -> Figures {
    let each = count / producers;
    let arbiters = Arbiters::start();
    let sum = arbiters.spawn(1, Sum::default());
    let latch = Latch::new(producers);
    let meter = Meter::start();
    for producer in 0..producers {
        let (sum, latch) = (sum.clone(), Arc::clone(&latch));
        arbiters.at(producer).spawn(async move {
            for number in 0..each {
                sum.do_send(Add(number));
                if number % 256 == 255 {
                    tokio::task::yield_now().await;
                }
            }
            latch.down();
        });
    }
    latch.wait();
    let (sum, count) = collect(&[sum]);
    assert_eq!(sum, producers * (each * (each - 1) / 2));
    assert_eq!(count, producers * each);
    let figures = meter.stop(count);
    figures.note(UNBOUNDED).note("producers yield every 256")
}

pub fn stream(arguments: &Arguments) -> Figures {
    many(1, arguments.count(counts::STREAM))
}

pub fn mpsc(arguments: &Arguments) -> Figures {
    many(counts::MANY_EACH, arguments.count(counts::MANY))
}

/// Answers.
#[derive(Default)]
struct Server {
    asked: u64,
}

impl Actor for Server {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        context.set_mailbox_capacity(counts::ASK_CAPACITY);
    }
}

#[derive(Message)]
#[rtype(result = "u64")]
struct Question(u64);

impl Handler<Question> for Server {
    type Result = u64;

    fn handle(&mut self, question: Question, _context: &mut Context<Self>) -> u64 {
        self.asked += 1;
        question.0 + 1
    }
}

async fn client(server: Addr<Server>, each: u64) -> Vec<u64> {
    let mut samples = Vec::with_capacity((each / counts::ASK_SAMPLE + 1) as usize);
    for number in 0..each {
        let sampled = number.is_multiple_of(counts::ASK_SAMPLE);
        let begun = sampled.then(Instant::now);
        let answer = server.send(Question(number)).await;
        assert_eq!(answer.expect("the server lives"), number + 1);
        if let Some(begun) = begun {
            samples.push(begun.elapsed().as_nanos() as u64);
        }
    }
    samples
}

pub fn ask(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ASK_EACH);
    let arbiters = Arbiters::start();
    let server = arbiters.spawn(0, Server::default());
    let latch = Latch::new(counts::ASK_CLIENTS);
    let all = Arc::new(Mutex::new(Vec::new()));
    let meter = Meter::start();
    for number in 0..counts::ASK_CLIENTS {
        let (server, latch, all) = (server.clone(), Arc::clone(&latch), Arc::clone(&all));
        arbiters.at(number).spawn(async move {
            let samples = client(server, each).await;
            let mut all = all.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend(samples);
            latch.down();
        });
    }
    latch.wait();
    let samples = std::mem::take(&mut *all.lock().unwrap_or_else(PoisonError::into_inner));
    let figures = meter.stop(each * counts::ASK_CLIENTS);
    figures
        .latencies(samples)
        .note("4 clients share the server's thread, 4 are on the other")
}
