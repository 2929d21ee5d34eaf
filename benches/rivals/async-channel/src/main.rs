//! tokio tasks with the channels of async-channel.

use std::process::ExitCode;

use async_channel::{Receiver, Sender, bounded};
use bench_suite::entry;
use bench_suite::generic::channel_workloads;
use bench_suite::generic::traits::{Channel, System};
use bench_tokio::{Reply, Tokio};

struct AsyncChannel;

impl Channel for AsyncChannel {
    type Sender<T: Send + 'static> = Sender<T>;
    type Receiver<T: Send + 'static> = Receiver<T>;

    fn bounded<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        bounded(capacity)
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
    const NAME: &'static str = "async-channel";
    type Runtime = Tokio;
    type Spsc = AsyncChannel;
    type Mpsc = AsyncChannel;
    type Mpmc = AsyncChannel;
    type Oneshot = Reply;
}

fn main() -> ExitCode {
    entry::main(Tasks::NAME, &channel_workloads::<Tasks>())
}
