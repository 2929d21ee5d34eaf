//! What a dump says, as a person reads it; what the groups of a snapshot count; alarms and events.
//!
//! Threads only: jobs, and what a system looks at by itself, on a thread beside it: stalls, budgets, growth.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::{Duration, Instant};

use roundrock::System;
use roundrock::observe::{Event, EventKind, Snapshot};
use roundrock::prelude::*;
use roundrock_tests::{LIMIT, on, on_both, times};

/// Takes dumps until one has all parts.
pub(crate) async fn dump_with(scope: &Scope, parts: &[&str]) -> String {
    let mut tries = 0;
    loop {
        let dump = scope.system().dump();
        let missing: Vec<&&str> = parts.iter().filter(|part| !dump.contains(**part)).collect();
        if missing.is_empty() {
            return dump;
        }
        tries += 1;
        assert!(tries < 500, "{missing:#?} are not in\n{dump}");
        sleep(millis(times(1, 10) as u64)).await;
    }
}

pub(crate) fn snapshot(scope: &Scope) -> Snapshot {
    scope.system().snapshot()
}

#[process]
async fn route(raw: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    while let Some(n) = raw.recv().await {
        out.send(n).await?;
    }
    Ok(())
}

#[process]
struct Store {
    n: u64,
}

#[handlers]
impl Store {
    async fn put(&mut self, n: u64, go: Receiver<()>) {
        self.n += n;
        go.recv().await;
    }
}

#[process]
async fn writer(numbers: &Receiver<u32>, store: &StoreHandle, go: &Receiver<()>) -> Result<()> {
    while let Some(n) = numbers.recv().await {
        store.put(n.into(), go.clone()).await?;
    }
    Ok(())
}

#[test]
fn a_dump_says_what_each_waits_for_and_who_could_end_it() {
    on_both(2, |scope| async move {
        let ingest = scope.child("ingest");
        let (raw, raw_in) = bounded(2).named("raw");
        let (routed, routed_in) = bounded(1).named("routed");
        let (go, wait) = bounded(1);
        let store = scope.spawn(Store { n: 0 });
        let writer = ingest.spawn(writer(routed_in, store.clone(), wait));
        let route = ingest.spawn(route(raw_in, routed));
        for n in 0..6 {
            // One is in the store, one with the writer's call, one routed, one in the route's hands, two raw.
            if raw.try_send(n).is_err() {
                sleep(millis(1)).await;
            }
        }
        let dump = dump_with(
            &scope,
            &[
                "system `",
                "scope `main` (number 1), ",
                "Store#",
                ", spawned at tests/behaviour/dump.rs:",
                " ago: in `put`, has waited ",
                "to receive from the channel of tests/behaviour/dump.rs:",
                "for a reply of Store#",
                "for room in `routed`",
                "scope `ingest`",
                "in no scope: the body of `main`",
                "`routed` (tests/behaviour/dump.rs:",
            ],
        )
        .await;
        let store_line = dump
            .lines()
            .find(|line| line.contains("Store#"))
            .unwrap_or_default();
        assert!(
            store_line.ends_with("fed by 1 sender held where it is not known"),
            "{store_line}"
        );
        let writer_line = dump
            .lines()
            .find(|line| line.contains(" writer#"))
            .unwrap_or_default();
        assert!(writer_line.contains("for a reply of Store#"), "{dump}");
        assert!(
            writer_line.ends_with("its mailbox holds 0 of 8"),
            "{writer_line}"
        );
        let route_line = dump
            .lines()
            .find(|line| line.contains(" route#"))
            .unwrap_or_default();
        assert!(route_line.contains("for room in `routed`"), "{dump}");
        assert!(
            route_line.contains("which holds 1 of 1; received by writer#"),
            "{route_line}"
        );
        assert!(route_line.ends_with("(`numbers`)"), "{route_line}");
        drop((go, raw));
        writer.await?;
        route.await?;
        Ok(())
    });
}

