//! Workloads that pass small messages between a few actors.

use std::time::Instant;

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter};
use bench_tokio::run;
use ractor::{Actor, ActorRef, RpcReplyPort};
use tokio::sync::oneshot;

use super::{Handled, Sum, SumMessage, UNBOUNDED, collect, send, start};

/// Passes a token on.
struct Hop;

enum HopMessage {
    Next(ActorRef<Self>),
    Token(u64),
}

impl Actor for Hop {
    type Msg = HopMessage;
    type State = (Option<ActorRef<HopMessage>>, Option<oneshot::Sender<()>>);
    type Arguments = Option<oneshot::Sender<()>>;

    async fn pre_start(
        &self,
        _me: ActorRef<HopMessage>,
        done: Self::Arguments,
    ) -> Handled<Self::State> {
        Ok((None, done))
    }

    async fn handle(
        &self,
        _me: ActorRef<HopMessage>,
        message: HopMessage,
        (next, done): &mut Self::State,
    ) -> Handled {
        match message {
            HopMessage::Next(actor) => *next = Some(actor),
            HopMessage::Token(hops) => {
                if hops == 0
                    && let Some(done) = done.take()
                {
                    done.send(()).map_err(|()| "nobody waits for the end")?;
                } else if let Some(next) = next {
                    next.send_message(HopMessage::Token(hops.saturating_sub(1)))?;
                }
            }
        }
        Ok(())
    }
}

fn hops(length: usize, hops: u64) -> Figures {
    run(async move {
        let (sender, done) = oneshot::channel();
        let mut sender = Some(sender);
        let mut ring = Vec::new();
        for _ in 0..length {
            ring.push(start(Hop, sender.take()).await.0);
        }
        for (at, hop) in ring.iter().enumerate() {
            send(hop, HopMessage::Next(ring[(at + 1) % length].clone()));
        }
        let meter = Meter::start();
        send(&ring[0], HopMessage::Token(hops));
        done.await.expect("the token comes back");
        meter.stop(hops).note(UNBOUNDED)
    })
}

pub fn pingpong(arguments: &Arguments) -> Figures {
    hops(2, 2 * arguments.count(counts::PINGPONG))
}

pub fn ring(arguments: &Arguments) -> Figures {
    hops(counts::RING_PROCESSES, arguments.count(counts::RING_HOPS))
}

fn many(producers: u64, count: u64) -> Figures {
    let each = count / producers;
    run(async move {
        let sum = start(Sum, ()).await;
        let meter = Meter::start();
        let tasks: Vec<_> = (0..producers)
            .map(|_| {
                let sum = sum.0.clone();
                tokio::spawn(async move {
                    for number in 0..each {
                        send(&sum, SumMessage::Add(number));
                        if number % 256 == 255 {
                            tokio::task::yield_now().await;
                        }
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect("a producer does not panic");
        }
        let (sum, count) = collect(vec![sum]).await;
        assert_eq!(sum, producers * (each * (each - 1) / 2));
        assert_eq!(count, producers * each);
        let figures = meter.stop(count);
        figures.note(UNBOUNDED).note("producers yield every 256")
    })
}

pub fn stream(arguments: &Arguments) -> Figures {
    many(1, arguments.count(counts::STREAM))
}

pub fn mpsc(arguments: &Arguments) -> Figures {
    many(counts::MANY_EACH, arguments.count(counts::MANY))
}

/// Answers.
struct Server;

struct Question(u64, RpcReplyPort<u64>);

impl Actor for Server {
    type Msg = Question;
    type State = u64;
    type Arguments = ();

    async fn pre_start(&self, _me: ActorRef<Question>, _: ()) -> Handled<u64> {
        Ok(0)
    }

    async fn handle(
        &self,
        _me: ActorRef<Question>,
        Question(number, reply): Question,
        asked: &mut u64,
    ) -> Handled {
        *asked += 1;
        reply.send(number + 1)?;
        Ok(())
    }
}

async fn client(server: ActorRef<Question>, each: u64) -> Vec<u64> {
    let mut samples = Vec::with_capacity((each / counts::ASK_SAMPLE + 1) as usize);
    for number in 0..each {
        let sampled = number.is_multiple_of(counts::ASK_SAMPLE);
        let begun = sampled.then(Instant::now);
        let answer = server.call(|reply| Question(number, reply), None).await;
        let Ok(answer) = answer else {
            panic!("the server lives");
        };
        assert_eq!(answer.success_or(()), Ok(number + 1));
        if let Some(begun) = begun {
            samples.push(begun.elapsed().as_nanos() as u64);
        }
    }
    samples
}

pub fn ask(arguments: &Arguments) -> Figures {
    let each = arguments.count(counts::ASK_EACH);
    run(async move {
        let (server, _ended) = start(Server, ()).await;
        let meter = Meter::start();
        let clients: Vec<_> = (0..counts::ASK_CLIENTS)
            .map(|_| tokio::spawn(client(server.clone(), each)))
            .collect();
        let mut samples = Vec::new();
        for client in clients {
            samples.extend(client.await.expect("a client does not panic"));
        }
        let figures = meter.stop(each * counts::ASK_CLIENTS);
        figures.latencies(samples).note(UNBOUNDED)
    })
}
