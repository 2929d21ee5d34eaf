//! Suspects: what has waited for long and cannot be proven, grouped, with the reason; who is at his place is none. And dead arms.
//!
//! Threads only: ages that are an option of the system, and what it tells without being asked, on a thread beside it.

use std::collections::HashSet;
use std::sync::{Mutex, mpsc};
use std::time::{Duration, Instant};

use roundrock::leaks::{Leak, Verdict};
use roundrock::observe::{Event, EventKind};
use roundrock::prelude::*;
use roundrock_tests::{LIMIT, simulated, times, watched};

#[process]
async fn worker(jobs: &Receiver<u32>) {
    while jobs.recv().await.is_some() {}
}

/// Runs a body in a system that suspects whoever has waited for so long.
#[track_caller]
fn after<F>(age: Duration, body: impl FnOnce(Scope) -> F + Send + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    watched(move |_| {
        let system = System::builder()
            .workers(2)
            .grace(secs(0))
            .suspect_after(age);
        let result = system.run(|scope| in_lab(scope, body));
        result.expect("it ends");
    });
}

/// As [`after`], and simulated, where the age is the default of a minute.
#[track_caller]
fn after_on_both<F>(age: Duration, body: impl Fn(Scope) -> F + Copy + Send + 'static)
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    after(age, body);
    simulated(|scope| in_lab(scope, body));
}

async fn in_lab<F>(scope: Scope, body: impl FnOnce(Scope) -> F) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    let lab = scope.child("lab");
    let result = body(lab.clone()).await;
    let _report = lab.stop(secs(0)).await;
    assert_eq!(scope.system().proof_violations(), 0);
    result
}

/// Asks until there is such a finding.
async fn until(system: &System, there: impl Fn(&[Leak]) -> bool) -> Vec<Leak> {
    let mut pause = millis(5);
    loop {
        let leaks = system.leaks();
        if there(&leaks) {
            return leaks;
        }
        assert!(pause < secs(600), "not found: {leaks:#?}");
        sleep(pause).await;
        // A minute of virtual time is soon over, but not the looks at it.
        pause *= times(1, 2) as u32;
    }
}

#[test]
fn suspects_of_one_kind_are_one_finding() {
    after_on_both(millis(20), async |scope| {
        let mut kept = Vec::new();
        for _ in 0..5 {
            let (sender, jobs) = bounded(1).named("jobs");
            scope.spawn(worker(jobs));
            kept.push(sender);
        }
        let leaks = until(&scope.system(), |leaks| {
            leaks.iter().any(|leak| leak.count == 5)
        })
        .await;
        let text = leaks[0].to_string();
        assert_eq!(leaks.len(), 1, "{text}");
        assert!(!leaks[0].is_proven());
        assert!(
            text.starts_with("suspected: 5 processes have waited for up to "),
            "{text}"
        );
        for part in [
            "worker#",
            "tests/behaviour/suspects.rs:",
            "wait to receive from \"jobs\"",
            "not proven: a sender of it is in a local variable (perhaps its own), an `Arc`",
        ] {
            assert!(text.contains(part), "no {part} in:\n{text}");
        }
        for stuck in &leaks[0].processes {
            assert!(stuck.since >= millis(20), "{stuck:?}");
        }
        Ok(())
    });
}

/// A holder that lives and is lent the sender is named.
#[test]
fn the_reason_names_who_is_alive() {
    #[process]
    async fn keeper(jobs: &Sender<u32>) {
        sleep(secs(3_600)).await;
        let _ = jobs;
    }

    after_on_both(millis(20), async |scope| {
        let (sender, jobs) = bounded(1);
        scope.spawn(worker(jobs));
        scope.spawn(keeper(sender));
        let leaks = until(&scope.system(), |leaks| !leaks.is_empty()).await;
        let Verdict::Suspected { why } = &leaks[0].verdict else {
            panic!("{leaks:#?}");
        };
        assert!(
            why.starts_with("a sender of it is held by keeper#") && why.ends_with("may still run"),
            "{why}"
        );
        assert_eq!(leaks[0].processes[0].waits[0].holders[0].name, "keeper");
        Ok(())
    });
}

