//! Processes that are held back until all others wait: what a failure is explained by; and what is said of waits and faults.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use roundrock::prelude::*;
use roundrock::sim::{Failure, Faults, Reason, Simulation, Strategy, Tape};
use roundrock::sync::{Mutex, RwLock, Semaphore};

#[process]
struct Register {
    value: u32,
}

#[handlers]
impl Register {
    fn get(&self) -> u32 {
        self.value
    }
    fn set(&mut self, value: u32) {
        self.value = value;
    }
}

#[process]
async fn resets(register: &RegisterHandle) -> Result<()> {
    register.set(0).await?;
    Ok(())
}

/// Counts to five, alone.
#[process]
async fn counts(register: &RegisterHandle) -> Result<()> {
    for n in 1..=5 {
        ensure!(register.get().await? + 1 == n, "it counts alone");
        register.set(n).await?;
    }
    Ok(())
}

fn found(search: Result<roundrock::sim::Summary, Box<Failure>>) -> Box<Failure> {
    search.expect_err("it is found")
}

/// The other one makes five calls, with a server in between: many choices for a random walk, and one for who tells it.
#[test]
fn who_comes_late_is_one_choice() {
    for strategy in [Strategy::Mix, Strategy::Pct, Strategy::Holds] {
        let search = Simulation::new("late").strategy(strategy).seeds(3000);
        let search = search.run(|sim: Sim| async move {
            let register = sim.spawn(Register { value: 0 });
            let late = sim.spawn(resets(register.clone()));
            let calls = register.clone();
            let busy = sim.task("busy", async move {
                for n in 1..=5 {
                    calls.set(n).await?;
                }
                roundrock::Ok(())
            });
            late.await?;
            busy.await?;
            assert_ne!(register.get().await?, 0, "it came last");
            roundrock::Ok(())
        });
        let failure = found(search);
        assert_eq!(failure.shrunk.deviations(), 1, "{strategy:?}: {failure}");
        let text = failure.to_string();
        // Before its call, or before it starts.
        let line = "resets#3 is held back until all others wait, before";
        let said = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(line), "{strategy:?}: {text}");
    }
}

/// The text of a tape has a letter for it.
#[test]
fn a_tape_with_somebody_held_back_is_replayed_from_its_text() {
    let failure = found(
        Simulation::new("undone")
            .strategy(Strategy::Holds)
            .seeds(2000)
            .deny_leaks(false)
            .run(|sim: Sim| async move {
                let register = sim.spawn(Register { value: 0 });
                let late = sim.spawn(resets(register.clone()));
                for n in 1..=3 {
                    register.set(n).await?;
                }
                late.await?;
                assert_eq!(register.get().await?, 3);
                roundrock::Ok(())
            }),
    );
    let text = failure.shrunk.to_string();
    let tape: Tape = text.parse().expect("it is one");
    assert_eq!(tape, failure.shrunk);
    assert!(
        "0.h,3.1"
            .parse::<Tape>()
            .is_ok_and(|tape| tape.to_string() == "0.h,3.1")
    );
    // A tape that belongs to another program is one more schedule: who cannot be held back goes on.
    let odd: Tape = "0.h,0.h,0.h,0.h,0.h,0.h,0.h,0.h".parse().expect("a tape");
    let summary = Simulation::new("another").replay(&odd, |sim: Sim| async move {
        let register = sim.spawn(Register { value: 0 });
        let counting = sim.spawn(counts(register.clone()));
        counting.await?;
        assert_eq!(register.get().await?, 5);
        roundrock::Ok(())
    });
    assert!(summary.is_ok(), "{summary:?}");
}

/// Those who wait in a loop for the one that is held back do not wait for ever.
#[test]
fn nobody_is_held_back_for_ever() {
    let search = Simulation::new("spins")
        .strategy(Strategy::Holds)
        .seeds(300);
    let search = search.max_steps(5_000).run(|sim: Sim| async move {
        let register = sim.spawn(Register { value: 7 });
        let late = sim.spawn(resets(register.clone()));
        while register.get().await? != 0 {}
        late.await?;
        roundrock::Ok(())
    });
    assert!(search.is_ok(), "{search:?}");
}

/// A large number is made small by halves, and not one by one.
#[test]
fn a_drawn_number_is_lowered_in_few_runs() {
    let failure = found(Simulation::new("draws").seeds(20).run(|_: Sim| async {
        let drawn = roundrock::rng().below(1_000_000);
        ensure!(drawn < 123_456, "{drawn} is too large");
        roundrock::Ok(())
    }));
    assert!(
        failure.reason.to_string().contains("123456 is too large"),
        "{failure}"
    );
    assert!(failure.shrink_runs < 200, "{failure}");
}

#[process]
struct Store {
    saved: Arc<AtomicU32>,
    sum: u32,
    pauses: bool,
}

#[handlers]
impl Store {
    /// Answers before it has saved.
    async fn add(&mut self, reply: Reply<()>) {
        self.sum += 1;
        reply.send(());
        if self.pauses {
            sleep(millis(1)).await;
            self.saved.store(self.sum, Ordering::SeqCst);
        } else {
            let (saved, sum) = (Arc::clone(&self.saved), self.sum);
            blocking(move || saved.store(sum, Ordering::SeqCst)).await;
        }
    }
}

