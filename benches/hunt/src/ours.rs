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
    numbers_out_of_order: "../../../tests/planted/numbers_out_of_order.rs",
    stale_guard: "../../../tests/planted/stale_guard.rs",
    stale_fill: "../../../tests/planted/stale_fill.rs",
    cache_stampede: "../../../tests/planted/cache_stampede.rs",
    closed_account: "../../../tests/planted/closed_account.rs",
    double_release: "../../../tests/planted/double_release.rs",
    two_locks: "../../../tests/planted/two_locks.rs",
    hold_and_wait: "../../../tests/planted/hold_and_wait.rs",
    philosophers: "../../../tests/planted/philosophers.rs",
    lock_over_send: "../../../tests/planted/lock_over_send.rs",
    unsubscribe: "../../../tests/planted/unsubscribe.rs",
    barrier_reuse: "../../../tests/planted/barrier_reuse.rs",
    flag_and_turn: "../../../tests/planted/flag_and_turn.rs",
    announce_before_store: "../../../tests/planted/announce_before_store.rs",
    list_then_watch: "../../../tests/planted/list_then_watch.rs",
    register_after_send: "../../../tests/planted/register_after_send.rs",
    use_before_init: "../../../tests/planted/use_before_init.rs",
    wait_before_add: "../../../tests/planted/wait_before_add.rs",
    missed_signal: "../../../tests/planted/missed_signal.rs",
    parked_worker: "../../../tests/planted/parked_worker.rs",
    skipped_state: "../../../tests/planted/skipped_state.rs",
    pool_reorders: "../../../tests/planted/pool_reorders.rs",
    port_order: "../../../tests/planted/port_order.rs",
    wrong_key: "../../../tests/planted/wrong_key.rs",
    overflow_newest: "../../../tests/planted/overflow_newest.rs",
    gone_subscriber: "../../../tests/planted/gone_subscriber.rs",
    termination: "../../../tests/planted/termination.rs",
    half_open: "../../../tests/planted/half_open.rs",
    saga_order: "../../../tests/planted/saga_order.rs",
    stale_failover: "../../../tests/planted/stale_failover.rs",
    token_on_error: "../../../tests/planted/token_on_error.rs",
    unbalanced_fan_out: "../../../tests/planted/unbalanced_fan_out.rs",
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
