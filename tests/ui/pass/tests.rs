//! The forms of a test.

#![deny(warnings, clippy::all, clippy::pedantic)]

// Only a build for tests keeps the functions below; in another one, such as this file's, nothing uses what they name.
#[cfg_attr(not(test), expect(unused_imports))]
use roundrock::prelude::*;

#[roundrock::test]
async fn without_options(sim: &Sim) {
    sim.settle().await;
}

/// With documentation.
#[roundrock::test(
    seeds = 2,
    strategy = "urw",
    faults(panic = 0.01, slow = 0.05, stall = 0, delay = 1.0),
    max_steps = 5_000,
    leaks = "allow",
    grace = "250ms",
    tape = "3.1,0.2",
    tokio = false
)]
async fn with_all_options(sim: &Sim) -> Result<()> {
    sim.advance(millis(1)).await;
    Ok(())
}

#[roundrock::test(tape = "-")]
#[should_panic(expected = "no luck")]
async fn that_must_fail(_: &roundrock::Sim) -> Result<(), String> {
    Err("no luck".to_owned())
}

#[roundrock::test(real, workers = 2, grace = "1s")]
async fn on_threads(scope: &Scope) -> Result<()> {
    scope.task("one", async {}).await?;
    Ok(())
}

fn main() {}