/// A panic strikes before a pause and before a job that blocks too, and the report says before what.
#[test]
fn a_fault_may_come_before_a_pause_or_a_job() {
    for (pauses, before) in [(true, "sleep"), (false, "a job that blocks")] {
        let search = Simulation::new("saves late").seeds(300);
        let search = search.faults(Faults::none().panic(0.1));
        let failure = found(search.run(|sim: Sim| async move {
            let saved = Arc::new(AtomicU32::new(0));
            let shared = Arc::clone(&saved);
            let store = sim.supervise(move || Store {
                saved: Arc::clone(&shared),
                sum: shared.load(Ordering::SeqCst),
                pauses,
            });
            let store = store.backoff(millis(1)..millis(2)).spawn();
            let answered = store.add().await.is_ok();
            sim.advance(secs(1)).await;
            assert!(saved.load(Ordering::SeqCst) > 0 || !answered, "it was lost");
            roundrock::Ok(())
        }));
        let line = format!("has a fault, a panic, before: {before}");
        assert!(failure.to_string().contains(&line), "{failure}");
    }
}

#[process]
async fn asks(answer: &Sender<OneshotSender<u32>>) -> Result<()> {
    let (sender, receiver) = oneshot();
    answer.send(sender).await?;
    receiver.recv().await.context("no answer")?;
    Ok(())
}

/// Of a oneshot, a broadcast, a permit and a lock too it is said which one is waited for.
#[test]
fn the_wait_graph_names_what_is_in_no_list() {
    let failure = found(
        Simulation::new("waits")
            .seeds(1)
            .run(|sim: Sim| async move {
                let (ask, _asked) = bounded(1);
                sim.spawn(asks(ask));
                let (news, _slow) = broadcast(1).overflow(Overflow::Wait);
                sim.task("editor", async move {
                    news.send(1).await?;
                    news.send(2).await
                });
                let places = Arc::new(Semaphore::new(1));
                let kept = places.acquire().await;
                let wanted = Arc::clone(&places);
                sim.task("guest", async move { drop(wanted.acquire().await) });
                let table = Arc::new(RwLock::new(0));
                let written = Arc::clone(&table);
                let read = table.read().await;
                sim.task("writer", async move { *written.write().await += 1 });
                sim.settle().await;
                let other = Arc::clone(&table);
                sim.task("reader", async move { drop(other.read().await) });
                let (_never, inbox) = bounded::<u32>(1);
                inbox.recv().await;
                drop((kept, read));
                roundrock::Ok(())
            }),
    );
    assert_eq!(failure.reason, Reason::Deadlock, "{failure}");
    for (process, waits) in [
        ("asks#", "waits for a message from [sim/holds.rs:"),
        ("editor#", "waits for room in [sim/holds.rs:"),
        ("guest#", "waits for a permit [sim/holds.rs:"),
        ("writer#", ", to write"),
        ("reader#", ", to read"),
    ] {
        let line = failure.waits.iter().find(|line| line.starts_with(process));
        assert!(
            line.is_some_and(|line| line.contains(waits)),
            "{process}: {failure}"
        );
    }
}

/// What is done with names, and what is read of a `latest`, is among the events.
#[test]
fn names_and_looks_are_shown() {
    let failure = found(
        Simulation::new("names")
            .seeds(1)
            .run(|sim: Sim| async move {
                let (_set, level) = latest(1_u32);
                assert_eq!(level.get(), 1);
                assert!(sim.lookup::<u32>("limit").is_none());
                sim.register("limit", &7_u32)?;
                assert!(sim.register("limit", &8_u32).is_err());
                assert!(sim.lookup::<u32>("limit").is_some());
                sim.unregister("limit");
                Err::<(), _>(roundrock::Error::msg("shown"))
            }),
    );
    let text = failure.to_string();
    for line in [
        "get [sim/holds.rs:",
        "looks up `limit` -> (nothing)",
        "registers `limit`\n",
        "registers `limit` (refused)",
        "looks up `limit` -> found",
        "unregisters `limit`",
    ] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

/// As pasted from a report.
#[roundrock::test(tape = "0.h,3.1", seeds = 4)]
async fn a_tape_with_somebody_held_back_is_an_option_of_a_test(sim: &Sim) -> Result<()> {
    let register = sim.spawn(Register { value: 0 });
    sim.spawn(counts(register.clone())).await?;
    assert_eq!(register.get().await?, 5);
    Ok(())
}

/// Nor do those who never wait, because all that they ask for is there at once.
#[test]
fn nobody_is_held_back_for_one_that_never_waits() {
    let search = Simulation::new("locks").strategy(Strategy::Holds);
    let search = search
        .seeds(2000)
        .max_steps(20_000)
        .run(|sim: Sim| async move {
            let done = Arc::new(Mutex::new(false));
            let sets = Arc::clone(&done);
            sim.task("sets", async move {
                *sets.lock().await = true;
                roundrock::Ok(())
            });
            while !*done.lock().await {}
            roundrock::Ok(())
        });
    assert!(search.is_ok(), "{search:?}");
}
