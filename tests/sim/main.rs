//! Deterministic tests: what a simulation promises, and what it finds.
//!
//! Failures are part of what is tested, so most tests call `Simulation` instead of the macro.

mod end;
mod environment;
mod events;
mod faults;
mod holds;
mod lags;
mod left;
mod lines;
mod monitors;
mod reads;
mod refused;
mod schedules;
mod time;
mod turns;

use roundrock::sim::{Simulation, Strategy};
use roundrock::{Result, Sim};

/// All strategies, the one that chooses nothing first.
const STRATEGIES: [Strategy; 7] = [
    Strategy::Baseline,
    Strategy::Random,
    Strategy::Pct,
    Strategy::Holds,
    Strategy::Pos,
    Strategy::Urw,
    Strategy::Mix,
];

/// Runs a body with every strategy; it must pass.
fn passes<F>(seeds: u64, body: impl Fn(Sim) -> F)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    for strategy in STRATEGIES {
        let search = Simulation::new("passes").seeds(seeds).strategy(strategy);
        if let Err(failure) = search.max_steps(30_000).run(&body) {
            panic!("{strategy:?}: {failure}");
        }
    }
}
