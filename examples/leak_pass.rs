//! What a search for leaks costs: the time of one pass over many parked processes, and the share of the processor that the passes
//! take which the system makes without being asked.
//!
//! ```text
//! cargo run --release --example leak_pass -- 1000000 60
//! ```
//!
//! CI: `20000 1`
//!
//! The words are the number of processes (default 1,000,000), and for how many seconds the unasked passes are watched (default 20).
//! First all processes are healthy: each waits for a message, and somebody outside has its sender. Then all of them are stuck in one
//! chain, and each must be looked at twice. Pages: the memory that a pass reads is that of the processes; a first pass brings it in.

use std::fs;
use std::time::{Duration, Instant};

use roundrock::prelude::*;

/// Waits for a message that somebody outside may send.
#[process]
async fn idles(input: &Receiver<u32>) {
    input.recv().await;
}

/// Waits for its neighbour, who waits for his.
#[process]
async fn waits(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
    let number = input.recv().await.unwrap_or(0);
    Ok(output.send(number).await?)
}

/// The processor time of the monitor's thread, if this system says so.
fn monitor_time() -> Option<Duration> {
    let tasks = fs::read_dir("/proc/self/task").ok()?;
    let monitor = tasks.flatten().find(|task| {
        let name = fs::read_to_string(task.path().join("comm")).unwrap_or_default();
        // The system cuts long names off.
        name.contains("-monit")
    })?;
    let spent = fs::read_to_string(monitor.path().join("schedstat")).ok()?;
    Some(Duration::from_nanos(spent.split(' ').next()?.parse().ok()?))
}

/// Five passes on this thread, in milliseconds.
fn passes(system: &System) -> (Vec<f64>, usize) {
    let mut found = 0;
    let times = (0..5).map(|_| {
        let begun = Instant::now();
        let leaks = system.leaks();
        found = leaks.iter().map(|leak| leak.count).sum();
        begun.elapsed().as_secs_f64() * 1e3
    });
    (times.collect(), found)
}

async fn measure(scope: &Scope, what: &str, watched: Duration) {
    let system = scope.system();
    // The one worker comes back here when all the others have parked.
    sleep(millis(100)).await;
    let asked = system.clone();
    let (times, found) = blocking(move || passes(&asked)).await;
    let times: Vec<_> = times.iter().map(|time| format!("{time:.0}")).collect();
    println!("{what}: passes of {} ms, {found} found", times.join(", "));
    let (before, begun) = (monitor_time(), Instant::now());
    sleep(watched).await;
    if let (Some(before), Some(after)) = (before, monitor_time()) {
        let share = (after - before).as_secs_f64() / begun.elapsed().as_secs_f64();
        println!("{what}: the monitor takes {:.2} % of a core", 100.0 * share);
    }
}

#[roundrock::main(workers = 1)]
async fn main(scope: &Scope) -> Result<()> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let count: usize = words.first().map_or(Ok(1_000_000), |word| word.parse())?;
    let watched = secs(words.get(1).map_or(Ok(20), |word| word.parse())?);
    let healthy = scope.child("healthy");
    let mut kept = Vec::with_capacity(count);
    for _ in 0..count {
        let (sender, input) = bounded(1);
        healthy.spawn(idles(input));
        kept.push(sender);
    }
    measure(scope, "healthy", watched).await;
    drop(kept);
    healthy.stop(secs(60)).await;
    let stuck = scope.child("stuck");
    let (first, mut input) = bounded(1);
    for _ in 1..count {
        let (output, next) = bounded(1);
        stuck.spawn(waits(input, output));
        input = next;
    }
    stuck.spawn(waits(input, first));
    measure(scope, "stuck", watched).await;
    stuck.stop(secs(60)).await;
    Ok(())
}
