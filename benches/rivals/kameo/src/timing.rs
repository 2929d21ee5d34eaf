//! Workloads about time.

use std::time::{Duration, Instant};

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter, lateness};
use bench_tokio::run;
use kameo::actor::{ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::prelude::Actor;
use tokio::sync::mpsc;

use super::processes::start_idle;

pub fn idle_cpu(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    run(async move {
        let actors = start_idle(count).await;
        let meter = Meter::start();
        tokio::time::sleep(Duration::from_secs(counts::PARKED_SECONDS)).await;
        let figures = meter.stop(count);
        drop(actors);
        figures
    })
}

/// Sends itself a message once a second.
struct Ticker {
    begun: Instant,
    ticks: u64,
    worst: u64,
    out: mpsc::UnboundedSender<u64>,
}

impl Actor for Ticker {
    type Args = mpsc::UnboundedSender<u64>;
    type Error = Infallible;

    async fn on_start(out: Self::Args, me: ActorRef<Self>) -> Result<Self, Infallible> {
        me.tell(()).send_after(Duration::from_secs(1));
        Ok(Self {
            begun: Instant::now(),
            ticks: 0,
            worst: 0,
            out,
        })
    }
}

impl Message<()> for Ticker {
    type Reply = ();

    async fn handle(&mut self, _tick: (), context: &mut Context<Self, ()>) {
        self.ticks += 1;
        let due = Duration::from_secs(self.ticks);
        self.worst = self.worst.max(lateness(self.begun, due));
        if self.ticks == counts::PARKED_SECONDS {
            self.out.send(self.worst).expect("the results are awaited");
            context.stop();
        } else {
            let next = due + Duration::from_secs(1);
            let left = next.saturating_sub(self.begun.elapsed());
            context.actor_ref().tell(()).send_after(left);
        }
    }
}

pub fn timers(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    run(async move {
        let (out, mut results) = mpsc::unbounded_channel();
        let meter = Meter::start();
        for _ in 0..count {
            Ticker::spawn_with_mailbox(out.clone(), mailbox::bounded(1));
        }
        let mut worst = Vec::with_capacity(count as usize);
        for _ in 0..count {
            worst.push(results.recv().await.expect("every actor ends"));
        }
        let figures = meter.stop(count * counts::PARKED_SECONDS).latencies(worst);
        figures.note("latencies: worst lateness of each process; tell().send_after()")
    })
}
