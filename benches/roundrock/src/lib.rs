//! The workloads on Roundrock, written as a user would: the public interface, and default options.

pub mod actors;
pub mod ask;
pub mod functions;
pub mod sim;

use bench_suite::entry::workers;
use bench_suite::measure::Figures;
use roundrock::prelude::*;

/// Runs a workload in a system with two workers, or as many as were asked for.
///
/// # Panics
/// If the workload does not give what it should.
pub fn system<F>(body: impl FnOnce(Scope) -> F) -> Figures
where
    F: Future<Output = Result<Figures>> + Send + 'static,
{
    let ran = System::builder().workers(workers()).run(body);
    ran.expect("the workload gives what it should")
}
