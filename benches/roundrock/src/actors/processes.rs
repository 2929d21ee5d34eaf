//! Workloads with many processes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter, idle_memory, memory_kb};
use roundrock::prelude::*;

use crate::system;

/// Adds up numbers.
#[process]
struct Sum {
    sum: u64,
}

#[handlers]
impl Sum {
    fn add(&mut self, number: u64) {
        self.sum += number;
    }
}

/// Processes that are started, stopped and joined in batches.
pub fn spawn(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::SPAWN);
    system(async move |scope| {
        let batch = counts::SPAWN_BATCH.min(count);
        let mut started = Vec::with_capacity(batch as usize);
        let meter = Meter::start();
        for _ in 0..count / batch {
            for sum in 0..batch {
                started.push(scope.spawn(Sum { sum }));
            }
            for process in &started {
                process.stop();
            }
            for process in started.drain(..) {
                process.closed().await;
            }
        }
        let figures = meter.stop(count / batch * batch);
        Ok(figures.note("start, stop, wait for the end"))
    })
}

/// Waits for messages.
#[process]
pub struct Idle {
    started: Arc<AtomicU64>,
    sum: u64,
}

#[handlers]
impl Idle {
    #[on_start]
    fn started(&mut self) {
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    fn add(&mut self, number: u64) {
        self.sum += number;
    }

    fn sum(&self) -> u64 {
        self.sum
    }
}

/// Starts processes that wait, and returns when all of them do.
pub async fn start_idle(scope: &Scope, count: u64) -> Vec<IdleHandle> {
    let started = Arc::new(AtomicU64::new(0));
    let mut waiting = Vec::with_capacity(count as usize);
    for _ in 0..count {
        waiting.push(scope.spawn(Idle {
            started: started.clone(),
            sum: 0,
        }));
    }
    while started.load(Ordering::Relaxed) < count {
        sleep(millis(1)).await;
    }
    waiting
}

/// The memory of processes that wait.
pub fn idle_mem(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    system(async move |scope| {
        let before = memory_kb();
        let meter = Meter::start();
        let waiting = start_idle(&scope, count).await;
        let figures = idle_memory(meter, count, before);
        drop(waiting);
        Ok(figures)
    })
}

/// One message to each of the waiting processes, which are then stopped.
pub fn wake(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    system(async move |scope| {
        let waiting = start_idle(&scope, count).await;
        let meter = Meter::start();
        for process in &waiting {
            process.add(1).send().await?;
        }
        for process in &waiting {
            process.stop();
        }
        for process in waiting {
            process.closed().await;
        }
        Ok(meter.stop(count).note("send, stop, wait for the end"))
    })
}

/// Counts its messages.
#[process(mailbox = 16)]
struct Count {
    seen: u64,
}

#[handlers]
impl Count {
    fn take(&mut self, _round: u64) {
        self.seen += 1;
    }

    fn seen(&self) -> u64 {
        self.seen
    }
}

/// Many structs, and rounds of one message to every one of them.
pub fn forkjoin(arguments: &Arguments) -> Figures {
    let rounds = arguments.count(counts::FORKJOIN_MESSAGES);
    let processes = arguments.processes(counts::FORKJOIN_ACTORS);
    system(async move |scope| {
        let meter = Meter::start();
        let counters: Vec<_> = (0..processes)
            .map(|_| scope.spawn(Count { seen: 0 }))
            .collect();
        for round in 0..rounds {
            for counter in &counters {
                counter.take(round).send().await?;
            }
        }
        let mut seen = 0;
        for counter in counters {
            seen += counter.seen().await?;
            counter.stop();
            counter.closed().await;
        }
        let expected = processes as u64 * rounds;
        ensure!(seen == expected, "{seen} of {expected} messages arrived");
        Ok(meter.stop(seen))
    })
}

/// Where the sum of a node goes.
enum Above {
    Root(Option<OneshotSender<u64>>),
    Node(NodeHandle),
}

/// A node of the tree, or a leaf.
#[process(mailbox = 10)]
struct Node {
    above: Above,
    first: u64,
    size: u64,
    /// Kept, because a process without a handle ends.
    children: Vec<NodeHandle>,
    missing: u64,
    sum: u64,
}

#[handlers]
impl Node {
    #[on_start]
    async fn grow(&mut self, cx: &mut Cx<Self>) -> Result<()> {
        if self.size == 1 {
            self.sum = self.first;
            self.report(cx).await?;
        } else if let Some(me) = cx.handle() {
            let scope = cx.scope();
            let part = self.size / counts::SKYNET_CHILDREN;
            for child in 0..counts::SKYNET_CHILDREN {
                let above = Above::Node(me.clone());
                let child = plant(&scope, above, self.first + child * part, part);
                self.children.push(child);
            }
        }
        Ok(())
    }

    async fn add(&mut self, part: u64, cx: &mut Cx<Self>) -> Result<()> {
        self.sum += part;
        self.missing -= 1;
        if self.missing == 0 {
            self.report(cx).await?;
        }
        Ok(())
    }
}

impl Node {
    /// Says the sum, and ends.
    async fn report(&mut self, cx: &mut Cx<Self>) -> Result<()> {
        match &mut self.above {
            Above::Node(node) => node.add(self.sum).send_and_forget().await?,
            Above::Root(sender) => sender
                .take()
                .context("the root reports once")?
                .send(self.sum)?,
        }
        cx.stop();
        Ok(())
    }
}

/// Starts a node. In a function of its own, because a process cannot start its own kind in its body.
fn plant(scope: &Scope, above: Above, first: u64, size: u64) -> NodeHandle {
    scope.spawn(Node {
        above,
        first,
        size,
        children: Vec::new(),
        missing: counts::SKYNET_CHILDREN,
        sum: 0,
    })
}

/// A tree of structs, whose leaves' numbers are added up.
pub fn skynet(arguments: &Arguments) -> Figures {
    let leaves = arguments.power_of_ten(counts::SKYNET);
    system(async move |scope| {
        let meter = Meter::start();
        let (sender, sum) = oneshot();
        let _root = plant(&scope, Above::Root(Some(sender)), 0, leaves);
        let sum = sum.await;
        let figures = meter.stop(leaves);
        ensure!(sum == Some(leaves * (leaves - 1) / 2), "the sum is {sum:?}");
        Ok(figures)
    })
}
