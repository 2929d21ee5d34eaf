//! Shuttle: threads and channels of its own in the place of the standard library's, and a random scheduler.

use std::process::ExitCode;

use bench_suite::counts;
use bench_suite::entry::{self, Arguments};
use bench_suite::measure::{Figures, Meter};
use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};
use shuttle::thread;

/// Passes the token on until it has made its way.
fn pass(input: &Receiver<u64>, output: &SyncSender<u64>) {
    while let Ok(left) = input.recv() {
        if left == 0 || output.send(left - 1).is_err() {
            return;
        }
    }
}

/// One run: a ring of threads, round which a token goes.
fn ring(size: usize, hops: u64) {
    let (first, mut input) = sync_channel(1);
    let mut threads = Vec::new();
    for _ in 1..size {
        let (output, next) = sync_channel(1);
        let own = std::mem::replace(&mut input, next);
        threads.push(thread::spawn(move || pass(&own, &output)));
    }
    first.send(hops).expect("somebody receives");
    threads.push(thread::spawn(move || pass(&input, &first)));
    for thread in threads {
        thread.join().expect("a thread does not panic");
    }
}

fn sim_steps(arguments: &Arguments) -> Figures {
    let runs = arguments.count(counts::SIM_LONG_RUNS);
    let meter = Meter::start();
    shuttle::check_random(
        || ring(counts::SIM_LONG_RING, counts::SIM_LONG_HOPS),
        runs as usize,
    );
    meter.stop(runs * counts::SIM_LONG_HOPS)
}

fn sim_runs(arguments: &Arguments) -> Figures {
    let runs = arguments.count(counts::SIM_RUNS);
    let meter = Meter::start();
    shuttle::check_random(|| ring(counts::SIM_RING, counts::SIM_HOPS), runs as usize);
    meter.stop(runs)
}

fn main() -> ExitCode {
    entry::main(
        "shuttle",
        &[("sim_steps", sim_steps), ("sim_runs", sim_runs)],
    )
}
