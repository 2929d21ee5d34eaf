//! Workers that do not come back: a process that blocks its thread delays nobody else; and how many workers there are.
//! Case F05; P19.
//!
//! Threads only: all of it: threads that block, come and go.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::{Duration, Instant};

use roundrock::observe::EventKind;
use roundrock::prelude::*;
use roundrock_tests::{checked, on, threads, unique_name, yield_now};

/// P19: a process that blocks its worker delays nobody: not what is queued behind it, nor what it has just woken.
#[test]
fn p19_a_blocked_worker_delays_nobody() {
    for workers in [1, 2, 4] {
        on(workers, |scope| async move {
            let (release, blocked) = mpsc::channel();
            let (sender, receiver) = bounded(1);
            let woken = release.clone();
            let _ = scope.task("woken", async move {
                receiver.recv().await;
                woken.send("the process that it woke")
            });
            yield_now().await;
            let inner = scope.clone();
            let blocker = scope.task("blocks", async move {
                sender.send(1).await?;
                for _ in 0..1000 {
                    let release = release.clone();
                    let _ = inner.task("behind", async move { release.send("behind") });
                }
                drop(release);
                // Blocks the thread until all of them have run.
                assert_eq!(blocked.iter().count(), 1001);
                roundrock::Ok(())
            });
            blocker.await?;
            Ok(())
        });
    }
}

/// P19: again and again, with all workers blocked at once, so that the threads that step in come and go.
#[test]
fn p19_workers_block_again_and_again() {
    for workers in [1, 2, 4] {
        on(workers, move |scope| async move {
            for _ in 0..20 {
                let begun = Arc::new(AtomicUsize::new(0));
                let mut releases = Vec::new();
                let mut blockers = Vec::new();
                for _ in 0..workers {
                    let (release, blocked) = mpsc::channel();
                    let begun = Arc::clone(&begun);
                    releases.push(release);
                    blockers.push(scope.task("blocks", async move {
                        begun.fetch_add(1, Ordering::SeqCst);
                        blocked.recv()
                    }));
                }
                let _ = scope.task("releases", async move {
                    while begun.load(Ordering::SeqCst) < workers {
                        yield_now().await;
                    }
                    yield_now().await;
                    releases.iter().try_for_each(|release| release.send(()))
                });
                for blocker in blockers {
                    blocker.await?;
                }
                sleep(millis(1)).await;
            }
            Ok(())
        });
    }
}

/// P19: timers fire although a worker is blocked.
#[test]
fn p19_timers_fire_behind_a_blocked_worker() {
    for workers in [1, 2] {
        on(workers, |scope| async move {
            let (release, blocked) = mpsc::channel();
            let _ = scope.task("sleeps", async move {
                sleep(millis(5)).await;
                release.send(())
            });
            yield_now().await;
            scope.task("blocks", async move { blocked.recv() }).await?;
            Ok(())
        });
    }
}

/// P19: processes that exchange messages all the time are gathered on one worker; when one of them blocks it, the others go on
/// elsewhere.
#[test]
fn p19_a_gathered_group_is_not_stuck_behind_one_of_its_own() {
    const EACH: usize = 20_000;
    for workers in [2, 4] {
        on(workers, |scope| async move {
            let (out, numbers) = bounded(64);
            let (over, is_over) = mpsc::channel();
            let seen = Arc::new(AtomicUsize::new(0));
            for _ in 0..4 {
                let out = out.clone();
                let _ = scope.task("producer", async move {
                    for number in 0..EACH {
                        out.send(number).await?;
                    }
                    roundrock::Ok(())
                });
            }
            out.finish();
            let mut consumers = Vec::new();
            for _ in 0..4 {
                let (numbers, over, seen) = (numbers.clone(), over.clone(), Arc::clone(&seen));
                consumers.push(scope.task("consumer", async move {
                    while numbers.recv().await.is_some() {
                        if seen.fetch_add(1, Ordering::SeqCst) + 1 == 4 * EACH {
                            over.send(())?;
                        }
                    }
                    roundrock::Ok(())
                }));
            }
            let (begun, seen_now) = (Arc::clone(&seen), Arc::clone(&seen));
            let blocker = scope.task("blocks", async move {
                while begun.load(Ordering::SeqCst) < EACH {
                    ensure!(numbers.recv().await.is_some(), "there are more messages");
                    begun.fetch_add(1, Ordering::SeqCst);
                }
                numbers.finish();
                // Blocks the thread until the others have received the rest.
                is_over.recv().map_err(roundrock::Error::new)
            });
            blocker.await?;
            for consumer in consumers {
                consumer.await?;
            }
            assert_eq!(seen_now.load(Ordering::SeqCst), 4 * EACH);
            Ok(())
        });
    }
}

