//! Madsim: its runtime, which picks a random task for each poll, and tokio's channels. Built with `--cfg madsim`.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::process::ExitCode;

use bench_suite::counts;
use bench_suite::entry::{self, Arguments};
use bench_suite::measure::{Figures, Meter};
use madsim::runtime::Runtime;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Passes the token on until it has made its way.
async fn pass(mut input: Receiver<u64>, output: Sender<u64>) {
    while let Some(left) = input.recv().await {
        if left == 0 || output.send(left - 1).await.is_err() {
            return;
        }
    }
}

thread_local! {
    static POLLS: Cell<u64> = const { Cell::new(0) };
}

/// How often the tasks of a run are polled, each time by a choice of the scheduler's; in a run that is not measured.
fn steps_of_a_run(size: usize, hops: u64) -> u64 {
    ring(0, size, hops, async |input, output| {
        let mut task = pin!(pass(input, output));
        poll_fn(|cx| {
            POLLS.set(POLLS.get() + 1);
            task.as_mut().poll(cx)
        })
        .await;
    });
    POLLS.take()
}

/// One run: a ring of tasks, round which a token goes.
fn ring<F>(
    seed: u64,
    size: usize,
    hops: u64,
    pass: impl Fn(Receiver<u64>, Sender<u64>) -> F + Send + 'static,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let runtime = Runtime::with_seed_and_config(seed, madsim::Config::default());
    runtime.block_on(async move {
        let (first, mut input) = channel(1);
        let mut tasks = Vec::new();
        for _ in 1..size {
            let (output, next) = channel(1);
            let own = std::mem::replace(&mut input, next);
            tasks.push(madsim::task::spawn(pass(own, output)));
        }
        first.send(hops).await.expect("somebody receives");
        tasks.push(madsim::task::spawn(pass(input, first)));
        for task in tasks {
            task.await.expect("a task does not panic");
        }
    });
}

fn sim_steps(arguments: &Arguments) -> Figures {
    let runs = arguments.count(counts::SIM_LONG_RUNS);
    let meter = Meter::start();
    for seed in 0..runs {
        ring(seed, counts::SIM_LONG_RING, counts::SIM_LONG_HOPS, pass);
    }
    let figures = meter.stop(runs * counts::SIM_LONG_HOPS);
    let steps = runs * steps_of_a_run(counts::SIM_LONG_RING, counts::SIM_LONG_HOPS);
    told(figures, steps)
}

fn sim_runs(arguments: &Arguments) -> Figures {
    let runs = arguments.count(counts::SIM_RUNS);
    let meter = Meter::start();
    for seed in 0..runs {
        ring(seed, counts::SIM_RING, counts::SIM_HOPS, pass);
    }
    let figures = meter.stop(runs);
    let steps = runs * steps_of_a_run(counts::SIM_RING, counts::SIM_HOPS);
    told(figures, steps)
}

fn told(figures: Figures, steps: u64) -> Figures {
    let rate = steps as f64 / figures.wall_s;
    figures
        .with("steps_per_s", rate)
        .note("switches where tasks wait only")
}

fn main() -> ExitCode {
    entry::main(
        "madsim",
        &[("sim_steps", sim_steps), ("sim_runs", sim_runs)],
    )
}
