//! The kernels: the least that a user writes to do one thing many times, on one worker.

use std::hint::black_box;

use roundrock::prelude::*;

/// Does its thing so many times.
type Kernel = fn(u64) -> Result<()>;

/// All kernels, and how often one runs at least.
pub const KERNELS: &[(&str, Kernel, u64)] = &[
    ("spawn", spawn, 2_000),
    ("rendezvous", rendezvous_message, 4_000),
    ("buffered", buffered_message, 10_000),
    ("ask", ask, 2_000),
    ("timer", timer, 2_000),
];

fn system<F>(body: impl FnOnce(Scope) -> F) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    System::builder().workers(1).run(body)
}

#[process]
async fn nothing(number: u64) {
    black_box(number);
}

/// A process that does nothing is started and joined, 100 at a time.
fn spawn(n: u64) -> Result<()> {
    system(async move |scope| {
        let mut tasks = Vec::with_capacity(100);
        for _ in 0..n / 100 {
            for number in 0..100 {
                tasks.push(scope.spawn(nothing(number)));
            }
            for task in tasks.drain(..) {
                task.await?;
            }
        }
        Ok(())
    })
}

#[process]
async fn produce(n: u64, out: &Sender<u64>) -> Result<()> {
    for number in 0..n {
        out.send(number).await?;
    }
    Ok(())
}

#[process]
async fn consume(numbers: &Receiver<u64>) -> Result<u64> {
    let mut sum = 0;
    while let Some(number) = numbers.recv().await {
        sum += number;
    }
    Ok(sum)
}

fn stream(channel: (Sender<u64>, Receiver<u64>), n: u64) -> Result<()> {
    system(async move |scope| {
        let (out, numbers) = channel;
        let consumer = scope.spawn(consume(numbers));
        scope.spawn(produce(n, out)).await?;
        let sum = consumer.await?;
        ensure!(sum == n * (n - 1) / 2, "the sum is {sum}");
        Ok(())
    })
}

/// A message over a rendezvous.
fn rendezvous_message(n: u64) -> Result<()> {
    stream(rendezvous(), n)
}

/// A message through a buffer of 64.
fn buffered_message(n: u64) -> Result<()> {
    stream(bounded(64), n)
}

#[process]
struct Server {
    asked: u64,
}

#[handlers]
impl Server {
    fn next(&mut self, number: u64) -> u64 {
        self.asked += 1;
        number + 1
    }
}

/// A question to a struct process, and its answer.
fn ask(n: u64) -> Result<()> {
    system(async move |scope| {
        let server = scope.spawn(Server { asked: 0 });
        for number in 0..n {
            let answer = server.next(number).await?;
            ensure!(answer == number + 1, "{number} was answered with {answer}");
        }
        Ok(())
    })
}

/// A sleep that ends, beside a thousand that do not.
fn timer(n: u64) -> Result<()> {
    system(async move |scope| {
        let others = scope.child("others");
        for _ in 0..1_000 {
            others.task("sleeper", sleep(secs(3_600)));
        }
        for _ in 0..n {
            sleep(std::time::Duration::from_nanos(1)).await;
        }
        others.stop(millis(0)).await;
        Ok(())
    })
}