#[test]
fn equal_processes_are_one_entry_with_their_number() {
    on_both(2, |scope| async move {
        let idle = scope.child("idle");
        let (all, many) = [(1000, "1,000"), (20, "20")][times(0, 1)];
        let stores: Vec<_> = (0..all).map(|n| idle.spawn(Store { n })).collect();
        let (jobs, inbox) = bounded::<()>(1).named("jobs");
        for _ in 0..7 {
            let inbox = inbox.clone();
            idle.task(
                "drain",
                async move { while inbox.recv().await.is_some() {} },
            );
        }
        dump_with(
            &scope,
            &[
                &format!("{many} × Store, spawned at tests/behaviour/dump.rs:"),
                &format!("{many} have waited "),
                "to receive, each from its own mailbox; longest Store#",
                "7 × drain, spawned at ",
                "7 have waited ",
                "to receive from `jobs` (tests/behaviour/dump.rs:",
                "fed by 1 sender held where it is not known; longest drain#",
            ],
        )
        .await;
        let dump = scope.system().dump();
        assert!(dump.lines().count() < 20, "{dump}");
        let snapshot = snapshot(&scope);
        let group = snapshot.groups.iter().find(|group| group.name == "Store");
        let group = group.expect("they live");
        assert_eq!((group.alive, group.waits.len()), (all, 1));
        assert_eq!(group.waits[0].object, None);
        let alive: BTreeMap<u64, u64> =
            snapshot
                .groups
                .iter()
                .fold(BTreeMap::new(), |mut sums, group| {
                    *sums.entry(group.scope).or_default() += group.alive;
                    sums
                });
        let counted: BTreeMap<u64, u64> =
            snapshot
                .processes
                .iter()
                .fold(BTreeMap::new(), |mut sums, process| {
                    *sums.entry(process.scope).or_default() += 1;
                    sums
                });
        assert_eq!(alive, counted, "groups and processes count the same");
        assert_eq!(snapshot.truncated.processes, 0);
        drop((stores, jobs));
        Ok(())
    });
}

#[test]
fn scopes_are_a_tree_and_say_when_they_stop() {
    on_both(2, |scope| async move {
        let outer = scope.child("outer");
        let inner = outer.child("inner");
        let empty = outer.child("empty");
        let goes = Arc::new(AtomicBool::new(false));
        let may_go = Arc::clone(&goes);
        inner.task("slow", async move {
            while !may_go.load(Ordering::SeqCst) {
                sleep(millis(1)).await;
            }
        });
        let seen = snapshot(&scope);
        let of = |name: &str| seen.scopes.iter().find(|scope| scope.name == name);
        let parent = |name: &str| of(name).and_then(|scope| scope.parent);
        assert_eq!(parent("inner"), of("outer").map(|scope| scope.id));
        assert_eq!(parent("empty"), of("outer").map(|scope| scope.id));
        assert_eq!(parent("main"), None);
        assert_eq!(of("inner").map(|scope| scope.alive), Some(1));
        assert!(of("inner").is_some_and(|scope| scope.stopping.is_none()));
        let stop = scope.task("stopper", {
            let inner = inner.clone();
            async move { roundrock::Ok(inner.stop(secs(7)).await.is_clean()) }
        });
        dump_with(
            &scope,
            &[
                "scope `inner`",
                "has been stopping for ",
                "of its grace of 7.0 s",
            ],
        )
        .await;
        goes.store(true, Ordering::SeqCst);
        assert!(stop.await?);
        // That is over, and nobody waits for the grace any more.
        dump_with(
            &scope,
            &["scope `inner` (number 3), 0 alive, was told to stop "],
        )
        .await;
        drop(empty);
        Ok(())
    });
}