/// What keeps a worker from coming back, and what ends that.
struct Gate {
    is_open: AtomicBool,
    opened: (Mutex<bool>, Condvar),
}

impl Gate {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            is_open: AtomicBool::new(false),
            opened: (Mutex::new(false), Condvar::new()),
        })
    }

    fn open(&self) {
        self.is_open.store(true, Ordering::SeqCst);
        *self.opened.0.lock().unwrap() = true;
        self.opened.1.notify_all();
    }
}

/// A way of keeping a worker, with its name.
type Way = (&'static str, fn(&Gate));

const WAYS: [Way; 3] = [
    ("computes", |gate| {
        while !gate.is_open.load(Ordering::SeqCst) {
            std::hint::spin_loop();
        }
    }),
    ("blocks", |gate| {
        let opened = gate.opened.0.lock().unwrap();
        drop(gate.opened.1.wait_while(opened, |opened| !*opened));
    }),
    ("sleeps", |gate| {
        while !gate.is_open.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(40));
        }
    }),
];

/// The threads of a system, by its name.
fn threads_of(system: &str) -> usize {
    let names = threads();
    names.iter().filter(|name| name.starts_with(system)).count()
}

/// Waits until a system has so many threads; they name themselves when they begin.
fn wait_for_threads(system: &str, count: usize) {
    let patience = Instant::now() + Duration::from_secs(60);
    while threads_of(system) != count {
        assert!(
            Instant::now() < patience,
            "{} threads instead of {count}",
            threads_of(system)
        );
        std::thread::yield_now();
    }
}

/// P19: whatever keeps all workers, and in both directions: it is noticed within 20 ms and told by name, what waits behind it runs
/// meanwhile, and the threads that stepped in go away again.
#[test]
#[cfg(target_os = "linux")]
fn p19_stuck_workers_are_noticed_and_spares_go_away() {
    const ROUNDS: usize = 4;
    const PROMISED: Duration = Duration::from_millis(20);
    for (way, keep) in WAYS {
        for workers in [1, 2] {
            let name = format!("{}-", unique_name());
            let system = System::builder()
                .workers(workers)
                .name(&name)
                .start()
                .expect("it starts");
            let events = system.events();
            // The monitor is one more.
            wait_for_threads(&name, workers + 1);
            let (mut noticed, started) = (Vec::new(), Instant::now());
            // In some rounds the machine is elsewhere, or one is told of before the other one has begun.
            while noticed.len() < ROUNDS || noticed.iter().min() >= Some(&PROMISED) {
                assert!(
                    started.elapsed() < Duration::from_secs(60),
                    "{way}, {workers} workers: {noticed:?}"
                );
                // With two workers the last round may have told of the other one, too.
                while events.try_recv().is_ok() {}
                let (gate, begun) = (Gate::new(), Arc::new(AtomicUsize::new(0)));
                let since = Arc::new(Mutex::new(None));
                let scope = system.scope().child("round");
                let mut stuck = Vec::new();
                for _ in 0..workers {
                    let (gate, begun, since) =
                        (Arc::clone(&gate), Arc::clone(&begun), Arc::clone(&since));
                    let inner = scope.clone();
                    stuck.push(scope.task(way, async move {
                        // When the last of them has begun, nobody is left for what comes behind.
                        if begun.fetch_add(1, Ordering::SeqCst) + 1 == workers {
                            *since.lock().unwrap() = Some(Instant::now());
                            let behind = Arc::clone(&gate);
                            let _ = inner.task("behind", async move { behind.open() });
                        }
                        keep(&gate);
                    }));
                }
                let (who, when) = loop {
                    let event = events
                        .recv_timeout(Duration::from_secs(60))
                        .expect("it is noticed");
                    if matches!(event.kind, EventKind::Stall { .. }) {
                        break (event.name.clone(), Instant::now());
                    }
                };
                assert_eq!(who, way);
                for stuck in stuck {
                    while stuck.exit().is_none() {
                        std::thread::yield_now();
                    }
                }
                let since = since.lock().unwrap().expect("it has begun");
                // Before that, one of them was alone in keeping its worker.
                noticed.extend(when.checked_duration_since(since));
            }
            wait_for_threads(&name, workers + 1);
            let _ = system.shutdown(Duration::from_secs(1));
        }
    }
}

