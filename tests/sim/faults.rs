//! Faults.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::task::{Context, Waker};

use roundrock::prelude::*;
use roundrock::sim::{Faults, Simulation};

#[process]
async fn echo(requests: &Receiver<u32>, replies: &Sender<u32>) -> Result<()> {
    while let Some(n) = requests.recv().await {
        replies.send(n).await?;
    }
    Ok(())
}

/// How often processes were started again in 200 runs with these faults.
fn restarts(faults: Faults) -> u32 {
    let restarts = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&restarts);
    let search = Simulation::new("restarts").seeds(200).faults(faults);
    let found = search.run(move |sim: Sim| {
        let count = Arc::clone(&count);
        async move {
            let (requests, inbox) = bounded(4);
            let (replies, answers) = bounded(4);
            let starts = Arc::new(AtomicU32::new(0));
            let started = Arc::clone(&starts);
            let child = move || {
                started.fetch_add(1, Ordering::Relaxed);
                echo(inbox.clone(), replies.clone())
            };
            let _echo = sim.supervise(child).permanent().spawn();
            for n in 0..5 {
                requests.send(n).await?;
            }
            // A message that was received when its process panicked is lost: fewer may come back.
            let mut last = None;
            while let Ok(Some(n)) = answers.recv().within(secs(30)).await {
                ensure!(last < Some(n), "out of order");
                last = Some(n);
            }
            count.fetch_add(starts.load(Ordering::Relaxed) - 1, Ordering::Relaxed);
            roundrock::Ok(())
        }
    });
    found.expect("panics of a supervised process are forgiven");
    restarts.load(Ordering::Relaxed)
}

#[test]
fn supervised_processes_panic_only_if_the_test_asks_for_it() {
    assert_eq!(restarts(Faults::none()), 0);
    assert!(restarts(Faults::none().panic(0.05)) > 20);
}

/// Fewer than a supervisor forgives, however likely they are.
#[test]
fn supervised_processes_panic_at_most_three_times_in_a_run() {
    let most = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&most);
    let search = Simulation::new("three")
        .seeds(20)
        .faults(Faults::none().panic(1.0));
    let found = search.run(move |sim: Sim| {
        let starts = Arc::new(AtomicU32::new(0));
        let (started, seen) = (Arc::clone(&starts), Arc::clone(&seen));
        async move {
            let (requests, inbox) = bounded(8);
            let (replies, answers) = bounded(8);
            let child = move || {
                started.fetch_add(1, Ordering::Relaxed);
                echo(inbox.clone(), replies.clone())
            };
            let _echo = sim.supervise(child).permanent().spawn();
            for n in 0..8 {
                requests.send(n).await?;
            }
            while let Ok(Some(_)) = answers.recv().within(secs(30)).await {}
            let panics = starts.load(Ordering::Relaxed) - 1;
            seen.fetch_max(panics, Ordering::Relaxed);
            roundrock::Ok(())
        }
    });
    found.expect("they are forgiven");
    assert_eq!(most.load(Ordering::Relaxed), 3);
}

/// Uses operations of Roundrock when it is dropped, each as far as it goes at once.
struct Farewell {
    notes: Sender<u32>,
    /// How many of them a fault struck.
    struck: Arc<AtomicU32>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let poll_once = |operation: &mut dyn FnMut(&mut Context<'_>)| {
            let mut context = Context::from_waker(Waker::noop());
            let polled = catch_unwind(AssertUnwindSafe(|| operation(&mut context)));
            self.struck
                .fetch_add(u32::from(polled.is_err()), Ordering::Relaxed);
        };
        poll_once(&mut |cx| {
            let _ = pin!(self.notes.send(1)).poll(cx);
        });
        poll_once(&mut |cx| {
            let _ = pin!(sleep(secs(1))).poll(cx);
        });
        poll_once(&mut |cx| {
            let _ = pin!(blocking(|| ())).poll(cx);
        });
    }
}

#[process]
struct Ledger {
    entries: u32,
}

#[handlers]
impl Ledger {
    fn enter(&mut self) -> u32 {
        self.entries += 1;
        self.entries
    }
}

