//! tokio tasks with the channels of crossfire, which has a flavor for each number of senders and receivers.

use std::process::ExitCode;

use bench_suite::entry;
use bench_suite::generic::channel_workloads;
use bench_suite::generic::traits::{Channel, System};
use bench_tokio::{Reply, Tokio};
use crossfire::{AsyncRx, AsyncTx, MAsyncRx, MAsyncTx, mpmc, mpsc, spsc};

/// crossfire's futures want messages that are `Unpin`, and the traits do not promise that.
struct Unpinned<T>(T);

impl<T> Unpin for Unpinned<T> {}

macro_rules! flavor {
    ($name:ident, $flavor:ident, $sender:ident, $receiver:ident, { $($clones:tt)* }) => {
        struct $name;

        impl Channel for $name {
            type Sender<T: Send + 'static> = $sender<$flavor::Array<Unpinned<T>>>;
            type Receiver<T: Send + 'static> = $receiver<$flavor::Array<Unpinned<T>>>;

            fn bounded<T: Send + 'static>(
                capacity: usize,
            ) -> (Self::Sender<T>, Self::Receiver<T>) {
                $flavor::bounded_async(capacity)
            }

            async fn send<T: Send + 'static>(sender: &mut Self::Sender<T>, message: T) -> bool {
                sender.send(Unpinned(message)).await.is_ok()
            }

            async fn recv<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
                receiver.recv().await.ok().map(|message| message.0)
            }

            $($clones)*
        }
    };
}

flavor!(Spsc, spsc, AsyncTx, AsyncRx, {});
flavor!(Mpsc, mpsc, MAsyncTx, AsyncRx, {
    fn clone_sender<T: Send + 'static>(sender: &Self::Sender<T>) -> Self::Sender<T> {
        sender.clone()
    }
});
flavor!(Mpmc, mpmc, MAsyncTx, MAsyncRx, {
    fn clone_sender<T: Send + 'static>(sender: &Self::Sender<T>) -> Self::Sender<T> {
        sender.clone()
    }

    fn clone_receiver<T: Send + 'static>(receiver: &Self::Receiver<T>) -> Self::Receiver<T> {
        receiver.clone()
    }
});

struct Tasks;

impl System for Tasks {
    const NAME: &'static str = "crossfire";
    type Runtime = Tokio;
    type Spsc = Spsc;
    type Mpsc = Mpsc;
    type Mpmc = Mpmc;
    type Oneshot = Reply;
}

fn main() -> ExitCode {
    // What the crate advises for small virtual machines.
    crossfire::detect_backoff_cfg();
    entry::main(Tasks::NAME, &channel_workloads::<Tasks>())
}
