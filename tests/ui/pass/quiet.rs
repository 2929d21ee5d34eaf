//! Expansions are silent under the strictest lints.
#![deny(
    warnings,
    clippy::pedantic,
    clippy::nursery,
    missing_docs,
    unreachable_pub
)]
#![warn(dead_code)]

use roundrock::prelude::*;

/// Counts.
#[process]
#[derive(Debug)]
pub struct Counter {
    n: i64,
    jobs: Receiver<i64>,
}

#[handlers]
impl Counter {
    /// Adds.
    pub fn add(&mut self, by: i64) {
        self.n += by;
    }
    /// Reads.
    pub fn get(&self) -> i64 {
        self.n
    }
    /// Gives it all.
    pub fn take(&mut self, names: Vec<String>) -> Vec<String> {
        names
    }
    #[recv(jobs)]
    async fn job(&mut self, by: i64) {
        sleep(secs(1)).await;
        self.n += by;
    }
    #[every("1s")]
    fn tick(&mut self) {
        self.n += 1;
    }
    #[on_start]
    fn start(&mut self) {
        self.n = 0;
    }
}

/// Holds anything.
#[process(mailbox = 16)]
#[derive(Debug)]
pub struct Store<T> {
    values: Vec<T>,
}

#[handlers]
impl<T: Send + 'static> Store<T> {
    /// Keeps a value.
    pub fn put(&mut self, value: T) {
        self.values.push(value);
    }
}

/// Passes on.
#[process]
pub async fn route(
    raw: &Receiver<u8>,
    limits: &Vec<u8>,
    least: &u8,
    out: Sender<u8>,
    scope: &Scope,
) -> Result<()> {
    loop {
        select! {
            n = raw.recv(), if !limits.is_empty() => out.send(n.max(*least)).await?,
            () = scope.stopping() => return Ok(()),
            out.send(1) => {}
            else => break,
        }
        select! {
            _ = sleep(secs(1)) => {}
            _ = out.send(2) => {}
            _ = scope.stopping() => break,
            _ = raw.recv() => {}
            else => break,
        }
        let next = select! { n = raw.recv() => { n } default => { 0 } else => { 1 } };
        out.send(next).await?;
    }
    Ok(())
}

/// Has an input of its own.
#[process]
pub async fn collect<T: Send + 'static>(#[inbox(8)] raw: &Receiver<T>, mut seen: Vec<T>) -> ! {
    loop {
        seen.extend(raw.recv().await);
        if seen.len() > 8 {
            seen.clear();
        }
    }
}

/// Blocks.
#[process(blocking)]
pub fn read(out: &Sender<u8>) -> Result<()> {
    out.blocking_send(1)?;
    Ok(())
}

/// Starts everything.
#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (out, raw) = bounded(8);
    let (_, jobs) = rendezvous();
    let counter = scope.spawn(Counter { n: 0, jobs });
    counter.add(5).send().await?;
    counter.add_port().send(counter.get().await?).await?;
    counter.take(vec![]).await?;
    scope.spawn(Store { values: vec![1] }).put(2).await?;
    scope.spawn(read(out.clone()));
    scope.spawn(route(raw, vec![], 1, out));
    let collect = scope.spawn(collect(vec![0_u8]));
    collect.raw().send(1).await?;
    collect.stop();
    scope.stop(secs(1)).await;
    Ok(())
}
