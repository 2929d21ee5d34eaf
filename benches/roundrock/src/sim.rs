//! Deterministic tests: how fast schedules are searched.

use bench_suite::counts;
use bench_suite::entry::Arguments;
use bench_suite::measure::{Figures, Meter};
use roundrock::prelude::*;
use roundrock::sim::{Simulation, Strategy, Summary};

/// Passes the token on until it has made its way.
#[process]
async fn pass(input: &Receiver<u64>, output: &Sender<u64>) -> Result<()> {
    while let Some(left) = input.recv().await {
        if left == 0 {
            break;
        }
        output.send(left - 1).await?;
    }
    Ok(())
}

/// One run: a ring of processes, round which a token goes.
async fn ring(sim: &Sim, size: usize, hops: u64) -> Result<()> {
    let (first, mut input) = bounded(1);
    let mut tasks = Vec::new();
    for _ in 1..size {
        let (output, next) = bounded(1);
        let own = std::mem::replace(&mut input, next);
        tasks.push(sim.spawn(pass(own, output)));
    }
    first.send(hops).await?;
    tasks.push(sim.spawn(pass(input, first)));
    for task in tasks {
        task.done().await;
    }
    Ok(())
}

fn search(strategy: Strategy, runs: u64, size: usize, hops: u64) -> Summary {
    let search = Simulation::new("ring")
        .seeds(runs)
        .strategy(strategy)
        .max_steps(u64::MAX);
    let found = search.run(|sim: Sim| async move { ring(&sim, size, hops).await });
    found.expect("the ring has no mistake")
}

/// Searches by the random walk, as the rivals do, and then by the default strategy, whose time for an operation is a figure of its own.
fn measured(runs: u64, size: usize, hops: u64, operations: u64) -> (Figures, Summary) {
    let meter = Meter::start();
    let summary = search(Strategy::Random, runs, size, hops);
    let figures = meter.stop(operations);
    let meter = Meter::start();
    search(Strategy::default(), runs, size, hops);
    let mix = meter.stop(operations);
    let mix_ns = mix.wall_s * 1e9 / operations.max(1) as f64;
    (figures.with("mix_ns_per_op", mix_ns), summary)
}

/// Messages between three processes, in long runs.
pub fn sim_steps(arguments: &Arguments) -> Figures {
    let runs = arguments.count(counts::SIM_LONG_RUNS);
    let hops = counts::SIM_LONG_HOPS;
    let (figures, summary) = measured(runs, counts::SIM_LONG_RING, hops, runs * hops);
    let rate = summary.steps as f64 / figures.wall_s;
    figures.with("steps_per_s", rate)
}

/// Short runs of ten processes.
pub fn sim_runs(arguments: &Arguments) -> Figures {
    let runs = arguments.count(counts::SIM_RUNS);
    let (figures, summary) = measured(runs, counts::SIM_RING, counts::SIM_HOPS, runs);
    let rate = summary.steps as f64 / figures.wall_s;
    figures.with("steps_per_s", rate)
}
