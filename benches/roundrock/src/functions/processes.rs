//! Workloads with many processes.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter, idle_memory, memory_kb};
use roundrock::Task;
use roundrock::prelude::*;

use crate::system;

/// Ends at once.
#[process]
async fn nothing(number: u64) {
    black_box(number);
}

/// Processes that are started and joined in batches.
pub fn spawn(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::SPAWN);
    system(async move |scope| {
        let batch = counts::SPAWN_BATCH.min(count);
        let mut tasks = Vec::with_capacity(batch as usize);
        let meter = Meter::start();
        for _ in 0..count / batch {
            for number in 0..batch {
                tasks.push(scope.spawn(nothing(number)));
            }
            for task in tasks.drain(..) {
                task.await?;
            }
        }
        Ok(meter.stop(count / batch * batch))
    })
}

/// What the idle processes share.
#[derive(Default)]
pub struct Idle {
    /// How many have begun.
    pub started: AtomicU64,
    sum: AtomicU64,
}

/// Waits for one message.
#[process]
pub async fn wait(messages: &Receiver<u64>, idle: &Arc<Idle>) {
    idle.started.fetch_add(1, Ordering::Relaxed);
    if let Some(number) = messages.recv().await {
        idle.sum.fetch_add(number, Ordering::Relaxed);
    }
}

/// A process that waits, and the only way to wake it.
type Waiting = (Sender<u64>, Task<()>);

/// Starts processes that wait, and returns when all of them do.
pub async fn start_idle(scope: &Scope, count: u64) -> (Arc<Idle>, Vec<Waiting>) {
    let idle = Arc::new(Idle::default());
    let mut waiting = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (sender, messages) = bounded(1);
        waiting.push((sender, scope.spawn(wait(messages, idle.clone()))));
    }
    while idle.started.load(Ordering::Relaxed) < count {
        sleep(millis(1)).await;
    }
    (idle, waiting)
}

/// The memory of processes that wait.
pub fn idle_mem(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    system(async move |scope| {
        let before = memory_kb();
        let meter = Meter::start();
        let (_idle, waiting) = start_idle(&scope, count).await;
        let figures = idle_memory(meter, count, before);
        drop(waiting);
        Ok(figures)
    })
}

/// One message to each of the waiting processes, which then end.
pub fn wake(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    system(async move |scope| {
        let (idle, waiting) = start_idle(&scope, count).await;
        let meter = Meter::start();
        for (sender, _) in &waiting {
            sender.send(1).await?;
        }
        for (_, task) in waiting {
            task.await?;
        }
        let figures = meter.stop(count);
        let sum = idle.sum.load(Ordering::Relaxed);
        ensure!(sum == count, "{sum} messages arrived");
        Ok(figures)
    })
}

/// Counts its messages.
#[process]
async fn count(messages: &Receiver<u64>) -> Result<u64> {
    let mut seen = 0;
    while messages.recv().await.is_some() {
        seen += 1;
    }
    Ok(seen)
}

/// Many processes with an input each, and rounds of one message to every one of them.
pub fn forkjoin(arguments: &Arguments) -> Figures {
    let rounds = arguments.count(counts::FORKJOIN_MESSAGES);
    let processes = arguments.processes(counts::FORKJOIN_ACTORS);
    system(async move |scope| {
        let meter = Meter::start();
        let mut inputs = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..processes {
            let (input, messages) = bounded(counts::FORKJOIN_CAPACITY);
            inputs.push(input);
            tasks.push(scope.spawn(count(messages)));
        }
        for round in 0..rounds {
            for input in &inputs {
                input.send(round).await?;
            }
        }
        drop(inputs);
        let mut seen = 0;
        for task in tasks {
            seen += task.await?;
        }
        let expected = processes as u64 * rounds;
        ensure!(seen == expected, "{seen} of {expected} messages arrived");
        Ok(meter.stop(seen))
    })
}

/// Sends its number.
#[process]
async fn leaf(number: u64, out: &Sender<u64>) -> Result<()> {
    out.send(number).await?;
    Ok(())
}

/// Starts ten children for the numbers from `first`, and sends the sum of what they send.
#[process]
async fn node(first: u64, size: u64, out: &Sender<u64>, scope: &Scope) -> Result<()> {
    let (sums, children) = bounded(counts::SKYNET_CHILDREN as usize);
    let part = size / counts::SKYNET_CHILDREN;
    for child in 0..counts::SKYNET_CHILDREN {
        let number = first + child * part;
        if part == 1 {
            scope.spawn(leaf(number, sums.clone()));
        } else {
            subtree(scope, number, part, sums.clone());
        }
    }
    sums.finish();
    let mut sum = 0;
    while let Some(part) = children.recv().await {
        sum += part;
    }
    out.send(sum).await?;
    Ok(())
}

/// Starts a node. In a function of its own, because a process cannot name itself in its body.
fn subtree(scope: &Scope, first: u64, size: u64, out: Sender<u64>) {
    scope.spawn(node(first, size, out));
}

/// A tree of processes, whose leaves' numbers are added up.
pub fn skynet(arguments: &Arguments) -> Figures {
    let leaves = arguments.power_of_ten(counts::SKYNET);
    system(async move |scope| {
        let meter = Meter::start();
        let (out, sums) = bounded(1);
        subtree(&scope, 0, leaves, out);
        let sum = sums.recv().await;
        let figures = meter.stop(leaves);
        ensure!(sum == Some(leaves * (leaves - 1) / 2), "the sum is {sum:?}");
        Ok(figures)
    })
}
