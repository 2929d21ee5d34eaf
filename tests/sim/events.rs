//! What the list of events shows of messages.

use std::fmt;
use std::future::Future;
use std::time::Duration;

use roundrock::prelude::*;
use roundrock::sim::{Reason, Simulation};
use roundrock::sync::Mutex;

#[derive(Debug, Clone)]
struct Job(u32);

struct Secret;

/// Its `Debug` fails, and must not fail the run.
struct Broken;

impl fmt::Debug for Broken {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("not to be shown")
    }
}

#[process]
async fn relays(jobs: &Receiver<Job>, done: &Sender<Job>) -> Result<()> {
    loop {
        let job = select! {
            job = jobs.recv() => job,
            else => return Ok(()),
        };
        done.send(Job(job.0 + 1)).await?;
    }
}

#[process]
async fn swallows<T: roundrock::channel::Message>(input: &Receiver<T>) {
    while input.recv().await.is_some() {}
}

#[process]
struct Desk;

#[handlers]
impl Desk {
    fn take(&mut self, text: String, secret: Secret, broken: Broken) {
        let _ = (text, secret, broken);
    }
}

/// The events of a run that fails at its end.
fn events<F>(body: impl Fn(Sim) -> F) -> String
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let search = Simulation::new("shows").seeds(1);
    let failure = search.run(|sim: Sim| {
        let body = body(sim);
        async move {
            body.await?;
            Err::<(), _>(roundrock::Error::msg("the events are wanted"))
        }
    });
    failure.expect_err("it returns an error").events.join("\n")
}

#[track_caller]
fn assert_shows(events: &str, parts: &[&str]) {
    for part in parts {
        assert!(events.contains(part), "`{part}` is not in\n{events}");
    }
}

#[test]
fn messages_with_debug_are_shown_at_both_ends() {
    let events = events(|sim: Sim| async move {
        let (jobs, inbox) = bounded(2).named("jobs");
        let (done, results) = rendezvous().named("done");
        sim.spawn(relays(inbox, done));
        jobs.send(Job(7)).await?;
        assert_eq!(results.recv().await.map(|job| job.0), Some(8));
        drop(jobs);
        assert!(results.recv().await.is_none());
        Ok(())
    });
    assert_shows(
        &events,
        &[
            "recv jobs -> Job(7)",
            "send done <- Job(8)",
            "recv done -> Job(8)",
            "drops the last sender of jobs: Job",
        ],
    );
}

#[test]
fn messages_without_debug_are_shown_by_their_type() {
    let events = events(|sim: Sim| async move {
        let (secrets, inbox) = bounded(2).named("secrets");
        // The type of the first is no message of other processes, so nobody has told how to show it; the other one is plain.
        let (numbers, other) = bounded(2).named("numbers");
        sim.spawn(swallows(inbox));
        sim.spawn(swallows(other));
        secrets.send(Secret).await?;
        numbers.send(5_u8).await?;
        sim.settle().await;
        Ok(())
    });
    assert_shows(
        &events,
        &[
            "send secrets: Secret",
            "send numbers <- 5",
            "recv secrets: Secret",
        ],
    );
}

#[test]
fn calls_show_their_arguments() {
    let events = events(|sim: Sim| async move {
        let desk = sim.spawn(Desk);
        desk.take("a\nb".repeat(50), Secret, Broken).await?;
        Ok(())
    });
    let text = format!("\"{}", "a\\nb".repeat(50));
    let shown = format!("take({}.., _, (its `Debug` panics)", &text[..80]);
    assert_shows(
        &events,
        &[
            &format!("call {shown}) of Desk#"),
            &format!("handles {shown})"),
        ],
    );
}

#[test]
fn locks_name_their_place_and_holder() {
    let events = events(|sim: Sim| async move {
        let shared = std::sync::Arc::new(roundrock::sync::Mutex::new(0));
        let mine = shared.lock().await;
        let waits = sim.task("waits", {
            let shared = shared.clone();
            async move {
                *shared.lock().await += 1;
            }
        });
        sim.settle().await;
        drop(mine);
        waits.await?;
        Ok(())
    });
    assert_shows(
        &events,
        &[
            "lock [sim/events.rs:",
            "] at sim/events.rs:",
            ", held by test#0 ... waits",
        ],
    );
}

#[test]
fn who_waits_is_shown_when_a_process_has_failed() {
    let failure = Simulation::new("fails")
        .seeds(1)
        .run(|sim: Sim| async move {
            let (jobs, inbox) = bounded::<Job>(1).named("jobs");
            let (done, results) = bounded::<Job>(1).named("done");
            sim.spawn(relays(inbox, done));
            sim.settle().await;
            let fails = sim.task("fails", async { panic!("as asked") });
            let _ = results.recv().await;
            drop(jobs);
            fails.await
        });
    let failure = failure.expect_err("a process panics");
    let waits = failure.waits.join("\n");
    assert_shows(&waits, &["relays#", "jobs", "test#0", "done"]);
}

