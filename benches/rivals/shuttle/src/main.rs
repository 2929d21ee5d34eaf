//! Shuttle: threads and channels of its own in the place of the standard library's, and a random scheduler.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use bench_suite::counts;
use bench_suite::entry::{self, Arguments};
use bench_suite::measure::{Figures, Meter};
use shuttle::scheduler::{RandomScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::sync::mpsc::{Receiver, SyncSender, sync_channel};
use shuttle::{Config, Runner, thread};

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

/// Counts how often it is asked who runs next.
struct Counting(RandomScheduler, Arc<AtomicU64>);

impl Scheduler for Counting {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.0.new_execution()
    }

    fn next_task(
        &mut self,
        runnable: &[&Task],
        current: Option<TaskId>,
        is_yielding: bool,
    ) -> Option<TaskId> {
        self.1.fetch_add(1, Relaxed);
        self.0.next_task(runnable, current, is_yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.0.next_u64()
    }
}

/// How often the scheduler chooses in a run; in one that is not measured.
fn steps_of_a_run(size: usize, hops: u64) -> u64 {
    let steps = Arc::new(AtomicU64::new(0));
    let scheduler = Counting(RandomScheduler::new(1), Arc::clone(&steps));
    Runner::new(scheduler, Config::default()).run(move || ring(size, hops));
    steps.load(Relaxed)
}

fn sim_steps(arguments: &Arguments) -> Figures {
    let runs = arguments.count(counts::SIM_LONG_RUNS);
    let meter = Meter::start();
    shuttle::check_random(
        || ring(counts::SIM_LONG_RING, counts::SIM_LONG_HOPS),
        runs as usize,
    );
    let figures = meter.stop(runs * counts::SIM_LONG_HOPS);
    let steps = runs * steps_of_a_run(counts::SIM_LONG_RING, counts::SIM_LONG_HOPS);
    let rate = steps as f64 / figures.wall_s;
    figures.with("steps_per_s", rate)
}

fn sim_runs(arguments: &Arguments) -> Figures {
    let runs = arguments.count(counts::SIM_RUNS);
    let meter = Meter::start();
    shuttle::check_random(|| ring(counts::SIM_RING, counts::SIM_HOPS), runs as usize);
    let figures = meter.stop(runs);
    let steps = runs * steps_of_a_run(counts::SIM_RING, counts::SIM_HOPS);
    let rate = steps as f64 / figures.wall_s;
    figures.with("steps_per_s", rate)
}

fn main() -> ExitCode {
    entry::main(
        "shuttle",
        &[("sim_steps", sim_steps), ("sim_runs", sim_runs)],
    )
}
