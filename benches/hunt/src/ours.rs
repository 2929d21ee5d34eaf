//! The search by Roundrock, on the programs of `tests/planted`.

use std::time::{Duration, Instant};

use roundrock::sim::{Failure, Sim, Simulation};

use crate::{Found, MOST, Shrunk};

/// Declares the programs, and a search for each.
macro_rules! programs {
    ($($name:ident: $file:literal,)*) => {
        $(
            #[path = $file]
            mod $name;
        )*

        fn run(simulation: &Simulation, name: &str) -> Option<Box<Failure>> {
            match name {
                $(stringify!($name) => simulation.run(|sim: Sim| async move { $name::buggy(&sim).await }).err(),)*
                _ => None,
            }
        }
    };
}

programs! {
    lost_update: "../../../tests/planted/lost_update.rs",
    check_then_act: "../../../tests/planted/check_then_act.rs",
    torn_read: "../../../tests/planted/torn_read.rs",
    two_locks: "../../../tests/planted/two_locks.rs",
    hold_and_wait: "../../../tests/planted/hold_and_wait.rs",
    lock_over_send: "../../../tests/planted/lock_over_send.rs",
    numbers_out_of_order: "../../../tests/planted/numbers_out_of_order.rs",
    announce_before_store: "../../../tests/planted/announce_before_store.rs",
    list_then_watch: "../../../tests/planted/list_then_watch.rs",
    pool_reorders: "../../../tests/planted/pool_reorders.rs",
}

/// Searches without making the failure simpler.
pub(crate) fn search(name: &str, trial: u64) -> Found {
    let begun = Instant::now();
    // Without seed 0, whose run is the same in all searches.
    let simulation = Simulation::new(name)
        .first_seed(1 + trial * MOST)
        .seeds(MOST)
        .shrink(Duration::ZERO);
    let failure = run(&simulation, name);
    Found {
        runs: failure.as_ref().map(|failure| failure.seeds_run),
        took: begun.elapsed(),
        decisions: failure.as_ref().map_or(0, |failure| failure.steps),
        switches: failure.map_or(0, |failure| failure.tape.deviations() as u64),
    }
}

/// The search with all defaults, as a test makes it.
pub(crate) fn shrunk(name: &str) -> Shrunk {
    let begun = Instant::now();
    let failure = run(&Simulation::new(name).seeds(MOST), name);
    Shrunk {
        events: failure.as_ref().map_or(0, |failure| failure.events.len()),
        choices: failure.map_or(0, |failure| failure.shrunk.deviations()),
        took: begun.elapsed(),
    }
}
