//! tokio tasks with the channels of kanal.

use std::process::ExitCode;

use bench_suite::entry;
use bench_suite::generic::traits::{Channel, System};
use bench_suite::generic::{channel_workloads, working};
use bench_tokio::{Reply, Tokio};
use kanal::{AsyncReceiver, AsyncSender, bounded_async};

struct Kanal;

impl Channel for Kanal {
    const ZERO: bool = true;
    type Sender<T: Send + 'static> = AsyncSender<T>;
    type Receiver<T: Send + 'static> = AsyncReceiver<T>;

    fn bounded<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        bounded_async(capacity)
    }

    fn clone_sender<T: Send + 'static>(sender: &Self::Sender<T>) -> Self::Sender<T> {
        sender.clone()
    }

    fn clone_receiver<T: Send + 'static>(receiver: &Self::Receiver<T>) -> Self::Receiver<T> {
        receiver.clone()
    }

    async fn send<T: Send + 'static>(sender: &mut Self::Sender<T>, message: T) -> bool {
        sender.send(message).await.is_ok()
    }

    async fn recv<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv().await.ok()
    }
}

struct Tasks;

impl System for Tasks {
    const NAME: &'static str = "kanal";
    type Runtime = Tokio;
    type Spsc = Kanal;
    type Mpsc = Kanal;
    type Mpmc = Kanal;
    type Oneshot = Reply;
}

fn main() -> ExitCode {
    let mut all = channel_workloads::<Tasks>();
    all.push(("compute", working::compute::<Tasks>));
    entry::main(Tasks::NAME, &all)
}