#[test]
fn who_waits_for_a_lock_is_shown_with_its_place_and_holder() {
    let failure = Simulation::new("locked")
        .seeds(1)
        .run(|sim: Sim| async move {
            let shared = std::sync::Arc::new(roundrock::sync::Mutex::new(0));
            let mine = shared.lock().await;
            let waits = sim.task("waits", {
                let shared = shared.clone();
                async move { *shared.lock().await += 1 }
            });
            waits.done().await;
            drop(mine);
        });
    let failure = failure.expect_err("the body waits for who waits for it");
    assert_eq!(failure.reason, Reason::Deadlock, "{failure}");
    assert_shows(
        &failure.waits.join("\n"),
        &[
            "waits#",
            "waits for the lock [sim/events.rs:",
            "] at sim/events.rs:",
            ", held by test#0",
        ],
    );
}

fn lock(value: u32) -> Mutex<u32> {
    Mutex::new(value)
}

/// Takes two locks, one after the other.
async fn takes_both(locks: std::sync::Arc<[Mutex<u32>]>, first: usize) {
    let mut one = locks[first].lock().await;
    sleep(Duration::from_millis(1)).await;
    *one += *locks[1 - first].lock().await;
}

/// Locks are told apart as channels are: by where they were made, also two that were made at one place, and not by where they were
/// asked for, which is one place for two locks here.
#[test]
fn locks_and_semaphores_are_named_by_where_they_were_made() {
    let failure = Simulation::new("crosswise")
        .seeds(1)
        .run(|sim: Sim| async move {
            let locks: std::sync::Arc<[_]> = (0..2).map(lock).collect();
            let there = sim.task("there", takes_both(locks.clone(), 0));
            let back = sim.task("back", takes_both(locks, 1));
            there.await?;
            back.await?;
            roundrock::Ok(())
        });
    let failure = failure.expect_err("each holds what the other one wants");
    let mut named = Vec::new();
    for (who, holder) in [("there#", ", held by back#"), ("back#", ", held by there#")] {
        let line = failure.waits.iter().find(|line| line.starts_with(who));
        let line = line.unwrap_or_else(|| panic!("{failure}"));
        let lock = line.split_once("waits for the lock ").map(|(_, lock)| lock);
        let (lock, rest) = lock
            .and_then(|lock| lock.split_once(" at sim/events.rs:"))
            .unwrap();
        assert!(rest.contains(holder), "{failure}");
        let ordinal = lock
            .strip_prefix("[sim/events.rs:")
            .and_then(|lock| lock.split_once("]#"));
        named.push(ordinal.unwrap_or_else(|| panic!("{failure}")).to_owned());
    }
    named.sort_unstable();
    assert_eq!(
        (named[0].0, named[0].1, named[1].1),
        (named[1].0, "1", "2"),
        "{failure}"
    );
}

/// What the standard library has made is named by where it was first asked for.
#[test]
fn a_lock_that_the_standard_library_has_made_is_named_by_where_it_was_asked_for() {
    let failure = Simulation::new("twice")
        .seeds(1)
        .run(|_sim: Sim| async move {
            let lock = std::sync::Arc::<Mutex<u32>>::default();
            let _one = lock.lock().await;
            let _two = lock.lock().await;
            roundrock::Ok(())
        });
    let failure = failure.expect_err("it waits for itself");
    let locks = failure
        .events
        .iter()
        .filter_map(|line| line.split_once("lock ["));
    let locks: Vec<_> = locks
        .filter_map(|(_, rest)| rest.split_once("] at "))
        .collect();
    assert_eq!(locks.len(), 2, "{failure}");
    for (made, _) in &locks {
        assert!(locks[0].1.starts_with(made), "{failure}");
    }
}

/// One name for one semaphore, which is asked for at two places.
#[test]
fn a_semaphore_has_one_name_wherever_it_is_asked_for() {
    let failure = Simulation::new("permits")
        .seeds(1)
        .run(|_sim: Sim| async move {
            let permits = roundrock::sync::Semaphore::new(1);
            let _one = permits.acquire().await;
            let _two = permits.acquire().await;
            roundrock::Ok(())
        });
    let failure = failure.expect_err("there is only one");
    let asked = failure
        .events
        .iter()
        .filter_map(|line| line.split_once("acquire ["));
    let asked: Vec<_> = asked
        .filter_map(|(_, rest)| rest.split_once("] at "))
        .collect();
    assert_eq!(asked.len(), 2, "{failure}");
    assert_eq!(
        asked[0].0, asked[1].0,
        "one semaphore has one name: {failure}"
    );
    assert_ne!(
        asked[0].1, asked[1].1,
        "it was asked for at two places: {failure}"
    );
}

/// Lets the run know how to show numbers, so that no two lines with them are the same.
#[process]
async fn knows(numbers: &Sender<u32>) {
    let _ = numbers;
}

