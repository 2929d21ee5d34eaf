//! tokio's side of the traits, also for the systems that put other channels on tokio.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bench_suite::generic::traits::{Channel, Oneshot, Runtime};
use bench_suite::load::Client;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;

/// The runtime with several threads.
#[derive(Debug)]
pub struct Tokio;

/// Runs a future as a task of a runtime with two workers, or as many as were asked for.
///
/// # Panics
/// If the runtime does not start, or the future panics.
pub fn run<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = Builder::new_multi_thread()
        .worker_threads(bench_suite::entry::workers())
        .enable_all()
        .build()
        .expect("tokio starts");
    let task = runtime.spawn(body);
    runtime.block_on(task).expect("the task does not panic")
}

/// A listener on a free port of this machine.
///
/// # Panics
/// If there is none.
pub async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.expect("a free port");
    let address = listener.local_addr().expect("a bound socket");
    (listener, address)
}

/// Writes back what it reads.
pub async fn serve(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while stream.read_exact(&mut bytes).await.is_ok() {
        if stream.write_all(&bytes).await.is_err() {
            break;
        }
    }
}

impl Runtime for Tokio {
    type Join<T: Send + 'static> = JoinHandle<T>;

    fn run<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> T {
        run(body)
    }

    fn spawn<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> Self::Join<T> {
        tokio::spawn(body)
    }

    async fn join<T: Send + 'static>(join: Self::Join<T>) -> T {
        join.await.expect("the task does not panic")
    }

    fn sleep(duration: Duration) -> impl Future<Output = ()> + Send {
        tokio::time::sleep(duration)
    }

    async fn echo(client: Client) {
        let (listener, address) = listen().await;
        client.start(address);
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a TCP stream");
            tokio::spawn(serve(stream));
        }
    }
}

/// `tokio::sync::mpsc`.
#[derive(Debug)]
pub struct Mpsc;

impl Channel for Mpsc {
    type Sender<T: Send + 'static> = mpsc::Sender<T>;
    type Receiver<T: Send + 'static> = mpsc::Receiver<T>;

    fn bounded<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        mpsc::channel(capacity)
    }

    fn clone_sender<T: Send + 'static>(sender: &Self::Sender<T>) -> Self::Sender<T> {
        sender.clone()
    }

    async fn send<T: Send + 'static>(sender: &mut Self::Sender<T>, message: T) -> bool {
        sender.send(message).await.is_ok()
    }

    fn recv<T: Send + 'static>(
        receiver: &mut Self::Receiver<T>,
    ) -> impl Future<Output = Option<T>> + Send {
        receiver.recv()
    }
}

/// tokio has no channel with several receivers: this is what its users write.
#[derive(Debug)]
pub struct Shared;

impl Channel for Shared {
    type Sender<T: Send + 'static> = mpsc::Sender<T>;
    type Receiver<T: Send + 'static> = Arc<Mutex<mpsc::Receiver<T>>>;

    fn bounded<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        let (sender, receiver) = mpsc::channel(capacity);
        (sender, Arc::new(Mutex::new(receiver)))
    }

    fn clone_sender<T: Send + 'static>(sender: &Self::Sender<T>) -> Self::Sender<T> {
        sender.clone()
    }

    fn clone_receiver<T: Send + 'static>(receiver: &Self::Receiver<T>) -> Self::Receiver<T> {
        Arc::clone(receiver)
    }

    async fn send<T: Send + 'static>(sender: &mut Self::Sender<T>, message: T) -> bool {
        sender.send(message).await.is_ok()
    }

    async fn recv<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        receiver.lock().await.recv().await
    }
}

/// `tokio::sync::oneshot`.
#[derive(Debug)]
pub struct Reply;

impl Oneshot for Reply {
    type Sender<T: Send + 'static> = oneshot::Sender<T>;
    type Receiver<T: Send + 'static> = oneshot::Receiver<T>;

    fn pair<T: Send + 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
        oneshot::channel()
    }

    fn put<T: Send + 'static>(sender: Self::Sender<T>, value: T) {
        // The client waits, so it is there.
        let _ = sender.send(value);
    }

    async fn get<T: Send + 'static>(receiver: Self::Receiver<T>) -> T {
        receiver.await.expect("the server answers")
    }
}