#[test]
fn a_supervised_child_shows_its_last_four_exits_also_between_two_lives() {
    on_both(2, |scope| async move {
        let flaky = scope.child("flaky").intensity(50, secs(60));
        let broken = Arc::new(AtomicBool::new(true));
        let flag = Arc::clone(&broken);
        #[process]
        async fn dial(port: &u32, broken: &Arc<AtomicBool>) -> Result<()> {
            if broken.load(Ordering::SeqCst) {
                bail!("port {port} is closed");
            }
            std::future::pending().await
        }
        let child = flaky
            .supervise(dial(7, flag))
            .backoff(millis(1)..millis(20))
            .spawn();
        let seen = loop {
            let seen = snapshot(&scope);
            let children = seen.children.iter();
            let mut between =
                children.filter(|child| child.restarts >= 6 && child.process.is_none());
            let between = between.next().cloned();
            match between {
                Some(child) => break child,
                None => sleep(micros(times(100, 5_000) as u64)).await,
            }
        };
        assert_eq!(&*seen.name, "dial");
        let incarnations: Vec<u32> = seen.exits.iter().map(|exit| exit.incarnation).collect();
        let last = incarnations[0];
        assert_eq!(incarnations, [last, last - 1, last - 2, last - 3]);
        assert!(seen.exits.iter().all(|exit| {
            exit.reason.kind == "failed" && exit.reason.chain == ["port 7 is closed"]
        }));
        broken.store(false, Ordering::SeqCst);
        dump_with(
            &scope,
            &[
                "supervised `dial` runs as #",
                " restarts",
                " ago it failed at tests/behaviour/dump.rs:",
                ": port 7 is closed",
            ],
        )
        .await;
        child.kill();
        flaky.stop(millis(10)).await;
        assert!(snapshot(&scope).children.is_empty(), "it is over");
        Ok(())
    });
}

/// A function that computes has its core until it returns or waits for a channel, and who waits for one is told so.
#[test]
fn more_cpu_functions_than_cores_are_said_to_wait_in_line() {
    #[process(cpu)]
    fn holds(end: &Arc<Mutex<mpsc::Receiver<()>>>) {
        let end = end.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = end.recv();
    }
    on(2, |scope| async move {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (end, wait) = mpsc::channel();
        let wait = Arc::new(Mutex::new(wait));
        for _ in 0..=cores {
            scope.spawn(holds(Arc::clone(&wait)));
        }
        let jobs = format!("cpu jobs: {cores} running, 1 queued, {cores} thread");
        dump_with(
            &scope,
            &[
                &jobs,
                "every core has one: what is queued waits until one of these returns or waits for a channel",
            ],
        )
        .await;
        drop(end);
        Ok(())
    });
}

#[test]
fn jobs_say_for_whom_they_run() {
    on(2, |scope| async move {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let task = scope.task("hash", async move {
            blocking(move || {
                let _ = wait.recv();
            })
            .await;
        });
        dump_with(
            &scope,
            &[
                "hash#",
                "has waited ",
                " for a job on a thread of its own",
                "blocking jobs: 1 running, 0 queued, 1 thread",
                "for hash#",
            ],
        )
        .await;
        let seen = snapshot(&scope);
        assert_eq!(seen.blocking.running.len(), 1);
        assert_eq!(
            Some(seen.blocking.running[0].process),
            seen.processes
                .iter()
                .find(|process| process.name == "hash")
                .map(|process| process.id)
        );
        drop(end);
        task.await?;
        assert!(snapshot(&scope).blocking.running.is_empty());
        Ok(())
    });
}

/// The next event of this kind.
fn next<T>(events: &roundrock::observe::Events, mut wanted: impl FnMut(&Event) -> Option<T>) -> T {
    loop {
        let event = events.recv_timeout(LIMIT).expect("another event");
        if let Some(found) = wanted(&event) {
            return found;
        }
    }
}

#[process]
async fn dial_closed(port: &u32) -> Result<()> {
    bail!("port {port} is closed")
}

#[test]
fn events_tell_of_failures_restarts_and_who_gave_up() {
    on_both(2, |scope| async move {
        let events = scope.system().events();
        let limited = scope.child("limited").intensity(2, secs(60));
        let _child = limited
            .supervise(dial_closed(7))
            .backoff(millis(1)..millis(2))
            .spawn();
        assert!(limited.join().await.is_err());
        let mut kinds = Vec::new();
        while kinds.last() != Some(&"gave up") {
            // The last one is told of a moment after its end can be seen.
            let Ok(event) = events.try_recv() else {
                sleep(millis(1)).await;
                continue;
            };
            if matches!(event.kind, EventKind::Stall { .. }) {
                // On a slow machine anybody may hold its worker for long.
                continue;
            }
            assert_eq!(event.name, "dial_closed", "{event}");
            assert!(event.to_string().contains("port 7 is closed"), "{event}");
            kinds.push(match &event.kind {
                EventKind::Failed { .. } => "failed",
                EventKind::Restarting { incarnations, .. } => {
                    assert_eq!(*incarnations as usize, kinds.len() / 2 + 1);
                    "restarting"
                }
                EventKind::GaveUp { .. } => "gave up",
                other => panic!("{other:?}"),
            });
        }
        assert_eq!(
            kinds,
            [
                "failed",
                "restarting",
                "failed",
                "restarting",
                "failed",
                "gave up"
            ]
        );
        Ok(())
    });
}

