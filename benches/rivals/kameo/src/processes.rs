//! Workloads with many actors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter, idle_memory, memory_kb};
use bench_tokio::run;
use kameo::actor::{ActorRef, Spawn};
use kameo::error::Infallible;
use kameo::mailbox;
use kameo::message::{Context, Message};
use kameo::prelude::Actor;
use tokio::sync::oneshot;

use super::{collect, stop_all, sum};

pub fn spawn(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::SPAWN);
    run(async move {
        let batch = counts::SPAWN_BATCH.min(count);
        let meter = Meter::start();
        for _ in 0..count / batch {
            let actors: Vec<_> = (0..batch).map(|_| sum(1)).collect();
            stop_all(&actors).await;
        }
        let figures = meter.stop(count / batch * batch);
        figures.note("start, stop_gracefully, wait_for_shutdown; mailbox 1")
    })
}

/// Waits for messages.
pub(super) struct Idle {
    sum: u64,
}

impl Actor for Idle {
    type Args = Arc<AtomicU64>;
    type Error = Infallible;

    async fn on_start(started: Self::Args, _me: ActorRef<Self>) -> Result<Self, Infallible> {
        started.fetch_add(1, Ordering::Relaxed);
        Ok(Self { sum: 0 })
    }
}

impl Message<u64> for Idle {
    type Reply = ();

    async fn handle(&mut self, number: u64, _context: &mut Context<Self, ()>) {
        self.sum += number;
    }
}

/// Starts actors that wait, and returns when all of them do.
pub(super) async fn start_idle(count: u64) -> Vec<ActorRef<Idle>> {
    let started = Arc::new(AtomicU64::new(0));
    let mut actors = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let started = Arc::clone(&started);
        actors.push(Idle::spawn_with_mailbox(started, mailbox::bounded(1)));
    }
    while started.load(Ordering::Relaxed) < count {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    actors
}

pub fn idle_mem(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    run(async move {
        let before = memory_kb();
        let meter = Meter::start();
        let actors = start_idle(count).await;
        let figures = idle_memory(meter, count, before);
        drop(actors);
        figures.note("mailbox 1")
    })
}

pub fn wake(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    run(async move {
        let actors = start_idle(count).await;
        let meter = Meter::start();
        for actor in &actors {
            actor.tell(1).await.expect("the actor lives");
        }
        stop_all(&actors).await;
        meter
            .stop(count)
            .note("tell, stop_gracefully, wait_for_shutdown; mailbox 1")
    })
}

pub fn forkjoin(arguments: &Arguments) -> Figures {
    let rounds = arguments.count(counts::FORKJOIN_MESSAGES);
    run(async move {
        let meter = Meter::start();
        let actors: Vec<_> = (0..counts::FORKJOIN_ACTORS)
            .map(|_| sum(counts::FORKJOIN_CAPACITY))
            .collect();
        for round in 0..rounds {
            for actor in &actors {
                actor.tell(round).await.expect("the actor lives");
            }
        }
        let (_, count) = collect(&actors).await;
        assert_eq!(count, rounds * counts::FORKJOIN_ACTORS as u64);
        meter.stop(count)
    })
}

/// A node of the tree, or a leaf.
struct Node {
    above: Above,
    missing: u64,
    sum: u64,
}

/// Where the sum of a node goes.
enum Above {
    Root(Option<oneshot::Sender<u64>>),
    Node(ActorRef<Node>),
}

impl Above {
    async fn report(&mut self, sum: u64) {
        match self {
            Self::Node(node) => node.tell(sum).await.expect("the node above waits"),
            Self::Root(sender) => {
                let sender = sender.take().expect("the root reports once");
                sender.send(sum).expect("somebody waits for the sum");
            }
        }
    }
}

impl Actor for Node {
    type Args = (Above, u64, u64);
    type Error = Infallible;

    async fn on_start(
        (mut above, first, size): Self::Args,
        me: ActorRef<Self>,
    ) -> Result<Self, Infallible> {
        let children = counts::SKYNET_CHILDREN;
        if size == 1 {
            above.report(first).await;
        } else {
            let part = size / children;
            for child in 0..children {
                let arguments = (Above::Node(me.clone()), first + child * part, part);
                Self::spawn_with_mailbox(arguments, mailbox::bounded(children as usize));
            }
        }
        Ok(Self {
            above,
            missing: children,
            sum: 0,
        })
    }
}

impl Message<u64> for Node {
    type Reply = ();

    async fn handle(&mut self, part: u64, context: &mut Context<Self, ()>) {
        self.sum += part;
        self.missing -= 1;
        if self.missing == 0 {
            self.above.report(self.sum).await;
            context.stop();
        }
    }
}

pub fn skynet(arguments: &Arguments) -> Figures {
    let leaves = arguments.power_of_ten(counts::SKYNET);
    run(async move {
        let meter = Meter::start();
        let (sender, sum) = oneshot::channel();
        let arguments = (Above::Root(Some(sender)), 0, leaves);
        let mailbox = mailbox::bounded(counts::SKYNET_CHILDREN as usize);
        let _root = Node::spawn_with_mailbox(arguments, mailbox);
        assert_eq!(sum.await, Ok(leaves * (leaves - 1) / 2));
        meter.stop(leaves)
    })
}