/// Of a run with more operations than are shown, it is said how many are not.
#[test]
fn lines_that_are_left_away_are_counted() {
    let failure = Simulation::new("long").seeds(1).run(|sim: Sim| async move {
        let (out, inbox) = bounded(1);
        sim.spawn(knows(out.clone())).done().await;
        for n in 0..1500_u32 {
            out.send(n).await?;
            inbox.recv().await;
        }
        panic!("enough");
        #[expect(unreachable_code, reason = "says the type of the body")]
        roundrock::Ok(())
    });
    let failure = failure.expect_err("the body fails");
    let left_away = failure
        .events
        .iter()
        .position(|line| line.contains("left away"));
    let left_away = left_away.expect("some are left away");
    assert!(
        failure.events[left_away].contains("1500 lines between these are left away"),
        "{}",
        failure.events[left_away]
    );
    assert!(failure.events.len() < 2003, "{}", failure.events.len());
    assert!(
        failure.events[1].contains("join knows#2") && left_away > 400,
        "the first ones are there: {:?}",
        &failure.events[..3]
    );
}

/// What replays a test runs this test only, also where its name is a part of another's.
#[test]
fn what_replays_a_test_names_it_as_the_harness_does() {
    let fails = |module| {
        let search = Simulation::new("moves").in_module(module).seeds(1);
        let failure = search.run(|_: Sim| async { panic!("as asked") });
        failure.expect_err("the body fails").to_string()
    };
    assert_shows(
        &fails("bank::tests"),
        &["ROUNDROCK_SEED=0 cargo test tests::moves -- --exact\n"],
    );
    assert_shows(
        &fails("bank"),
        &["ROUNDROCK_SEED=0 cargo test moves -- --exact\n"],
    );
}

#[test]
fn channels_of_other_kinds_name_their_place() {
    let events = events(|_: Sim| async move {
        let (answer, question) = oneshot::<Job>();
        answer.send(Job(1)).ok();
        assert_eq!(question.await.map(|job| job.0), Some(1));
        Ok(())
    });
    assert_shows(&events, &["recv [sim/events.rs:", "]: Job"]);
    assert!(!events.contains("a channel"), "{events}");
}

/// The body of a test was not spawned by a line of the runtime.
#[roundrock::test(seeds = 1)]
async fn a_test_stands_where_it_was_written(sim: &Sim) {
    let processes = sim.system().snapshot().processes;
    let test = processes.iter().find(|process| process.name == "test");
    let site = test.expect("it runs").site.as_ref();
    let site = site.expect("it has a place");
    assert!(site.file.ends_with("sim/events.rs"), "{site:?}");
}

/// Room that is kept for a message is not a message.
#[test]
fn room_is_shown_as_room() {
    let failure = Simulation::new("room").run(|_: Sim| async {
        let (one, _first) = bounded::<u32>(1);
        let (two, second) = bounded::<u32>(1);
        let room = two.ready().await?;
        one.ready().await?.send(1)?;
        one.ready().await?.send(2)?;
        room.send(3)?;
        drop(second);
        roundrock::Ok(())
    });
    let failure = failure.expect_err("there is no second room");
    let events = failure.events.join("\n");
    assert!(events.contains("ready [sim/events.rs:"), "{events}");
    assert_eq!(events.matches("send [").count(), 1, "{events}");
}

/// What is pasted compiles, and what is copied to a shell is one word, whatever the name is.
#[test]
fn odd_names_are_quoted() {
    for (name, shell, function) in [
        (
            "2 clients",
            "cargo test '2 clients'",
            "async fn test_2_clients_seed_0(",
        ),
        ("it's", r"cargo test 'it'\''s'", "async fn it_s_seed_0("),
    ] {
        let failure = Simulation::new(name)
            .seeds(1)
            .run(|_sim: Sim| async { Err::<(), _>(roundrock::Error::msg("no")) });
        let text = failure.expect_err("it returns an error").to_string();
        assert!(text.contains(shell), "{text}");
        assert!(text.contains(function), "{text}");
    }
}

/// Of a run that is long even when it is made simpler, the beginning and the end are shown; a replay shows all.
#[test]
fn a_long_list_is_shown_in_part() {
    let long = |_sim: Sim| async {
        let (out, inbox) = bounded::<u32>(1);
        for number in 0..1000 {
            out.send(number).await.map_err(Error::from)?;
            inbox.recv().await;
        }
        Err::<(), _>(Error::msg("at the end"))
    };
    let failure = Simulation::new("long").seeds(1).run(long);
    let failure = failure.expect_err("it fails at the end");
    let all = failure.events.len();
    assert!(all > 1000, "{all}");
    let text = failure.to_string();
    let left = format!("(here {} more lines, which a replay shows", all - 300);
    assert!(text.contains(&left) && text.lines().count() < 340, "{text}");
    for shown in [" <- 3\n", " <- 999\n"] {
        assert!(text.contains(shown), "no {shown:?} in {text}");
    }
    let again = Simulation::new("long").replay(&failure.tape, long);
    let text = again.expect_err("the same run").to_string();
    assert!(
        text.contains(" <- 40\n") && !text.contains("a replay shows"),
        "{text}"
    );
}
