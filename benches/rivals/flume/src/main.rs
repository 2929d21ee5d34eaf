//! tokio tasks with the channels of flume.

use std::process::ExitCode;

use bench_suite::entry;
use bench_suite::generic::channel_workloads;
use bench_suite::generic::traits::{Channel, System};
use bench_tokio::{Reply, Tokio};
use flume::{Receiver, Sender, bounded};

struct Flume;

impl Channel for Flume {
    const ZERO: bool = true;
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
        sender.send_async(message).await.is_ok()
    }

    async fn recv<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.recv_async().await.ok()
    }
}

struct Tasks;

impl System for Tasks {
    const NAME: &'static str = "flume";
    type Runtime = Tokio;
    type Spsc = Flume;
    type Mpsc = Flume;
    type Mpmc = Flume;
    type Oneshot = Reply;
}

fn main() -> ExitCode {
    entry::main(Tasks::NAME, &channel_workloads::<Tasks>())
}
