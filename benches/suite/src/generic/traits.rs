//! What a system of tasks and channels has to implement.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use crate::load::Client;

/// Tasks, timers and the network.
pub trait Runtime: 'static {
    /// What a task is joined with.
    type Join<T: Send + 'static>: Send + 'static;

    /// Starts the runtime with two workers and runs `body` on one of them.
    fn run<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> T;

    /// Starts a task.
    fn spawn<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> Self::Join<T>;

    /// Waits for its value.
    fn join<T: Send + 'static>(join: Self::Join<T>) -> impl Future<Output = T> + Send;

    /// Lets the task run on by itself.
    fn detach<T: Send + 'static>(join: Self::Join<T>) {
        drop(join);
    }

    /// Waits.
    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send;

    /// Serves connections, a task for each: 64 bytes are read and written back. Says to `client` where it listens.
    fn echo(client: Client) -> impl Future<Output = ()> + Send;
}

/// Channels with a bound.
pub trait Channel: 'static {
    /// Whether a capacity of 0 is a rendezvous. Where it is none, capacity 1 stands for it.
    const ZERO: bool = false;
    /// What a reader should know.
    const NOTE: &'static str = "";

    /// The sending side.
    type Sender<T: Send + 'static>: Send + 'static;
    /// The receiving side.
    type Receiver<T: Send + 'static>: Send + 'static;

    /// Makes a channel.
    fn bounded<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>);

    /// Clones the sending side, where there can be several.
    fn clone_sender<T: Send + 'static>(_sender: &Self::Sender<T>) -> Self::Sender<T> {
        panic!("this channel has one sender")
    }

    /// Clones the receiving side, where there can be several.
    fn clone_receiver<T: Send + 'static>(_receiver: &Self::Receiver<T>) -> Self::Receiver<T> {
        panic!("this channel has one receiver")
    }

    /// Sends; false when nobody receives any more.
    fn send<T: Send + 'static>(
        sender: &mut Self::Sender<T>,
        message: T,
    ) -> impl Future<Output = bool> + Send;

    /// Receives; `None` when nobody sends any more.
    fn recv<T: Send + 'static>(
        receiver: &mut Self::Receiver<T>,
    ) -> impl Future<Output = Option<T>> + Send;
}

/// The reply to one question.
pub trait Oneshot: 'static {
    /// The side of the server.
    type Sender<T: Send + 'static>: Send + 'static;
    /// The side of the client.
    type Receiver<T: Send + 'static>: Send + 'static;

    /// Makes a pair.
    fn pair<T: Send + 'static>() -> (Self::Sender<T>, Self::Receiver<T>);

    /// Answers.
    fn put<T: Send + 'static>(sender: Self::Sender<T>, value: T);

    /// Waits for the answer.
    fn get<T: Send + 'static>(receiver: Self::Receiver<T>) -> impl Future<Output = T> + Send;
}

/// A system: the best that it has for each use.
pub trait System: 'static {
    /// Its name in the table.
    const NAME: &'static str;
    /// What a reader should know of [`Mpmc`](Self::Mpmc).
    const NOTE_MPMC: &'static str = "";
    /// Tasks.
    type Runtime: Runtime;
    /// One sender, one receiver.
    type Spsc: Channel;
    /// Several senders.
    type Mpsc: Channel;
    /// Several receivers as well.
    type Mpmc: Channel;
    /// Replies.
    type Oneshot: Oneshot;
}

/// The sender of a channel.
pub type Sender<C, T> = <C as Channel>::Sender<T>;
/// The receiver of a channel.
pub type Receiver<C, T> = <C as Channel>::Receiver<T>;

/// The least capacity that a channel has.
pub fn least<C: Channel>() -> usize {
    if C::ZERO { 0 } else { 1 }
}

/// Runs a future that never waits, because its functions block.
///
/// # Panics
/// If it does wait.
pub fn run_at_once<T>(future: impl Future<Output = T>) -> T {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("a body that blocks returned to its caller"),
    }
}
