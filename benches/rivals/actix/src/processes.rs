//! Workloads with many actors.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use actix::prelude::{Actor, ActorContext, Addr, ArbiterHandle, AsyncContext, Context, Handler};
use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter, idle_memory, memory_kb};

use super::{Add, Arbiters, Latch, Sum, UNBOUNDED, collect};

pub fn spawn(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::SPAWN);
    let arbiters = Arbiters::start();
    let batch = counts::SPAWN_BATCH.min(count);
    let meter = Meter::start();
    for _ in 0..count / batch {
        let actors: Vec<_> = (0..batch)
            .map(|at| arbiters.spawn(at, Sum::default()))
            .collect();
        collect(&actors);
    }
    let figures = meter.stop(count / batch * batch);
    figures.note("started from a third thread; a message that stops, counted down")
}

/// Starts actors that wait, and returns when all of them do: an arbiter starts them in order, so the last ones answer last.
pub(super) fn start_idle(arbiters: &Arbiters, count: u64) -> Vec<Addr<Sum>> {
    let actors: Vec<_> = (0..count)
        .map(|at| arbiters.spawn(at, Sum::default()))
        .collect();
    let last = [
        arbiters.spawn(0, Sum::default()),
        arbiters.spawn(1, Sum::default()),
    ];
    collect(&last);
    actors
}

pub fn idle_mem(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    let arbiters = Arbiters::start();
    let before = memory_kb();
    let meter = Meter::start();
    let actors = start_idle(&arbiters, count);
    let figures = idle_memory(meter, count, before);
    drop(actors);
    figures
}

pub fn wake(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    let arbiters = Arbiters::start();
    let actors = start_idle(&arbiters, count);
    let meter = Meter::start();
    collect(&actors);
    meter.stop(count)
}

pub fn forkjoin(arguments: &Arguments) -> Figures {
    let rounds = arguments.count(counts::FORKJOIN_MESSAGES);
    let arbiters = Arbiters::start();
    let meter = Meter::start();
    let actors: Vec<_> = (0..counts::FORKJOIN_ACTORS)
        .map(|at| arbiters.spawn(at as u64, Sum::default()))
        .collect();
    let latch = Latch::new(1);
    let (all, done) = (actors.clone(), Arc::clone(&latch));
    arbiters.at(0).spawn(async move {
        for round in 0..rounds {
            for (at, actor) in all.iter().enumerate() {
                actor.do_send(Add(round));
                if at % 256 == 255 {
                    tokio::task::yield_now().await;
                }
            }
        }
        done.down();
    });
    latch.wait();
    let (_, count) = collect(&actors);
    assert_eq!(count, rounds * counts::FORKJOIN_ACTORS as u64);
    let figures = meter.stop(count);
    figures.note(UNBOUNDED).note("the sender yields every 256")
}

/// Where the sum of a node goes.
enum Above {
    Root {
        sum: Arc<AtomicU64>,
        latch: Arc<Latch>,
        /// The children of the root are on one and the other; below, each stays where its parent is.
        arbiters: [ArbiterHandle; 2],
    },
    Node(Addr<Node>),
}

impl Above {
    fn report(&self, part: u64) {
        match self {
            Self::Node(node) => node.do_send(Add(part)),
            Self::Root { sum, latch, .. } => {
                sum.store(part, Ordering::Relaxed);
                latch.down();
            }
        }
    }
}

/// A node of the tree, or a leaf.
struct Node {
    above: Above,
    first: u64,
    size: u64,
    missing: u64,
    sum: u64,
}

impl Node {
    fn new(above: Above, first: u64, size: u64) -> Self {
        Self {
            above,
            first,
            size,
            missing: counts::SKYNET_CHILDREN,
            sum: 0,
        }
    }
}

impl Actor for Node {
    type Context = Context<Self>;

    fn started(&mut self, context: &mut Context<Self>) {
        if self.size == 1 {
            self.above.report(self.first);
            context.stop();
            return;
        }
        let part = self.size / counts::SKYNET_CHILDREN;
        for child in 0..counts::SKYNET_CHILDREN {
            let first = self.first + child * part;
            let node = Self::new(Above::Node(context.address()), first, part);
            if let Above::Root { arbiters, .. } = &self.above {
                Self::start_in_arbiter(&arbiters[child as usize % 2], move |_| node);
            } else {
                node.start();
            }
        }
    }
}

impl Handler<Add> for Node {
    type Result = ();

    fn handle(&mut self, part: Add, context: &mut Context<Self>) {
        self.sum += part.0;
        self.missing -= 1;
        if self.missing == 0 {
            self.above.report(self.sum);
            context.stop();
        }
    }
}

pub fn skynet(arguments: &Arguments) -> Figures {
    let leaves = arguments.power_of_ten(counts::SKYNET);
    let arbiters = Arbiters::start();
    let meter = Meter::start();
    let latch = Latch::new(1);
    let sum = Arc::new(AtomicU64::new(0));
    let above = Above::Root {
        sum: Arc::clone(&sum),
        latch: Arc::clone(&latch),
        arbiters: [arbiters.both[0].handle(), arbiters.both[1].handle()],
    };
    let _root = arbiters.spawn(0, Node::new(above, 0, leaves));
    latch.wait();
    assert_eq!(sum.load(Ordering::Relaxed), leaves * (leaves - 1) / 2);
    let figures = meter.stop(leaves);
    figures.note("the 10 top subtrees are split over the arbiters")
}
