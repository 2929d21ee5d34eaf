//! An oracle for the search for leaks: random systems of processes, channels, clones, moves through messages, locks, joins and
//! calls, with a small model beside each that knows the truth.
//!
//! Each system runs on the deterministic scheduler. Now and then, in the middle of everything, the leaks are asked for: whoever is
//! proven then may never do anything again. Whenever the system has settled, what is proven must be exactly what the model says
//! could be proven, and a part of what is true. Then the test uses or drops an endpoint that it has, or lets time pass, and it goes
//! on; in the end it drops all it has.
//!
//! That the test can fail is tested with it: detectors that break one of the rules each (`truth::Mistake`) look at the same systems,
//! and each of them must have said something else in one.
//!
//! `ROUNDROCK_SEEDS=100000` sets the number of systems, `ROUNDROCK_SEED=…` runs one again.

mod actors;
mod system;
mod truth;
mod world;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use roundrock::prelude::*;
use roundrock::sim::Simulation;

use system::{KINDS, Seen};
use truth::Mistake;

/// Systems in a run of all tests: as many as take about ten seconds without optimisation.
const SYSTEMS: u64 = 2_000;

#[test]
fn what_is_proven_is_the_truth() {
    let seen = Arc::new(Seen::default());
    let shared = Arc::clone(&seen);
    let searched = Simulation::new("oracle")
        .seeds(SYSTEMS)
        .with_environment()
        .deny_leaks(false)
        // The seed makes the system too, so there is nothing to make simpler.
        .shrink(Duration::ZERO)
        .run(move |sim: Sim| {
            let seen = Arc::clone(&shared);
            async move {
                let seed = sim.seed().unwrap_or(0);
                system::run(&sim, seed, seen).await
            }
        });
    let summary = match searched {
        Ok(summary) => summary,
        Err(failure) => panic!("{failure}"),
    };
    let kinds = seen.kinds.lock().expect("not poisoned");
    let read = |counter: &std::sync::atomic::AtomicUsize| counter.load(Ordering::Relaxed);
    println!("{summary}");
    println!(
        "{} systems, compared {} times, {} passes; {} processes wait for ever, {} were proven; {kinds:#?}",
        read(&seen.systems),
        read(&seen.compared),
        read(&seen.passes),
        read(&seen.stuck),
        read(&seen.proven),
    );
    let caught = Mistake::ALL.map(|mistake| (mistake, read(&seen.caught[mistake as usize])));
    println!("mistakes would have been caught: {caught:?}");
    // A run of few systems is for looking at them.
    if read(&seen.systems) as u64 >= SYSTEMS {
        for kind in KINDS {
            let kind = format!("{kind:?}");
            assert!(
                kinds.keys().any(|kinds| kinds.contains(&kind)),
                "no system had a cycle with {kind} in it"
            );
        }
        for (mistake, times) in caught {
            assert!(times > 0, "{mistake:?} would not have been caught");
        }
        assert!(kinds.contains_key("behind"), "nobody waited behind a cycle");
        assert!(
            read(&seen.proven) < read(&seen.stuck),
            "everything was known"
        );
    }
}
