//! Programs that must not pass: what a simulation says about them is what is tested.

use roundrock::Result;
use roundrock::sim::{Failure, Reason, Sim, Simulation};

/// Runs a body that fails in every run, with 64 seeds as first ones, and returns the failures.
#[track_caller]
pub(crate) fn in_every_run<F>(body: impl Fn(Sim) -> F + Copy) -> Vec<Failure>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let seeds = 0..64;
    let run = |seed| {
        let one = Simulation::new("failing").first_seed(seed).seeds(1);
        match one.shrink(std::time::Duration::ZERO).run(body) {
            Ok(summary) => panic!("seed {seed} does not fail: {summary}"),
            Err(failure) => *failure,
        }
    };
    seeds.map(run).collect()
}

/// Runs a body that fails in some run, and returns the failure.
#[track_caller]
pub(crate) fn in_some_run<F>(body: impl Fn(Sim) -> F) -> Failure
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    match Simulation::new("failing").run(body) {
        Ok(summary) => panic!("no run fails: {summary}"),
        Err(failure) => *failure,
    }
}

/// Runs a body that leaves leaks behind in every run: the report gives these proofs, one for each finding, and each names these.
#[track_caller]
pub(crate) fn leaking<F>(body: impl Fn(Sim) -> F + Copy, findings: &[(&str, &[&str])])
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    for failure in in_every_run(body) {
        let Reason::Leak(found) = &failure.reason else {
            panic!("{failure}");
        };
        are_proven(&failure, found, findings);
    }
}

/// Fails unless these are the findings, in this order. A finding is how its text begins, and the names of processes in it.
#[track_caller]
pub(crate) fn are_proven(failure: &Failure, found: &[String], findings: &[(&str, &[&str])]) {
    assert_eq!(found.len(), findings.len(), "{failure}");
    for (text, (proof, names)) in found.iter().zip(findings) {
        assert!(text.starts_with(proof), "`{proof}` in\n{failure}");
        for name in *names {
            assert!(text.contains(&format!("{name}#")), "`{name}` in\n{failure}");
        }
    }
}
