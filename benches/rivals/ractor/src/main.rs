//! ractor: actors on tokio. Mailboxes have no bound, the only kind that there is; producers yield instead.

mod messages;
mod processes;
mod router;
mod timing;

use std::process::ExitCode;

use bench_suite::entry::{self, Workload};
use ractor::concurrency::JoinHandle;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::oneshot;

const WORKLOADS: &[Workload] = &[
    ("spawn", processes::spawn),
    ("idle_mem", processes::idle_mem),
    ("wake", processes::wake),
    ("pingpong", messages::pingpong),
    ("ring", messages::ring),
    ("stream", messages::stream),
    ("mpsc", messages::mpsc),
    ("forkjoin", processes::forkjoin),
    ("skynet", processes::skynet),
    ("router", router::router),
    ("ask", messages::ask),
    ("idle_cpu", timing::idle_cpu),
    ("timers", timing::timers),
];

type Handled<T = ()> = Result<T, ActorProcessingErr>;

/// What every figure of ractor is to be read with.
const UNBOUNDED: &str = "mailbox unbounded";

/// Adds up numbers.
struct Sum;

enum SumMessage {
    Add(u64),
    /// Asks for the sum and the count, and ends.
    Report(oneshot::Sender<(u64, u64)>),
    /// The last number.
    Last(u64),
}

impl Actor for Sum {
    type Msg = SumMessage;
    type State = (u64, u64);
    type Arguments = ();

    async fn pre_start(&self, _me: ActorRef<SumMessage>, _: ()) -> Handled<(u64, u64)> {
        Ok((0, 0))
    }

    async fn handle(
        &self,
        me: ActorRef<SumMessage>,
        message: SumMessage,
        (sum, count): &mut (u64, u64),
    ) -> Handled {
        match message {
            SumMessage::Add(number) => {
                *sum += number;
                *count += 1;
            }
            SumMessage::Report(sender) => {
                let sent = sender.send((*sum, *count));
                sent.map_err(|_| "nobody waits for the report")?;
                me.stop(None);
            }
            SumMessage::Last(number) => {
                *sum += number;
                me.stop(None);
            }
        }
        Ok(())
    }
}

/// An actor and its end.
type Started<M> = (ActorRef<M>, JoinHandle<()>);

async fn start<A: Actor>(actor: A, arguments: A::Arguments) -> Started<A::Msg> {
    let started = Actor::spawn(None, actor, arguments).await;
    started.expect("the actor starts")
}

/// Sends a message to an actor that lives.
fn send<M: ractor::Message>(actor: &ActorRef<M>, message: M) {
    assert!(actor.send_message(message).is_ok(), "the actor lives");
}

/// Ends actors, and returns the sum of their sums and of their counts.
async fn collect(actors: Vec<Started<SumMessage>>) -> (u64, u64) {
    let mut reports = Vec::with_capacity(actors.len());
    for (actor, _) in &actors {
        let (sender, report) = oneshot::channel();
        send(actor, SumMessage::Report(sender));
        reports.push(report);
    }
    let mut total = (0, 0);
    for report in reports {
        let (sum, count) = report.await.expect("the actor reports");
        total = (total.0 + sum, total.1 + count);
    }
    for (_, ended) in actors {
        ended.await.expect("the actor does not panic");
    }
    total
}

fn main() -> ExitCode {
    entry::main("ractor", WORKLOADS)
}
