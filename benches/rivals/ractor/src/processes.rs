//! Workloads with many actors.

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter, idle_memory, memory_kb};
use bench_tokio::run;
use ractor::{Actor, ActorRef, ActorRuntime};
use tokio::sync::oneshot;

use super::{Handled, Started, Sum, SumMessage, UNBOUNDED, collect, send, start};

pub fn spawn(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::SPAWN);
    run(async move {
        let batch = counts::SPAWN_BATCH.min(count);
        let meter = Meter::start();
        for _ in 0..count / batch {
            let mut actors = Vec::with_capacity(batch as usize);
            for _ in 0..batch {
                actors.push(start(Sum, ()).await);
            }
            for (actor, _) in &actors {
                actor.stop(None);
            }
            for (_, ended) in actors {
                ended.await.expect("the actor does not panic");
            }
        }
        let figures = meter.stop(count / batch * batch);
        figures
            .note("Actor::spawn waits for pre_start; then stop and join")
            .note(UNBOUNDED)
    })
}

/// Starts actors that wait. Each has begun when its start returns.
pub(super) async fn start_idle(count: u64) -> Vec<Started<SumMessage>> {
    let mut actors = Vec::with_capacity(count as usize);
    for _ in 0..count {
        actors.push(start(Sum, ()).await);
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
        figures.note(UNBOUNDED)
    })
}

pub fn wake(arguments: &Arguments) -> Figures {
    let count = arguments.count(counts::IDLE);
    run(async move {
        let actors = start_idle(count).await;
        let meter = Meter::start();
        for (actor, _) in &actors {
            send(actor, SumMessage::Last(1));
        }
        for (_, ended) in actors {
            ended.await.expect("the actor does not panic");
        }
        meter.stop(count).note(UNBOUNDED)
    })
}

pub fn forkjoin(arguments: &Arguments) -> Figures {
    let rounds = arguments.count(counts::FORKJOIN_MESSAGES);
    run(async move {
        let meter = Meter::start();
        let mut actors = Vec::new();
        for _ in 0..counts::FORKJOIN_ACTORS {
            actors.push(start(Sum, ()).await);
        }
        for round in 0..rounds {
            for (at, (actor, _)) in actors.iter().enumerate() {
                send(actor, SumMessage::Add(round));
                if at % 256 == 255 {
                    tokio::task::yield_now().await;
                }
            }
        }
        let (_, count) = collect(actors).await;
        assert_eq!(count, rounds * counts::FORKJOIN_ACTORS as u64);
        let figures = meter.stop(count);
        figures.note(UNBOUNDED).note("the sender yields every 256")
    })
}

/// A node of the tree, or a leaf.
struct Node;

/// Where the sum of a node goes.
enum Above {
    Root(Option<oneshot::Sender<u64>>),
    Node(ActorRef<u64>),
}

impl Above {
    fn report(&mut self, sum: u64) -> Handled {
        match self {
            Self::Node(node) => node.send_message(sum)?,
            Self::Root(sender) => {
                let sender = sender.take().ok_or("the root reports once")?;
                sender.send(sum).map_err(|_| "nobody waits for the sum")?;
            }
        }
        Ok(())
    }
}

struct State {
    above: Above,
    missing: u64,
    sum: u64,
}

impl Actor for Node {
    type Msg = u64;
    type State = State;
    type Arguments = (Above, u64, u64);

    async fn pre_start(
        &self,
        me: ActorRef<u64>,
        (mut above, first, size): Self::Arguments,
    ) -> Handled<State> {
        let children = counts::SKYNET_CHILDREN;
        if size == 1 {
            above.report(first)?;
            me.stop(None);
        } else {
            let part = size / children;
            for child in 0..children {
                let arguments = (Above::Node(me.clone()), first + child * part, part);
                ActorRuntime::spawn_instant(None, Self, arguments)?;
            }
        }
        Ok(State {
            above,
            missing: children,
            sum: 0,
        })
    }

    async fn handle(&self, me: ActorRef<u64>, part: u64, state: &mut State) -> Handled {
        state.sum += part;
        state.missing -= 1;
        if state.missing == 0 {
            state.above.report(state.sum)?;
            me.stop(None);
        }
        Ok(())
    }
}

pub fn skynet(arguments: &Arguments) -> Figures {
    let leaves = arguments.power_of_ten(counts::SKYNET);
    run(async move {
        let meter = Meter::start();
        let (sender, sum) = oneshot::channel();
        let _root = start(Node, (Above::Root(Some(sender)), 0, leaves)).await;
        assert_eq!(sum.await, Ok(leaves * (leaves - 1) / 2));
        meter.stop(leaves).note("spawn_instant").note(UNBOUNDED)
    })
}
