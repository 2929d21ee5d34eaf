//! may: coroutines with stacks of their own.
//!
//! Its channels have no bound: a semaphore is the bound. Its timers have a thread of their own, the third one.

use std::io::{Read, Write};
use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use bench_suite::entry;
use bench_suite::generic::traits::{Channel, Oneshot, Runtime, System, run_at_once};
use bench_suite::generic::workloads;
use bench_suite::load::Client;
use may::coroutine::{self, JoinHandle};
use may::go;
use may::net::{TcpListener, TcpStream};
use may::sync::{Semphore, mpmc, spsc};

struct May;

/// Writes back what it reads.
fn serve(mut stream: TcpStream) {
    let mut bytes = [0; 64];
    while stream.read_exact(&mut bytes).is_ok() {
        if stream.write_all(&bytes).is_err() {
            break;
        }
    }
}

impl Runtime for May {
    type Join<T: Send + 'static> = JoinHandle<T>;

    fn run<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> T {
        may::config().set_workers(2);
        // A pool of stacks where processes come and go in batches. Not elsewhere: it is made at the start, and would hide the
        // stacks from `idle_mem`.
        let workload = std::env::args().nth(1).unwrap_or_default();
        if ["spawn", "forkjoin", "skynet"].contains(&workload.as_str()) {
            may::config().set_pool_capacity(12_000);
        }
        Self::spawn(body).join().expect("the body does not panic")
    }

    fn spawn<T: Send + 'static>(body: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
        go!(move || run_at_once(body))
    }

    async fn join<T: Send + 'static>(join: Self::Join<T>) -> T {
        join.join().expect("the coroutine does not panic")
    }

    async fn sleep(duration: Duration) {
        coroutine::sleep(duration);
    }

    async fn echo(client: Client) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        client.start(listener.local_addr().expect("a bound socket"));
        while let Ok((stream, _)) = listener.accept() {
            stream.set_nodelay(true).expect("a TCP stream");
            go!(move || serve(stream));
        }
    }
}

struct Spsc;

impl Channel for Spsc {
    const NOTE: &'static str = "may::sync::spsc, a semaphore as bound";
    type Sender<T: Send + 'static> = (spsc::Sender<T>, Arc<Semphore>);
    type Receiver<T: Send + 'static> = (spsc::Receiver<T>, Arc<Semphore>);

    fn bounded<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        let (sender, receiver) = spsc::channel();
        let room = Arc::new(Semphore::new(capacity));
        ((sender, Arc::clone(&room)), (receiver, room))
    }

    async fn send<T: Send + 'static>(sender: &mut Self::Sender<T>, message: T) -> bool {
        sender.1.wait();
        sender.0.send(message).is_ok()
    }

    async fn recv<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        let message = receiver.0.recv().ok();
        receiver.1.post();
        message
    }
}

struct Mpmc;

impl Channel for Mpmc {
    const NOTE: &'static str = "may::sync::mpmc, a semaphore as bound";
    type Sender<T: Send + 'static> = (mpmc::Sender<T>, Arc<Semphore>);
    type Receiver<T: Send + 'static> = (mpmc::Receiver<T>, Arc<Semphore>);

    fn bounded<T: Send + 'static>(capacity: usize) -> (Self::Sender<T>, Self::Receiver<T>) {
        let (sender, receiver) = mpmc::channel();
        let room = Arc::new(Semphore::new(capacity));
        ((sender, Arc::clone(&room)), (receiver, room))
    }

    fn clone_sender<T: Send + 'static>(sender: &Self::Sender<T>) -> Self::Sender<T> {
        sender.clone()
    }

    fn clone_receiver<T: Send + 'static>(receiver: &Self::Receiver<T>) -> Self::Receiver<T> {
        receiver.clone()
    }

    async fn send<T: Send + 'static>(sender: &mut Self::Sender<T>, message: T) -> bool {
        sender.1.wait();
        sender.0.send(message).is_ok()
    }

    async fn recv<T: Send + 'static>(receiver: &mut Self::Receiver<T>) -> Option<T> {
        let message = receiver.0.recv().ok();
        receiver.1.post();
        message
    }
}

struct Reply;

impl Oneshot for Reply {
    type Sender<T: Send + 'static> = spsc::Sender<T>;
    type Receiver<T: Send + 'static> = spsc::Receiver<T>;

    fn pair<T: Send + 'static>() -> (Self::Sender<T>, Self::Receiver<T>) {
        spsc::channel()
    }

    fn put<T: Send + 'static>(sender: Self::Sender<T>, value: T) {
        // The client waits, so it is there.
        let _ = sender.send(value);
    }

    async fn get<T: Send + 'static>(receiver: Self::Receiver<T>) -> T {
        receiver.recv().expect("the server answers")
    }
}

struct Coroutines;

impl System for Coroutines {
    const NAME: &'static str = "may";
    type Runtime = May;
    type Spsc = Spsc;
    type Mpsc = Mpmc;
    type Mpmc = Mpmc;
    type Oneshot = Reply;
}

fn main() -> ExitCode {
    entry::main(Coroutines::NAME, &workloads::<Coroutines>())
}