/// Who sleeps, waits for a stop or for the end of another process, and a struct without a message, are at their places.
#[test]
fn who_is_at_his_place_is_not_suspected() {
    #[process]
    struct Idle;

    #[handlers]
    impl Idle {
        fn nothing(&self) {}
    }

    after_on_both(millis(10), async |scope| {
        let idle = scope.spawn(Idle);
        idle.nothing().await?;
        let sleeper = scope.task("sleeper", sleep(secs(3_600)));
        scope.task("joins", async move {
            sleeper.await?;
            roundrock::Ok(())
        });
        let inner = scope.clone();
        scope.task("stops", async move { inner.stopping().await });
        // A suspect that is spawned after them, and is found, shows that they are old enough.
        sleep(millis(20)).await;
        let (kept, jobs) = bounded(1);
        scope.spawn(worker(jobs));
        let leaks = until(&scope.system(), |leaks| !leaks.is_empty()).await;
        let names: Vec<_> = leaks.iter().flat_map(Leak::names).collect();
        assert_eq!(names, ["worker"], "{leaks:#?}");
        drop(kept);
        Ok(())
    });
}

#[test]
fn nobody_is_suspected_before_his_time_or_where_it_is_off() {
    for age in [secs(0), secs(3_600)] {
        after(age, async |scope| {
            let (kept, jobs) = bounded(1);
            scope.spawn(worker(jobs));
            sleep(millis(50)).await;
            let leaks = scope.system().leaks();
            assert!(leaks.is_empty(), "{leaks:#?}");
            drop(kept);
            Ok(())
        });
    }
}

/// Without being asked: a group is told of once, and again when it has doubled.
#[test]
fn a_group_is_told_of_again_when_it_has_doubled() {
    /// Of another kind, to see that the system itself has looked.
    #[process]
    async fn beacon(jobs: &Receiver<u32>) {
        jobs.recv().await;
    }

    after(millis(20), async |scope| {
        let events = scope.system().events();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for event in events.iter() {
                if let Event {
                    kind: EventKind::Leak { leak },
                    ..
                } = event
                {
                    let _ = tell.send((leak.names()[0].to_owned(), leak.count));
                }
            }
        });
        let (mut kept, mut kept_too) = (Vec::new(), Vec::<Sender<u32>>::new());
        for target in [2, 3, 4] {
            while kept.len() < target {
                let (sender, jobs) = bounded(1);
                scope.spawn(worker(jobs));
                kept.push(sender);
            }
            let mut who = ("worker", target);
            if target == 3 {
                // What is told of this one was found in a look that found three of the others.
                until(&scope.system(), |leaks| {
                    leaks.iter().any(|leak| leak.count == 3)
                })
                .await;
                let (sender, jobs) = bounded(1);
                scope.spawn(beacon(jobs));
                kept_too.push(sender);
                who = ("beacon", 1);
            }
            let (name, count) = loop {
                match told.try_recv() {
                    Ok(told) => break told,
                    Err(_) => sleep(millis(10)).await,
                }
            };
            assert_eq!((&*name, count), who, "three are not twice as many as two");
        }
        Ok(())
    });
}

/// What is told of a system, from now on: the names of each finding and its verdict.
fn told(system: &System) -> Told {
    let events = system.events();
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        for event in events.iter() {
            if let EventKind::Leak { leak } = event.kind {
                let _ = tell.send((leak.names().join(" "), *leak));
            }
        }
    });
    Told(Mutex::new(told))
}

struct Told(Mutex<mpsc::Receiver<(String, Leak)>>);

/// The next that is told of these.
async fn next(told: &Told, names: &str) -> Leak {
    let begun = Instant::now();
    loop {
        let one = told.0.lock().expect("not poisoned").try_recv();
        match one {
            Ok((found, leak)) if found == names => return leak,
            Ok(_) => {}
            Err(_) => sleep(millis(5)).await,
        }
        // The monitor rests a hundred times as long as a look takes, and that is some ten milliseconds in a debug build.
        assert!(begun.elapsed() < LIMIT, "{names} was not told");
    }
}

/// Of the same kind and place, and there at every look; but it is another one.
#[test]
fn the_second_incident_of_a_kind_is_told_when_the_first_is_gone() {
    after(millis(20), async |scope| {
        let told = told(&scope.system());
        let (mut last, mut seen) = (None::<Sender<u32>>, HashSet::new());
        for _ in 0..3 {
            let (sender, jobs) = bounded(1);
            scope.spawn(worker(jobs));
            // Only now the one before ends, so that no look finds nobody.
            let before = last.replace(sender);
            drop(before);
            let leak = next(&told, "worker").await;
            assert_eq!(leak.count, 1, "{leak}");
            assert!(seen.insert(leak.processes[0].id), "another one: {leak}");
        }
        Ok(())
    });
}

