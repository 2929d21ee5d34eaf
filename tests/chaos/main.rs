//! Chaos: a router under everything that can go wrong, for a while. P1, P4, P16, P17, P21 to P24, P30, P34.
//!
//! Clients put events into a rendezvous channel, supervised workers take them to supervised sinks, and somebody (`monkey`) breaks
//! them: panics, errors, kills, stops, slow sinks, clients that go in the middle of a call, threads that do not come back, dead
//! letters that nobody reads. Clients also lock what they share, ask pools, and look for a name that comes and goes. The parts are in `router`.
//!
//! The program lives in generations. At the end of each one the breaking stops, the sources run dry, and everything must end by
//! itself: who waits for a wakeup that was lost does not, and the test fails with what it waits for. Every second generation is
//! stopped in the middle of it instead, with somebody in it who outlasts the grace: he is dropped then, and the report names him. After
//! each one
//! - every message is accounted for, and none is queued;
//! - every event that was made was dropped once;
//! - nobody is proven leaked, nor was meanwhile, and every lock and permit was given back;
//! - the processes, channels and timers are those that there were before, and the memory is flat.
//!
//! A generation of its own, a short one, is stopped with somebody in it who does not come back to his worker at all.
//!
//! Takes 20 s; `ROUNDROCK_CHAOS_SECS=300` is the long form. The seed is printed; `ROUNDROCK_SEED=…` takes that one. Threads make
//! their own order, so a seed gives the same choices and not the same run.

mod monkey;
mod router;

use std::sync::Arc;
use std::time::{Duration, Instant};

use roundrock::prelude::*;
use roundrock::scope::Late;
use roundrock_tests::{Random, assert_balanced, assert_no_threads_of, unique_name};

use crate::router::{Router, Tally};

/// How long a generation is broken for.
const GENERATION: Duration = Duration::from_millis(1500);
/// How long everything may take to end by itself.
const PATIENCE: Duration = Duration::from_secs(30);
/// Generations after which the memory has its size: pools of threads, buffers and slots are warm.
const WARM: usize = 4;
/// What the memory may grow by from then on, in bytes.
const SLACK: usize = 6 << 20;

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// The memory of this program, in bytes.
fn resident() -> usize {
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.map_or(0, |pages: usize| pages * 4096)
}

/// What there is of each kind, to compare generations.
fn census(system: &System) -> (usize, usize, usize) {
    let snapshot = system.snapshot();
    // Without those of the runtime's own, one of which comes at any moment after the first step of `main`.
    let processes = snapshot.processes.iter();
    (
        processes.filter(|process| process.scope != 0).count(),
        snapshot.channels.len(),
        snapshot.timers,
    )
}

/// Waits until the census is this again: what has ended may leave the lists a moment later.
async fn returns_to(system: &System, before: (usize, usize, usize)) {
    let begun = Instant::now();
    loop {
        // The timer of this very wait is not there yet.
        let now = census(system);
        if now == before {
            return;
        }
        assert!(
            begun.elapsed() < PATIENCE,
            "{before:?} processes, channels and timers before, {now:?} now: {:#?}",
            system.snapshot()
        );
        roundrock_tests::yield_now().await;
    }
}

/// What must hold when a generation has ended.
async fn leaves_nothing(system: &System, before: (usize, usize, usize), tally: &Tally) {
    returns_to(system, before).await;
    assert_balanced(system);
    monkey::nobody_is_accused(system);
    assert_eq!(system.lost_wakeups(), 0, "wakeups that were lost");
    let now = system.ledger();
    assert_eq!(now.queued, 0, "{now}");
    assert_eq!(tally.alive(), 0, "events that were made and not dropped");
}

