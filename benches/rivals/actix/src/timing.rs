//! Workloads about time, and the network.

use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use actix::prelude::{Actor, ActorContext, AsyncContext, Context};
use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::generic::timing::{busy, fair};
use bench_suite::load::Client;
use bench_suite::measure::{Figures, Meter, lateness};
use tokio::net::TcpStream;

use super::processes::start_idle;
use super::{Arbiters, Latch};

pub fn idle_cpu(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    let arbiters = Arbiters::start();
    let actors = start_idle(&arbiters, count);
    let meter = Meter::start();
    thread::sleep(Duration::from_secs(counts::PARKED_SECONDS));
    let figures = meter.stop(count);
    drop(actors);
    figures
}

/// Samples of all actors, in nanoseconds.
type Samples = Arc<Mutex<Vec<u64>>>;

fn take(samples: &Samples) -> Vec<u64> {
    std::mem::take(&mut *samples.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Runs a function once a second.
struct Ticker {
    begun: Instant,
    ticks: u64,
    worst: u64,
    latch: Arc<Latch>,
    samples: Samples,
}

impl Ticker {
    fn tick(&mut self, context: &mut Context<Self>) {
        self.ticks += 1;
        let due = Duration::from_secs(self.ticks);
        self.worst = self.worst.max(lateness(self.begun, due));
        if self.ticks == counts::PARKED_SECONDS {
            let mut samples = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
            samples.push(self.worst);
            drop(samples);
            self.latch.down();
            context.stop();
        } else {
            let next = due + Duration::from_secs(1);
            let left = next.saturating_sub(self.begun.elapsed());
            context.run_later(left, Self::tick);
        }
    }
}

impl Actor for Ticker {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        self.begun = Instant::now();
        context.run_later(Duration::from_secs(1), Self::tick);
    }
}

pub fn timers(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    let arbiters = Arbiters::start();
    let latch = Latch::new(count);
    let samples = Samples::default();
    let meter = Meter::start();
    let _tickers: Vec<_> = (0..count)
        .map(|at| {
            let ticker = Ticker {
                begun: Instant::now(),
                ticks: 0,
                worst: 0,
                latch: Arc::clone(&latch),
                samples: Arc::clone(&samples),
            };
            arbiters.spawn(at, ticker)
        })
        .collect();
    latch.wait();
    let figures = meter.stop(count * counts::PARKED_SECONDS);
    figures
        .latencies(take(&samples))
        .note("latencies: worst lateness of each process; run_later")
}

pub fn fairness(_arguments: &Arguments) -> Figures {
    let arbiters = Arbiters::start();
    let latch = Latch::new(1);
    let samples = Samples::default();
    let meter = Meter::start();
    let start = Instant::now() + Duration::from_millis(50);
    let end = start + Duration::from_secs(counts::BUSY_SECONDS);
    let (done, late) = (Arc::clone(&latch), Arc::clone(&samples));
    arbiters.at(0).spawn(async move {
        while Instant::now() < end {
            let begun = Instant::now();
            tokio::time::sleep(Duration::from_millis(1)).await;
            if begun > start {
                let late_by = lateness(begun, Duration::from_millis(1));
                let mut late = late.lock().unwrap_or_else(PoisonError::into_inner);
                late.push(late_by);
            }
        }
        done.down();
    });
    thread::sleep(start.saturating_duration_since(Instant::now()));
    for arbiter in &arbiters.both {
        arbiter.spawn(async move { busy(end) });
    }
    latch.wait();
    fair(meter, take(&samples))
}

pub fn tcp(arguments: &Arguments) -> Figures {
    let arbiters = Arbiters::start();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    let client = Client::new("actix", arguments);
    client.start(listener.local_addr().expect("a bound socket"));
    for turn in 0.. {
        let (stream, _) = listener.accept().expect("a connection");
        stream.set_nodelay(true).expect("a TCP stream");
        stream.set_nonblocking(true).expect("a TCP stream");
        arbiters.at(turn).spawn(async move {
            let stream = TcpStream::from_std(stream).expect("a runtime");
            bench_tokio::serve(stream).await;
        });
    }
    unreachable!("a server does not end")
}
