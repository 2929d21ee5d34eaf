//! The crates of smol: async-executor on two threads, async-channel, async-io, async-net.

use std::future::pending;
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use async_channel::{Receiver, Sender, bounded};
use async_executor::{Executor, Task};
use async_io::Timer;
use async_net::{TcpListener, TcpStream};
use bench_suite::entry;
use bench_suite::generic::traits::{Channel, Oneshot, Runtime, System};
use bench_suite::generic::workloads;
use bench_suite::load::Client;
use futures_lite::{AsyncReadExt, AsyncWriteExt, future};

static EXECUTOR: Executor<'static> = Executor::new();

struct Smol;

/// Writes back what it reads.
async fn serve(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while stream.read_exact(&mut bytes).await.is_ok() {
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
    }
}

impl Runtime for Smol {
    type Join<T: Send + 'static> = Task<T>;

    fn run<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> T {
        for _ in 0..2 {
            thread::spawn(|| async_io::block_on(EXECUTOR.run(pending::<()>())));
        }
        future::block_on(EXECUTOR.spawn(body))
    }

    fn spawn<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        EXECUTOR.spawn(body)
    }

    fn join<T: Send + 'static>(join: Self::Join<T>) -> impl Future<Output = T> + Send {
        join
    }

    fn detach<T: Send + 'static>(join: Self::Join<T>) {
        join.detach();
    }

    async fn sleep(duration: Duration) {
        Timer::after(duration).await;
    }

    async fn echo(client: Client) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        client.start(listener.local_addr().expect("a bound socket"));
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a TCP stream");
            EXECUTOR.spawn(serve(stream)).detach();
        }
    }
}

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

/// smol has no channel for one message: one of capacity 1.
struct Reply;

impl Oneshot for Reply {
    type Sender<T: Send + 'static> = Sender<T>;
    type Receiver<T: Send + 'static> = Receiver<T>;

    fn pair<T: Send + 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
        bounded(1)
    }

    fn put<T: Send + 'static>(sender: Self::Sender<T>, value: T) {
        // The client waits, and there is room.
        let _ = sender.try_send(value);
    }

    async fn get<T: Send + 'static>(receiver: Self::Receiver<T>) -> T {
        receiver.recv().await.expect("the server answers")
    }
}

struct Tasks;

impl System for Tasks {
    const NAME: &'static str = "smol";
    type Runtime = Smol;
    type Spsc = AsyncChannel;
    type Mpsc = AsyncChannel;
    type Mpmc = AsyncChannel;
    type Oneshot = Reply;
}

fn main() -> ExitCode {
    entry::main(Tasks::NAME, &workloads::<Tasks>())
}
