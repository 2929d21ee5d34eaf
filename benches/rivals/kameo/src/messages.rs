//! Workloads that pass small messages between a few actors.

use std::time::Instant;

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter};
use bench_tokio::run;
use kameo::actor::{ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::prelude::Actor;
use tokio::sync::oneshot;

use super::{collect, sum};

/// Passes a token on.
struct Hop {
    next: Option<ActorRef<Self>>,
    done: Option<oneshot::Sender<()>>,
}

impl Actor for Hop {
    type Args = Self;
    type Error = Infallible;

    async fn on_start(hop: Self, _me: ActorRef<Self>) -> Result<Self, Infallible> {
        Ok(hop)
    }
}

impl Message<u64> for Hop {
    type Reply = ();

    async fn handle(&mut self, hops: u64, _context: &mut Context<Self, ()>) {
        if hops == 0
            && let Some(done) = self.done.take()
        {
            done.send(()).expect("somebody waits for the end");
        } else if let Some(next) = &self.next {
            let told = next.tell(hops.saturating_sub(1)).await;
            told.expect("the next one lives");
        }
    }
}

/// Closes the ring.
struct Next(ActorRef<Hop>);

impl Message<Next> for Hop {
    type Reply = ();

    async fn handle(&mut self, next: Next, _context: &mut Context<Self, ()>) {
        self.next = Some(next.0);
    }
}

fn hops(length: usize, hops: u64) -> Figures {
    run(async move {
        let (sender, done) = oneshot::channel();
        let mut sender = Some(sender);
        let ring: Vec<_> = (0..length)
            .map(|_| {
                let done = sender.take();
                Hop::spawn_with_mailbox(Hop { next: None, done }, mailbox::bounded(1))
            })
            .collect();
        for (at, hop) in ring.iter().enumerate() {
            let next = ring[(at + 1) % length].clone();
            hop.tell(Next(next)).await.expect("the actor lives");
        }
        let meter = Meter::start();
        ring[0].tell(hops).await.expect("the actor lives");
        done.await.expect("the token comes back");
        let figures = meter.stop(hops);
        for hop in &ring {
            hop.kill();
        }
        figures.note("mailbox 1")
    })
}

pub fn pingpong(arguments: &Arguments) -> Figures {
    hops(2, 2 * arguments.count(counts::PINGPONG))
}

pub fn ring(arguments: &Arguments) -> Figures {
    hops(counts::RING_PROCESSES, arguments.count(counts::RING_HOPS))
}

fn many(producers: u64, count: u64, capacity: usize) -> Figures {
    let each = count / producers;
    run(async move {
        let sum = sum(capacity);
        let meter = Meter::start();
        let tasks: Vec<_> = (0..producers)
            .map(|_| {
                let sum = sum.clone();
                tokio::spawn(async move {
                    for number in 0..each {
                        sum.tell(number).await.expect("the actor lives");
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a producer does not panic");
        }
        let (sum, count) = collect(&[sum]).await;
        assert_eq!(sum, producers * (each * (each - 1) / 2));
        assert_eq!(count, producers * each);
        meter.stop(count)
    })
}

pub fn stream(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::STREAM);
    many(1, count, counts::STREAM_CAPACITY)
}

pub fn stream0(arguments: &Arguments) -> Figures {
    many(1, arguments.count(counts::STREAM0), 1).note("mailbox 1")
}

pub fn mpsc(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::MANY);
    many(counts::MANY_EACH, count, counts::STREAM_CAPACITY)
}

/// Answers.
#[derive(Actor, Default)]
struct Server {
    asked: u64,
}

struct Question(u64);

impl Message<Question> for Server {
    type Reply = u64;

    async fn handle(&mut self, question: Question, _context: &mut Context<Self, u64>) -> u64 {
        self.asked += 1;
        question.0 + 1
    }
}

async fn client(server: ActorRef<Server>, each: u64) -> Vec<u64> {
    let mut samples = Vec::with_capacity((each / counts::ASK_SAMPLE + 1) as usize);
    for number in 0..each {
        let sampled = number.is_multiple_of(counts::ASK_SAMPLE);
        let begun = sampled.then(Instant::now);
        let answer = server.ask(Question(number)).await;
        assert_eq!(answer.expect("the server lives"), number + 1);
        if let Some(begun) = begun {
            samples.push(begun.elapsed().as_nanos() as u64);
        }
    }
    samples
}

pub fn ask(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ASK_EACH);
    run(async move {
        let mailbox = mailbox::bounded(counts::ASK_CAPACITY);
        let server = Server::spawn_with_mailbox(Server::default(), mailbox);
        let meter = Meter::start();
        let clients: Vec<_> = (0..counts::ASK_CLIENTS)
            .map(|_| tokio::spawn(client(server.clone(), each)))
            .collect();
        let mut samples = Vec::new();
        for client in clients {
            samples.extend(client.await.expect("a client does not panic"));
        }
        meter.stop(each * counts::ASK_CLIENTS).latencies(samples)
    })
}
