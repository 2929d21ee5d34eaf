//! Workloads with many processes.

use std::hint::black_box;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::traits::{Channel, Runtime, Sender, System};
use crate::counts;
use crate::entry::Arguments;
use crate::measure::{Figures, Meter, idle_memory, memory_kb};

/// Processes that are started and joined in batches.
pub fn spawn<S: System>(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::SPAWN);
    S::Runtime::run(async move {
        let batch = counts::SPAWN_BATCH.min(count);
        let mut tasks = Vec::with_capacity(batch as usize);
        let meter = Meter::start();
        for _ in 0..count / batch {
            for number in 0..batch {
                tasks.push(S::Runtime::spawn(async move {
                    black_box(number);
                }));
            }
            for task in tasks.drain(..) {
                S::Runtime::join(task).await;
            }
        }
        meter.stop(count / batch * batch)
    })
}

/// What the idle processes share.
#[derive(Default)]
pub(super) struct Idle {
    started: AtomicU64,
    sum: AtomicU64,
}

/// A process that waits, and the only way to wake it.
type Waiting<S> = (
    Sender<<S as System>::Mpsc, u64>,
    <<S as System>::Runtime as Runtime>::Join<()>,
);

/// Starts processes that wait, and returns when all of them do.
pub(super) async fn start_idle<S: System>(count: u64) -> (Arc<Idle>, Vec<Waiting<S>>) {
    let idle = Arc::new(Idle::default());
    let mut waiting = Vec::with_capacity(count as usize);
    for _ in 0..count {
        let (sender, mut messages) = S::Mpsc::bounded::<u64>(1);
        let idle = Arc::clone(&idle);
        let task = S::Runtime::spawn(async move {
            idle.started.fetch_add(1, Ordering::Relaxed);
            if let Some(number) = S::Mpsc::recv(&mut messages).await {
                idle.sum.fetch_add(number, Ordering::Relaxed);
            }
        });
        waiting.push((sender, task));
    }
    while idle.started.load(Ordering::Relaxed) < count {
        S::Runtime::sleep(Duration::from_millis(1)).await;
    }
    (idle, waiting)
}

/// The memory of processes that wait.
pub fn idle_mem<S: System>(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    let figures = S::Runtime::run(async move {
        let before = memory_kb();
        let meter = Meter::start();
        let (_idle, waiting) = start_idle::<S>(count).await;
        let figures = idle_memory(meter, count, before);
        for (sender, task) in waiting {
            drop(sender);
            S::Runtime::join(task).await;
        }
        figures
    });
    figures.note(S::Mpsc::NOTE)
}

/// One message to each of the waiting processes, which then end.
pub fn wake<S: System>(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    let figures = S::Runtime::run(async move {
        let (idle, mut waiting) = start_idle::<S>(count).await;
        let meter = Meter::start();
        for (sender, _) in &mut waiting {
            S::Mpsc::send(sender, 1).await;
        }
        for (_sender, task) in waiting {
            S::Runtime::join(task).await;
        }
        let figures = meter.stop(count);
        assert_eq!(idle.sum.load(Ordering::Relaxed), count);
        figures
    });
    figures.note(S::Mpsc::NOTE)
}

/// Many processes with an input each, and rounds of one message to every one of them.
pub fn forkjoin<S: System>(arguments: &Arguments) -> Figures {
    let rounds = arguments.count(counts::FORKJOIN_MESSAGES);
    let processes = arguments.processes(counts::FORKJOIN_ACTORS);
    let figures = S::Runtime::run(async move {
        let meter = Meter::start();
        let mut inputs = Vec::new();
        let mut tasks = Vec::new();
        for _ in 0..processes {
            let (input, mut messages) = S::Mpsc::bounded::<u64>(counts::FORKJOIN_CAPACITY);
            inputs.push(input);
            tasks.push(S::Runtime::spawn(async move {
                let mut seen = 0;
                while S::Mpsc::recv(&mut messages).await.is_some() {
                    seen += 1;
                }
                seen
            }));
        }
        for round in 0..rounds {
            for input in &mut inputs {
                S::Mpsc::send(input, round).await;
            }
        }
        drop(inputs);
        let mut seen = 0;
        for task in tasks {
            seen += S::Runtime::join(task).await;
        }
        assert_eq!(seen, processes as u64 * rounds);
        meter.stop(seen)
    });
    figures.note(S::Mpsc::NOTE)
}

type Boxed = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Starts ten children for the numbers from `first`, and sends the sum of what they send.
fn node<S: System>(first: u64, size: u64, mut out: Sender<S::Mpsc, u64>) -> Boxed {
    Box::pin(async move {
        let children = counts::SKYNET_CHILDREN;
        let (sums, mut parts) = S::Mpsc::bounded::<u64>(children as usize);
        let part = size / children;
        for child in 0..children {
            let mut sums = S::Mpsc::clone_sender(&sums);
            let number = first + child * part;
            if part == 1 {
                S::Runtime::detach(S::Runtime::spawn(async move {
                    S::Mpsc::send(&mut sums, number).await;
                }));
            } else {
                S::Runtime::detach(S::Runtime::spawn(node::<S>(number, part, sums)));
            }
        }
        drop(sums);
        let mut sum = 0;
        for _ in 0..children {
            sum += S::Mpsc::recv(&mut parts).await.unwrap_or(0);
        }
        S::Mpsc::send(&mut out, sum).await;
    })
}

/// A tree of processes, whose leaves' numbers are added up.
pub fn skynet<S: System>(arguments: &Arguments) -> Figures {
    let leaves = arguments.power_of_ten(counts::SKYNET);
    let figures = S::Runtime::run(async move {
        let meter = Meter::start();
        let (out, mut sums) = S::Mpsc::bounded::<u64>(1);
        S::Runtime::detach(S::Runtime::spawn(node::<S>(0, leaves, out)));
        let sum = S::Mpsc::recv(&mut sums).await;
        assert_eq!(sum, Some(leaves * (leaves - 1) / 2));
        meter.stop(leaves)
    });
    figures.note(S::Mpsc::NOTE)
}
