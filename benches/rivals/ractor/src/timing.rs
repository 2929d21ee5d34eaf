//! Workloads about time.

use std::time::{Duration, Instant};

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter, lateness};
use bench_tokio::run;
use ractor::{Actor, ActorRef};
use tokio::sync::mpsc;

use super::processes::start_idle;
use super::{Handled, start};

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
struct Ticker;

struct State {
    begun: Instant,
    ticks: u64,
    worst: u64,
    out: mpsc::UnboundedSender<u64>,
}

impl Actor for Ticker {
    type Msg = ();
    type State = State;
    type Arguments = mpsc::UnboundedSender<u64>;

    async fn pre_start(&self, me: ActorRef<()>, out: Self::Arguments) -> Handled<State> {
        me.send_after(Duration::from_secs(1), || ());
        Ok(State {
            begun: Instant::now(),
            ticks: 0,
            worst: 0,
            out,
        })
    }

    async fn handle(&self, me: ActorRef<()>, _tick: (), state: &mut State) -> Handled {
        state.ticks += 1;
        let due = Duration::from_secs(state.ticks);
        state.worst = state.worst.max(lateness(state.begun, due));
        if state.ticks == counts::PARKED_SECONDS {
            state.out.send(state.worst)?;
            me.stop(None);
        } else {
            let next = due + Duration::from_secs(1);
            me.send_after(next.saturating_sub(state.begun.elapsed()), || ());
        }
        Ok(())
    }
}

pub fn timers(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::PARKED);
    run(async move {
        let (out, mut results) = mpsc::unbounded_channel();
        let meter = Meter::start();
        for _ in 0..count {
            start(Ticker, out.clone()).await;
        }
        let mut worst = Vec::with_capacity(count as usize);
        for _ in 0..count {
            worst.push(results.recv().await.expect("every actor ends"));
        }
        let figures = meter.stop(count * counts::PARKED_SECONDS).latencies(worst);
        figures.note("latencies: worst lateness of each process; send_after")
    })
}