/// One that nobody reads holds up nobody, and counts what it missed.
#[test]
fn events_that_nobody_reads_are_counted_as_missed() {
    let system = System::builder().workers(2).start().expect("it starts");
    let slow = system.events();
    for _ in 0..1100 {
        let task = system.scope().spawn_isolated(dial_closed(8));
        while task.exit().is_none() {
            std::thread::yield_now();
        }
    }
    // The last one is told of a moment after its end can be seen.
    while slow.len() as u64 + slow.missed() < 1100 {
        std::thread::yield_now();
    }
    assert_eq!(slow.len() as u64 + slow.missed(), 1100);
    drop(system);
    assert_eq!(
        slow.iter().count(),
        1024,
        "what it holds is still there, and then it ends"
    );
}

#[test]
fn a_stall_and_a_late_process_are_events() {
    let system = System::builder().workers(1).start().expect("it starts");
    let events = system.events();
    let scope = system.scope().child("late");
    let greedy = scope.task("greedy", async {
        std::thread::sleep(Duration::from_millis(200))
    });
    for _ in 0..3 {
        scope.task("behind", async {});
    }
    let stall = next(&events, |event| match event.kind {
        EventKind::Stall { running, waiting } => {
            assert!(waiting > 0, "{event}");
            Some((event.name.clone(), running))
        }
        _ => None,
    });
    assert_eq!(stall.0, "greedy");
    assert!(stall.1 >= Duration::from_millis(10));
    while greedy.exit().is_none() {
        std::thread::yield_now();
    }
    scope.task("deaf", async { sleep(secs(1000)).await });
    let report = system
        .shutdown(Duration::from_millis(1))
        .expect("a plain thread");
    let late = next(&events, |event| {
        matches!(event.kind, EventKind::Late).then(|| event.name.clone())
    });
    assert_eq!(late, "deaf");
    assert_eq!(report.late.len(), 1);
}

#[process(budget = 20)]
async fn session(go: &Receiver<()>) {
    go.recv().await;
}

#[test]
fn more_than_the_budget_is_told_with_the_place() {
    let system = System::builder()
        .workers(2)
        .growth(1_000_000, Duration::from_millis(100))
        .start()
        .expect("it starts");
    let events = system.events();
    let sessions = system.scope().child("sessions");
    let (go, wait) = bounded::<()>(1);
    for _ in 0..40 {
        sessions.spawn(session(wait.clone()));
    }
    // Something is awake now and then, as in a system that has work.
    let busy = sessions.task("busy", async {
        loop {
            sleep(millis(1)).await;
        }
        #[allow(unreachable_code, reason = "it is killed")]
        roundrock::Ok(())
    });
    let (event, alive, budget) = next(&events, |event| match event.kind {
        EventKind::OverBudget { alive, budget } => Some((event.clone(), alive, budget)),
        _ => None,
    });
    assert_eq!((&*event.name, budget), ("session", 20));
    assert!((21..=40).contains(&alive), "{alive}");
    assert!(
        event
            .site
            .is_some_and(|site| site.file.ends_with("dump.rs"))
    );
    busy.kill();
    drop(go);
    system.shutdown(Duration::ZERO).expect("a plain thread");
}