/// A system has as many workers as the thread that starts it may use processors, by its affinity mask. What the builder says wins. The
/// threads that compute are as many.
///
/// A quota of the cgroup is not tested: to set one takes privileges. The standard library reads it together with the mask, so one that is
/// in force already is taken into account here by asking the same function.
#[cfg(target_os = "linux")]
#[test]
fn the_number_of_workers_follows_the_affinity_mask() {
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    let allowed = sched_getaffinity(None).expect("every thread has a mask");
    let cpus: Vec<usize> = (0..CpuSet::MAX_CPU)
        .filter(|&cpu| allowed.is_set(cpu))
        .collect();
    for count in 1..=cpus.len().min(3) {
        let mut mask = CpuSet::new();
        cpus[..count].iter().for_each(|&cpu| mask.set(cpu));
        // Masks belong to threads.
        let started = std::thread::spawn(move || {
            sched_setaffinity(None, &mask).expect("a part of what is allowed");
            let workers = |builder: roundrock::system::Builder| {
                builder.run(async |scope| {
                    let snapshot = scope.system().snapshot();
                    Ok(snapshot.workers.len())
                })
            };
            let by_default = workers(System::builder()).expect("it runs");
            let chosen = workers(System::builder().workers(5)).expect("it runs");
            (by_default, chosen, most_that_compute())
        });
        let started = started.join().expect("it does not panic");
        let quota = std::thread::available_parallelism().map_or(1, usize::from);
        let expected = count.min(quota);
        assert_eq!(started, (expected, 5, expected));
    }
}

/// Jobs on the threads for computing that begin when three times as many are there as this thread may use processors.
#[cfg(target_os = "linux")]
fn most_that_compute() -> usize {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let ran = checked(System::builder().workers(2), async move |scope| {
        let gate = Arc::new((Mutex::new(false), Condvar::new()));
        let began = Arc::new(AtomicUsize::new(0));
        for _ in 0..3 * cores {
            let _ = scope.spawn(compute(Arc::clone(&gate), Arc::clone(&began)));
        }
        let lane = loop {
            let lane = scope.system().snapshot().cpu;
            if lane.running.len() + lane.queued == 3 * cores
                && began.load(Ordering::SeqCst) >= cores
            {
                break lane;
            }
            sleep(millis(1)).await;
        };
        // Whoever was to begin has begun: the others have no thread.
        assert_eq!(lane.threads, began.load(Ordering::SeqCst));
        *gate.0.lock().unwrap() = true;
        gate.1.notify_all();
        Ok(lane.threads)
    });
    ran.expect("it runs")
}

#[cfg(target_os = "linux")]
#[process(cpu)]
fn compute(gate: &Arc<(Mutex<bool>, Condvar)>, began: &Arc<AtomicUsize>) {
    began.fetch_add(1, Ordering::SeqCst);
    let (open, changed) = &**gate;
    let _open = changed
        .wait_while(open.lock().unwrap(), |open| !*open)
        .unwrap();
}
