//! kameo: actors on tokio, with bounded mailboxes. Producers and clients are tokio tasks.

mod messages;
mod processes;
mod router;
mod timing;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench_suite::entry::{self, Workload};
use kameo::actor::{ActorRef, Spawn};
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::prelude::Actor;

const WORKLOADS: &[Workload] = &[
    ("spawn", processes::spawn),
    ("idle_mem", processes::idle_mem),
    ("wake", processes::wake),
    ("pingpong", messages::pingpong),
    ("ring", messages::ring),
    ("stream", messages::stream),
    ("stream0", messages::stream0),
    ("mpsc", messages::mpsc),
    ("forkjoin", processes::forkjoin),
    ("skynet", processes::skynet),
    ("router", router::router),
    ("ask", messages::ask),
    ("idle_cpu", timing::idle_cpu),
    ("timers", timing::timers),
];

/// Adds up numbers.
#[derive(Actor, Default)]
struct Sum {
    sum: u64,
    count: u64,
}

impl Message<u64> for Sum {
    type Reply = ();

    async fn handle(&mut self, number: u64, _context: &mut Context<Self, ()>) {
        self.sum += number;
        self.count += 1;
    }
}

/// Asks a [`Sum`] to add what it has to a total.
struct Report(Arc<Total>);

/// What several have.
#[derive(Default)]
struct Total {
    sum: AtomicU64,
    count: AtomicU64,
}

impl Message<Report> for Sum {
    type Reply = ();

    async fn handle(&mut self, Report(total): Report, _context: &mut Context<Self, ()>) {
        total.sum.fetch_add(self.sum, Ordering::Relaxed);
        total.count.fetch_add(self.count, Ordering::Relaxed);
    }
}

/// Starts a [`Sum`].
fn sum(capacity: usize) -> ActorRef<Sum> {
    Sum::spawn_with_mailbox(Sum::default(), mailbox::bounded(capacity))
}

/// Ends actors when they have handled what they have, and waits for that.
async fn stop_all<A: Actor>(actors: &[ActorRef<A>]) {
    for actor in actors {
        let stopped = actor.stop_gracefully().await;
        assert!(stopped.is_ok(), "an actor ends when it is told to");
    }
    for actor in actors {
        actor.wait_for_shutdown().await;
    }
}

/// Ends actors, and returns the sum of their sums and of their counts.
async fn collect(actors: &[ActorRef<Sum>]) -> (u64, u64) {
    let total = Arc::new(Total::default());
    for actor in actors {
        let told = actor.tell(Report(Arc::clone(&total))).await;
        told.expect("the actor lives");
    }
    stop_all(actors).await;
    let of = |value: &AtomicU64| value.load(Ordering::Relaxed);
    (of(&total.sum), of(&total.count))
}

fn main() -> ExitCode {
    entry::main("kameo", WORKLOADS)
}