#[test]
fn what_doubles_over_three_windows_is_told_with_its_place() {
    let system = System::builder()
        .workers(2)
        .growth(100, Duration::from_millis(100))
        .start()
        .expect("it starts");
    let events = system.events();
    let scope = system.scope();
    let leak = scope.task("leak", {
        let scope = scope.clone();
        async move {
            // Twice as many every 220 ms, so that it doubles over any three windows, however late they are counted.
            let mut alive = 1;
            while alive < 200_000 {
                let more = 1 + alive / 64;
                for _ in 0..more {
                    scope.task("forgotten", std::future::pending::<()>());
                }
                alive += more;
                sleep(millis(5)).await;
            }
            std::future::pending::<()>().await;
            roundrock::Ok(())
        }
    });
    let growing = next(&events, |event| match &event.kind {
        EventKind::Growing { alive, window, .. } => Some((event.clone(), alive.clone(), *window)),
        _ => None,
    });
    leak.kill();
    let (event, alive, window) = growing;
    assert_eq!(
        (&*event.name, window),
        ("forgotten", Duration::from_millis(100))
    );
    assert!(
        event
            .site
            .is_some_and(|site| site.file.ends_with("dump.rs"))
    );
    assert_eq!(alive.len(), 4);
    assert!(
        alive.is_sorted() && alive[3] > 100 && alive[3] >= 2 * alive[0],
        "{alive:?}"
    );
    system.shutdown(Duration::ZERO).expect("a plain thread");
}

#[test]
#[should_panic(expected = "the window of `growth` is 100 ms to 1 h, not 0ns")]
fn a_window_of_nothing_is_refused() {
    let _ = System::builder().growth(10, Duration::ZERO);
}

/// A process that has two jobs: when one ends, what is said of the other is still its own.
#[test]
fn the_job_that_goes_on_keeps_its_time() {
    on(2, |scope| async move {
        let (end, wait) = std::sync::mpsc::channel::<()>();
        let (end_too, wait_too) = std::sync::mpsc::channel::<()>();
        let (began, begins) = std::sync::mpsc::channel();
        let _task = scope.task("hash", async move {
            let one = blocking(move || wait.recv().ok());
            let two = async {
                sleep(millis(20)).await;
                let _ = began.send(Instant::now());
                blocking(move || wait_too.recv().ok()).await;
            };
            join!(one, two);
        });
        let running = || snapshot(&scope).blocking.running;
        while running().len() < 2 {
            sleep(millis(1)).await;
        }
        drop(end);
        while running().len() > 1 {
            sleep(millis(1)).await;
        }
        let left = running().remove(0);
        let younger = begins.try_recv()?.elapsed();
        assert!(
            left.running_for <= younger,
            "{left:?} began before {younger:?}"
        );
        drop(end_too);
        Ok(())
    });
}

/// Who waits for a lock or a permit is told who took it, and where.
#[test]
fn who_has_a_lock_and_who_took_permits_is_told() {
    use roundrock::sync::Semaphore;
    on_both(2, async |scope| {
        let price = Arc::new(roundrock::sync::Mutex::new(7));
        let rooms = Arc::new(Semaphore::new(3));
        let guard = price.lock().await;
        let permits = (rooms.acquire().await, rooms.acquire_many(2).await);
        let (lock, semaphore) = (Arc::clone(&price), Arc::clone(&rooms));
        scope.task("reader", async move { drop(lock.lock().await) });
        scope.task("guest", async move { drop(semaphore.acquire().await) });
        let line = std::panic::Location::caller().line() - 5;
        let at = |line: u32| format!("tests/behaviour/dump.rs:{line}");
        let parts = [
            format!("for the lock made at {}, which was taken by ", at(line - 2)),
            format!("#0 at {}", at(line)),
            format!(
                "for a permit of the semaphore made at {}; permits were taken by ",
                at(line - 1)
            ),
            format!("#0 at {}", at(line + 1)),
        ];
        let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
        let dump = dump_with(&scope, &parts).await;
        let locks = snapshot(&scope).locks;
        assert_eq!(locks.len(), 2, "{dump}");
        for lock in locks {
            let permits: Vec<_> = lock.holders.iter().map(|holder| holder.permits).collect();
            let expected: &[u32] = if lock.semaphore { &[1, 2] } else { &[1] };
            assert_eq!(permits, expected);
            assert_eq!((lock.held, lock.waiting), (expected.len(), 1));
        }
        drop((guard, permits));
        while !snapshot(&scope).locks.is_empty() {
            sleep(millis(1)).await;
        }
        Ok(())
    });
}
