//! What is asked of every bug, and of every twin.

use std::path::PathBuf;

use std::time::{Duration, Instant};
use std::{env, fs};

use roundrock::sim::{Failure, Reason, Sim, Simulation};
use roundrock::{Result, Scope};
use roundrock_tests::on;

/// Within so many seeds every bug must be found.
const SEEDS: u64 = 1000;

/// Longer than making a failure simpler takes on any machine.
const PATIENCE: Duration = Duration::from_secs(300);

/// How a bug shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mistake {
    /// A check of the program's or of the test's does not hold.
    Assertion,
    /// A process, a scope or the test ends with an error.
    Error,
    /// The test waits, and nothing can run.
    Deadlock,
    /// Processes are left that wait for ever.
    Leak,
}

impl Mistake {
    fn of(reason: &Reason) -> Option<Self> {
        Some(match reason {
            Reason::Panicked { .. } => Self::Assertion,
            Reason::Failed { .. } => Self::Error,
            Reason::Deadlock => Self::Deadlock,
            Reason::Leak(_) => Self::Leak,
            _ => return None,
        })
    }
}

/// Searches for the bug, replays what was found, and compares it with the trace that is kept.
pub(crate) fn must_be_found<F>(name: &str, mistake: Mistake, body: impl Fn(Sim) -> F + Copy)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let begun = Instant::now();
    // The number of runs limits the shrinking, and not the clock, so that a slow machine finds the same.
    let search = Simulation::new(name).seeds(SEEDS).shrink(PATIENCE);
    let searched = search.run(body);
    let failure = match searched {
        Err(failure) => failure,
        Ok(summary) => panic!("{name} was not found: {summary}"),
    };
    let took = begun.elapsed();
    println!(
        "{name}: run {}, {} events, {} unusual choices, {} ms",
        failure.seeds_run,
        failure.events.len(),
        failure.shrunk.deviations(),
        took.as_millis(),
    );
    assert_eq!(Mistake::of(&failure.reason), Some(mistake), "{failure}");
    let again = Simulation::new(name).replay(&failure.shrunk, body);
    let again = again.expect_err("the shrunk tape is one that fails");
    assert_eq!(Mistake::of(&again.reason), Some(mistake), "{again}");
    compare(name, &failure);
}

/// Searches the twin, which must pass.
pub(crate) fn must_pass<F>(name: &str, body: impl Fn(Sim) -> F)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let seeds = match env::var("PLANTED_SEEDS") {
        Ok(seeds) => seeds.parse().expect("PLANTED_SEEDS is a number"),
        Err(_) => SEEDS,
    };
    let name = format!("{name} (twin)");
    match Simulation::new(&name).seeds(seeds).run(body) {
        Ok(summary) => println!("{summary}"),
        Err(failure) => panic!("{failure}"),
    }
}

/// Runs the twin once, unchanged, on a system with two workers.
pub(crate) fn must_pass_on_threads<F>(name: &str, body: impl FnOnce(Scope) -> F + Send + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    // Correct only where a machine is never slower than a time-out.
    const NEED_VIRTUAL_TIME: [&str; 4] =
        ["double_charge", "lease_race", "silent_node", "ticker_burst"];
    if !NEED_VIRTUAL_TIME.contains(&name) {
        on(2, body);
    }
}

/// Compares the events of the shrunk run with those that are kept, word for word: they are the same in debug and release builds,
/// and on every machine. A change of the runtime that moves a scheduling point moves lines; that should be seen and not happen by
/// accident.
fn compare(name: &str, failure: &Failure) {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("planted/traces/{name}.txt"));
    let trace = format!("{}\n\n{}\n", failure.reason, failure.events.join("\n"));
    let mode = env::var("PLANTED_TRACES").unwrap_or_default();
    if mode == "overwrite" {
        fs::write(&file, trace).expect("the trace can be written");
        return;
    }
    let kept = fs::read_to_string(&file).expect("PLANTED_TRACES=overwrite writes the trace");
    assert!(
        kept == trace,
        "what is shown has changed; if that is wanted, PLANTED_TRACES=overwrite keeps it\n-- kept in {}:\n{kept}\n-- now:\n{trace}",
        file.display(),
    );
}