async fn generation(scope: Scope, seed: u64, number: usize) -> Result<()> {
    let system = scope.system();
    let (before, ledger) = (census(&system), system.ledger());
    let mut random = Random::new(seed.wrapping_add(number as u64));
    let parts = scope.child("generation");
    let router = Arc::new(Router::build(&parts, random.below(usize::MAX) as u64));
    monkey::breaks(&parts, &router, &mut random, GENERATION).await;

    let (tally, vault) = (Arc::clone(&router.tally), Arc::clone(&router.vault));
    monkey::nobody_is_accused(&system);
    if number.is_multiple_of(2) {
        router.calm();
        drop(router);
        // By itself: nobody is stopped, so whoever waits must be woken by the end of what it waits for.
        if timeout(PATIENCE, parts.join()).await.is_err() {
            panic!("generation {number} does not end: {:#?}", system.snapshot());
        }
    } else {
        let stubborn = router.stubborn();
        drop(router);
        let report = parts.stop(millis(200)).await;
        assert!(report.stuck.is_empty(), "{report}");
        let named = |late: &&Late| late.id == stubborn.id() && late.name == "stubborn";
        assert_eq!(report.late.iter().filter(named).count(), 1, "{report}");
        assert!(report.took >= millis(200), "{report}");
        assert_eq!(stubborn.done().await.kind(), "killed");
    }
    assert!(vault.is_free(), "{vault:?}");
    assert_eq!(parts.alive(), 0);
    drop(parts);
    leaves_nothing(&system, before, &tally).await;
    let now = system.ledger();
    assert!(tally.handled() > 100, "next to nothing was handled: {now}");
    println!(
        "generation {number}: {} events, {} handled, {} messages, {} dead, {} KiB",
        tally.made(),
        tally.handled(),
        now.sent - ledger.sent,
        now.dead.total() - ledger.dead.total(),
        resident() / 1024
    );
    Ok(())
}

fn seed() -> u64 {
    let seed = number("ROUNDROCK_SEED").unwrap_or_else(|| {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        now.map_or(1, |now| now.as_nanos() as u64)
    });
    println!("ROUNDROCK_SEED={seed}");
    seed
}

/// A process outlasts the grace, and the time for a kill, because it does not return from its poll: the stop names it, everybody else
/// is gone by then, and when it is let go nothing of it is left.
#[test]
fn a_worker_that_never_comes_back_is_named_and_holds_up_nobody() {
    let seed = seed();
    monkey::hush();
    let name = unique_name();
    let run = System::builder().workers(4).name(&name);
    let run = run.run(async move |scope| {
        let system = scope.system();
        let (before, mut random) = (census(&system), Random::new(seed));
        let parts = scope.child("generation");
        let router = Arc::new(Router::build(&parts, seed));
        let (release, held) = std::sync::mpsc::channel();
        let stuck = router.stuck(held).await?;
        monkey::breaks(&parts, &router, &mut random, Duration::from_millis(300)).await;
        let (tally, vault) = (Arc::clone(&router.tally), Arc::clone(&router.vault));
        drop(router);
        let report = parts.stop(millis(200)).await;
        let named: Vec<_> = report.stuck.iter().map(|stuck| stuck.id).collect();
        assert_eq!(named, [stuck.id()], "{report}");
        assert!(report.took >= millis(200), "{report}");
        assert!(vault.is_free(), "{vault:?}");
        // Its own, and the one that it has.
        assert_eq!((parts.alive(), tally.alive()), (1, 1));
        drop(release);
        stuck.done().await;
        // What failed in the stop is no matter here.
        let _ = parts.join().await;
        drop((parts, stuck));
        leaves_nothing(&system, before, &tally).await;
        Ok(())
    });
    if let Err(error) = run {
        panic!("{error:?}; ROUNDROCK_SEED={seed}");
    }
    assert_no_threads_of(&name);
}

#[test]
fn chaos_leaves_nothing_behind() {
    let seed = seed();
    let limit = Duration::from_secs(number("ROUNDROCK_CHAOS_SECS").unwrap_or(20));
    monkey::hush();
    let name = unique_name();
    let (keep, kept) = std::sync::mpsc::channel();
    let run = System::builder()
        .workers(4)
        .name(&name)
        .run(async move |scope| {
            let _ = keep.send(scope.system());
            let begun = Instant::now();
            let (mut number, mut warm) = (0, 0);
            while number <= WARM || begun.elapsed() < limit {
                generation(scope.clone(), seed, number).await?;
                let now = resident();
                if number <= WARM {
                    warm = warm.max(now);
                } else {
                    assert!(now < warm + SLACK, "{warm} bytes when warm, {now} now");
                }
                number += 1;
            }
            Ok(())
        });
    if let Err(error) = run {
        panic!("{error:?}; ROUNDROCK_SEED={seed}");
    }
    assert_no_threads_of(&name);
    let system = kept.recv().expect("the system has run");
    assert_balanced(&system);
    assert_eq!(system.snapshot().processes.len(), 0);
}
