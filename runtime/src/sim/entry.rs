//! What `#[roundrock::test]` expands to.

use std::future::Future;
use std::io::Write as _;
use std::sync::Arc;

use crate::process::exit::IntoOutcome;
use crate::scope::Scope;
use crate::sim::search::error_of;
use crate::sim::{Sim, Simulation};
use crate::system::Builder;

/// The body of a `#[roundrock::test]`: what the environment says comes first.
///
/// # Panics
/// With the report, if a run fails.
pub fn run_test<F>(simulation: Simulation, body: impl Fn(Sim) -> F)
where
    F: Future<Output: IntoOutcome> + Send + 'static,
{
    match simulation.captures_nothing().with_environment().run(body) {
        // Not by `println!`, which the test harness keeps to itself when a test passes.
        Ok(summary) => drop(writeln!(std::io::stderr(), "{summary}")),
        Err(mut failure) => {
            failure.keep_what_is_too_long();
            let report = failure.to_string();
            eprintln!("\n{report}");
            // The report was printed; the panic hook need not repeat it in one line.
            std::panic::resume_unwind(Box::new(report));
        }
    }
}

/// The body of a `#[roundrock::test(real)]`: a system with threads and real time. A test that hangs is no program that ends with a
/// report, so it says on standard error what it waits for, as `#[roundrock::main]` does.
///
/// # Panics
/// If the body or a process fails, or a process does not end within the grace.
pub fn run_real_test<F>(builder: Builder, body: impl FnOnce(Scope) -> F)
where
    F: Future<Output: IntoOutcome> + Send + 'static,
{
    let (result, books) = builder.speaks().run_and_report(|scope| {
        let root = Arc::clone(&scope.inner);
        let body = body(scope);
        async move {
            let result = body.await.into_outcome().map(drop).map_err(error_of);
            // As in a simulation: what goes on until it is stopped does not keep the test from its end.
            root.begin_stop(root.system.grace);
            result
        }
    });
    if let Err(error) = result {
        panic!("the test failed: {error:?}");
    }
    let report = &books.report;
    assert!(report.is_clean(), "{report}");
    let ledger = &books.ledger;
    assert!(ledger.is_balanced(), "messages were lost: {ledger}");
}