/// Two cycles of one kind, one after the other: each is told once.
#[test]
fn the_second_cycle_of_a_kind_is_told() {
    #[process]
    async fn echo(input: &Receiver<u32>, output: &Sender<u32>) -> Result<()> {
        while let Some(number) = input.recv().await {
            output.send(number).await?;
        }
        Ok(())
    }

    after(secs(3_600), async |scope| {
        let told = told(&scope.system());
        let mut seen = HashSet::new();
        for _ in 0..2 {
            let ((left, to_right), (right, to_left)) = (rendezvous(), rendezvous());
            scope.spawn(echo(to_right, right));
            scope.spawn(echo(to_left, left));
            let leak = next(&told, "echo echo").await;
            assert!(
                leak.is_proven() && seen.insert(leak.processes[0].id),
                "{leak}"
            );
        }
        Ok(())
    });
}

/// A process of which one dead arm was told loses another one.
#[test]
fn the_second_dead_arm_of_a_process_is_told() {
    #[process]
    async fn stuck(sender: &Sender<u32>) -> Result<()> {
        std::future::pending::<()>().await;
        Ok(sender.send(1).await?)
    }

    #[process]
    async fn ticks(one: &Receiver<u32>, two: &Receiver<u32>) {
        loop {
            select! {
                _ = one.recv() => return,
                _ = two.recv() => return,
                // Long beside a look, which is for who is parked.
                () = sleep(millis(20)) => {}
            }
        }
    }

    after(secs(3_600), async |scope| {
        let told = told(&scope.system());
        let ((a, one), (b, two)) = (bounded(1).named("one"), bounded(1).named("two"));
        scope.spawn(ticks(one, two));
        scope.spawn(stuck(a));
        let arm = next(&told, "ticks").await;
        assert_eq!(arm.processes[0].waits.len(), 1, "{arm}");
        scope.spawn(stuck(b));
        let arm = next(&told, "ticks").await;
        assert_eq!(arm.verdict, Verdict::DeadArm);
        assert_eq!(arm.processes[0].waits.len(), 2, "{arm}");
        Ok(())
    });
}

/// Whoever would let the arm win is stuck, and the loop goes on: certain, at every age.
#[test]
fn a_dead_arm_is_found_while_its_process_lives() {
    #[process]
    async fn stuck(sender: &Sender<u32>) -> Result<()> {
        std::future::pending::<()>().await;
        Ok(sender.send(1).await?)
    }

    #[process]
    async fn ticks(input: &Receiver<u32>) {
        loop {
            select! {
                _ = input.recv() => return,
                () = sleep(millis(1)) => {}
            }
        }
    }

    after_on_both(secs(3_600), async |scope| {
        let (sender, input) = bounded(1).named("never");
        scope.spawn(ticks(input));
        scope.spawn(stuck(sender));
        let is_arm = |leak: &&Leak| leak.verdict == Verdict::DeadArm;
        let leaks = until(&scope.system(), |leaks| {
            leaks.iter().any(|leak| is_arm(&leak))
        })
        .await;
        let arm = leaks.iter().find(is_arm).expect("it was there");
        assert_eq!(arm.names(), ["ticks"]);
        assert_eq!(arm.processes[0].waits.len(), 1, "only the arm: {arm:#?}");
        let text = arm.to_string();
        assert!(
            text.contains("\"never\"") && text.contains("stuck#"),
            "{text}"
        );
        assert!(!arm.is_proven(), "the process lives");
        Ok(())
    });
}

/// The same, where the sender has a second holder who lives.
#[test]
fn an_arm_that_somebody_alive_may_let_win_is_not_dead() {
    #[process]
    async fn stuck(sender: &Sender<u32>) -> Result<()> {
        std::future::pending::<()>().await;
        Ok(sender.send(1).await?)
    }

    #[process]
    async fn ticks(input: &Receiver<u32>) -> Result<u32> {
        loop {
            select! {
                number = input.recv() => return Ok(number),
                () = sleep(millis(1)) => {}
            }
        }
    }

    after_on_both(secs(3_600), async |scope| {
        let (sender, input) = bounded(1);
        let live = sender.clone();
        let task = scope.spawn(ticks(input));
        scope.spawn(stuck(sender));
        let system = scope.system();
        until(&system, |leaks| leaks.iter().any(Leak::is_proven)).await;
        for _ in 0..times(50, 3) {
            let leaks = system.leaks();
            let dead = leaks.iter().any(|leak| leak.verdict == Verdict::DeadArm);
            assert!(!dead, "{leaks:#?}");
            sleep(millis(1)).await;
        }
        live.send(7).await?;
        assert_eq!(task.await?, 7);
        Ok(())
    });
}