/// Also where no operation lies in the handler: then its caller learns of it.
#[test]
fn a_supervised_process_panics_with_a_message_in_its_hand() {
    let crashed = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&crashed);
    let faults = Faults::none().panic(0.1);
    let search = Simulation::new("crashes").seeds(200).faults(faults);
    let found = search.run(move |sim: Sim| {
        let count = Arc::clone(&count);
        async move {
            let ledger = sim.supervise(|| Ledger { entries: 0 }).spawn();
            for _ in 0..5 {
                if ledger.enter().await == Err(CallError::Crashed) {
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            roundrock::Ok(())
        }
    });
    found.expect("the caller takes it");
    assert!(crashed.load(Ordering::Relaxed) > 20);
}

#[process]
async fn guarded(inbox: &Receiver<u32>, notes: &Sender<u32>, struck: &Arc<AtomicU32>) {
    while inbox.recv().await.is_some() {
        let _farewell = Farewell {
            notes: notes.clone(),
            struck: Arc::clone(struck),
        };
    }
}

/// A destructor that panics while something unwinds ends the program, and nobody knows when it is called.
#[test]
fn no_fault_strikes_in_a_destructor() {
    let struck = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&struck);
    let search = Simulation::new("farewell")
        .seeds(100)
        .faults(Faults::none().panic(0.2));
    let found = search.run(move |sim: Sim| {
        let struck = Arc::clone(&struck);
        async move {
            let (requests, inbox) = bounded(4);
            let (notes, _read) = roundrock::unbounded::channel();
            let _guarded = sim.supervise(guarded(inbox, notes, struck)).spawn();
            for n in 0..4 {
                requests.send(n).await?;
            }
            roundrock::Ok(())
        }
    });
    found.expect("panics are forgiven");
    assert_eq!(seen.load(Ordering::Relaxed), 0);
}

#[test]
fn processes_that_are_not_supervised_never_panic() {
    let search = Simulation::new("plain")
        .seeds(100)
        .faults(Faults::none().panic(1.0));
    let found = search.run(|sim: Sim| async move {
        let (requests, inbox) = bounded(4);
        let (replies, answers) = bounded(4);
        sim.spawn(echo(inbox, replies));
        requests.send(1).await?;
        ensure!(answers.recv().await == Some(1), "it was lost");
        roundrock::Ok(())
    });
    found.expect("nothing was thrown");
}

/// A client that gives up too early: right as long as nobody is slow.
async fn impatient(sim: &Sim) -> Result<()> {
    let (requests, inbox) = bounded(4);
    let (replies, answers) = bounded(4);
    sim.spawn(echo(inbox, replies));
    requests.send(1).await?;
    let answer = answers.recv().within(millis(50)).await;
    ensure!(answer.is_ok(), "no answer within 50 ms");
    Ok(())
}

#[test]
fn a_time_out_that_is_too_short_is_found_with_slow_processes_only() {
    let body = |sim: Sim| async move { impatient(&sim).await };
    let search = Simulation::new("impatient").seeds(500);
    search.run(body).expect("nobody is slow");
    for faults in [Faults::none().slow(0.1), Faults::none().stall(0.1)] {
        let failure = search.clone().faults(faults).run(body);
        let failure = failure.expect_err("the echo may be slow");
        // That the run has the fault, that it happens, and perhaps an order that lets it matter.
        assert!(failure.shrunk.deviations() <= 3, "{failure}");
        let again = search.clone().faults(faults).replay(&failure.shrunk, body);
        assert_eq!(again.expect_err("the same").reason, failure.reason);
    }
}

#[test]
fn timers_are_late_but_never_early() {
    let late = Arc::new(AtomicU64::new(0));
    let most = Arc::clone(&late);
    let search = Simulation::new("late timers")
        .seeds(200)
        .faults(Faults::none().delay(0.3));
    let found = search.run(move |sim: Sim| {
        let most = Arc::clone(&most);
        async move {
            let sleeper = sim.task("sleeper", async move {
                for n in 1..=5 {
                    let begun = roundrock::time::now();
                    sleep(millis(10 * n)).await;
                    let took = roundrock::time::now() - begun;
                    ensure!(took >= millis(10 * n), "early: {took:?}");
                    let lateness = took - millis(10 * n);
                    most.fetch_max(lateness.as_nanos() as u64, Ordering::Relaxed);
                }
                roundrock::Ok(())
            });
            sleeper.await
        }
    });
    found.expect("no timer is early");
    assert!(late.load(Ordering::Relaxed) >= 500_000_000);
}

#[roundrock::test(
    seeds = 50,
    faults(panic = 0.01, slow = 0.02, stall = 0.01, delay = 0.05)
)]
async fn messages_are_not_lost_by_slow_processes(sim: &Sim) -> Result<()> {
    let (requests, inbox) = bounded(4);
    let (replies, answers) = bounded(4);
    sim.spawn(echo(inbox, replies));
    let sender = sim.task("sender", async move {
        for n in 0..10 {
            requests.send(n).await?;
        }
        roundrock::Ok(())
    });
    for n in 0..10 {
        assert_eq!(answers.recv().await, Some(n));
    }
    sender.await?;
    Ok(())
}
