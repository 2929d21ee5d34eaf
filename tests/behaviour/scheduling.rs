//! Who runs, when, and that nobody is forgotten. Cases F01 to F11; P16, P17, P18, P20.
//!
//! Threads only: threads that wake, and how the queues of workers treat those who are always busy, with whom virtual time stands
//! still.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::{Poll, Waker};
use std::thread;

use roundrock::channel::unbounded;
use roundrock::prelude::*;
use roundrock_tests::{LIMIT, on, on_workers, times, watched, yield_now};

/// P16: a process is never polled by two workers at once, however many threads wake it, and each poll sees what the one before has
/// written: what a process owns is plain data. Case F08.
///
/// The scheduler alone orders one poll before the next: the flag is relaxed, with which two polls at once are seen all the same, and
/// the threads that wake the process begin in its first poll. So ThreadSanitizer tells if an ordering is missing (`ci/tsan.sh`).
#[test]
fn p16_a_process_is_polled_by_one_worker_at_a_time() {
    for workers in [1, 2, 4] {
        on(workers, move |scope| async move {
            let inside = AtomicBool::new(false);
            let process = scope.task("polled", async move {
                // The threads go when this does.
                let alive = Arc::new(());
                let mut waking = Vec::new();
                let (mut polls, mut moved) = (Vec::new(), false);
                poll_fn(|cx| {
                    let twice = inside.swap(true, Ordering::Relaxed);
                    assert!(!twice, "polled twice at once");
                    if waking.is_empty() {
                        waking.extend((0..8).map(|_| wakes(cx.waker(), &alive)));
                    }
                    let here = thread::current().id();
                    moved |= polls.last().is_some_and(|&(_, last)| last != here);
                    polls.push((polls.len(), here));
                    inside.store(false, Ordering::Relaxed);
                    // With several workers it goes on until another one had it.
                    if polls.len() < 5000 || workers > 1 && !moved {
                        Poll::Pending
                    } else {
                        Poll::Ready(())
                    }
                })
                .await;
                let numbers = polls.iter().map(|&(number, _)| number);
                assert!(numbers.eq(0..polls.len()), "a poll was lost");
                roundrock::Ok(waking)
            });
            for thread in process.await? {
                thread.join().unwrap();
            }
            Ok(())
        });
    }
}

/// A thread that wakes a process again and again while that has this.
fn wakes(waker: &Waker, alive: &Arc<()>) -> thread::JoinHandle<()> {
    let (waker, alive) = (waker.clone(), Arc::downgrade(alive));
    thread::spawn(move || {
        while alive.strong_count() > 0 {
            waker.wake_by_ref();
        }
    })
}

/// P17: a wake during the poll is not lost, nor one before it: each leads to one more poll.
#[test]
fn p17_wakes_during_a_poll_lead_to_another_one() {
    on_workers(|scope| async move {
        let inner = scope.clone();
        // What is simulated is woken by no thread.
        let (rounds, ways) = (times(1000, 20), times(4, 3));
        let process = scope.task("wakes itself", async move {
            for round in 0..rounds {
                let mut polls = 0;
                poll_fn(|cx| {
                    polls += 1;
                    match (polls, round % ways) {
                        (3, _) => return Poll::Ready(()),
                        (_, 0) => cx.waker().wake_by_ref(),
                        (_, 1) => {
                            let waker = cx.waker().clone();
                            drop(waker.clone());
                            waker.wake();
                        }
                        (_, 2) => {
                            let waker = cx.waker().clone();
                            let _ = inner.task("wakes", async move { waker.wake() });
                        }
                        _ => {
                            let waker = cx.waker().clone();
                            thread::spawn(move || waker.wake());
                        }
                    }
                    Poll::Pending
                })
                .await;
            }
        });
        process.await?;
        Ok(())
    });
}

/// P18: processes that always have a message do not keep others from running, whatever they loop over: until another one runs, they
/// take a bounded number of turns.
#[test]
fn p18_busy_message_loops_starve_nobody() {
    for kind in [
        "buffered",
        "rendezvous",
        "to itself",
        "permits",
        "yields",
        "joins",
        "broadcast",
        "latest",
        "handlers",
        "handlers with timers",
        "calls",
    ] {
        for workers in [1, 2] {
            let waited = on(workers, move |scope| async move {
                let busy = Arc::new(Busy::default());
                // Enough of them to keep every worker busy.
                for _ in 0..workers {
                    start(&scope, kind, &busy);
                }
                while busy.turns() < 100 {
                    yield_now().await;
                }
                sleep(millis(1)).await;
                let mut waited = Vec::new();
                for _ in 0..ROUNDS {
                    waited.push(turns_before_another(&scope, &busy).await?);
                }
                assert_gives_way(&scope, kind, &busy);
                busy.over.store(true, Ordering::SeqCst);
                Ok(waited)
            });
            // While one worker has another process at hand and is kept from running by the machine, a second one does what it likes.
            if workers == 1 {
                assert_bounded(kind, waited);
            }
        }
    }
}

/// How often it is counted what another process waits for.
const ROUNDS: usize = 20;

/// The operations of one step.
const STEP: usize = 128;

/// What may come before another process runs, with one worker: two steps, and a part of one, of a process that is busy with itself; or
/// sixteen steps of those that wake each other, each of at most as many messages as their channel holds.
const TURNS: usize = 3 * STEP;

/// Fails unless others ran in time. Most of the rounds count: in some the machine may keep the worker from running in the middle of a
/// step for so long that a second one steps in.
#[track_caller]
fn assert_bounded(kind: &str, mut waited: Vec<usize>) {
    waited.sort_unstable();
    let most = waited[ROUNDS * 3 / 4];
    assert!(most <= TURNS, "{kind}: others wait for {waited:?} turns");
}

/// Fails unless the busy ones give way after each step, by how often they were polled: where they do not, a second worker that steps in
/// keeps others from waiting.
#[track_caller]
fn assert_gives_way(scope: &Scope, kind: &str, busy: &Busy) {
    let turns = busy.turns();
    let processes = scope.system().snapshot().processes;
    let busy = processes.iter().filter(|process| process.name != "main");
    let polls: u64 = busy.map(|process| process.polls).sum();
    assert!(
        turns as u64 <= STEP as u64 * (polls + 1),
        "{kind}: {turns} turns in {polls} polls"
    );
}

/// What others do until a new process runs, and until it runs again.
async fn turns_before_another(scope: &Scope, busy: &Arc<Busy>) -> Result<usize> {
    let (made, seen) = (busy.turns(), Arc::clone(busy));
    let other = scope.task("other", async move {
        let first = seen.turns();
        yield_now().await;
        roundrock::Ok((first, seen.turns()))
    });
    let (first, second) = other.await?;
    Ok((first - made).max(second - first))
}

/// What busy processes share with the test.
#[derive(Debug, Default)]
struct Busy {
    over: AtomicBool,
    turns: AtomicUsize,
}

impl Busy {
    /// Counts a turn; false when it is to end.
    fn goes_on(&self) -> bool {
        self.turns.fetch_add(1, Ordering::SeqCst);
        !self.over.load(Ordering::SeqCst)
    }

    fn turns(&self) -> usize {
        self.turns.load(Ordering::SeqCst)
    }
}

/// Always has one more message: from itself.
#[process]
struct Feeds(Arc<Busy>);

#[handlers]
impl Feeds {
    async fn feed(&mut self, me: FeedsHandle) {
        if self.0.goes_on() {
            let _ = me.feed(me.clone()).send().await;
        }
    }
    fn answer(&self) {}
}

/// The same, with a timer, which no test lives to see.
#[process]
struct FeedsAndTicks(Arc<Busy>);

#[handlers]
impl FeedsAndTicks {
    async fn feed(&mut self, me: FeedsAndTicksHandle, cx: &mut Cx<Self>) {
        if self.0.goes_on() {
            let _ = me.feed(me.clone()).send().await;
        } else {
            cx.stop();
        }
    }
    #[every("1h")]
    fn tick(&mut self) {}
}

/// Starts processes that are busy until `over`.
fn start(scope: &Scope, kind: &'static str, busy: &Arc<Busy>) {
    let own = Arc::clone(busy);
    match kind {
        "buffered" | "rendezvous" => {
            let (sender, receiver) = match kind {
                "rendezvous" => rendezvous(),
                _ => bounded(16),
            };
            let _ = scope.task("producer", async move {
                while own.goes_on() {
                    sender.send(1).await?;
                }
                roundrock::Ok(())
            });
            let _ = scope.task("consumer", async move {
                while receiver.recv().await.is_some() {}
            });
        }
        "handlers" => {
            let feeds = scope.spawn(Feeds(own));
            let _ = scope.task(
                "begins",
                async move { feeds.feed(feeds.clone()).send().await },
            );
        }
        "handlers with timers" => {
            let feeds = scope.spawn(FeedsAndTicks(own));
            let _ = scope.task(
                "begins",
                async move { feeds.feed(feeds.clone()).send().await },
            );
        }
        "calls" => {
            let called = scope.spawn(Feeds(Arc::clone(&own)));
            let _ = scope.task("calls", async move {
                while own.goes_on() {
                    called.answer().await?;
                }
                roundrock::Ok(())
            });
        }
        _ => {
            let scope = scope.clone();
            let _ = scope.clone().task("alone", alone(scope, kind, own));
        }
    }
}

/// Busy with itself.
async fn alone(scope: Scope, kind: &'static str, busy: Arc<Busy>) -> Result<()> {
    let (sender, receiver) = bounded(16);
    let (news, subscriber) = broadcast(16);
    let (value, watch) = latest(0);
    let ended = scope.task("ended", async {});
    while busy.goes_on() {
        match kind {
            "to itself" => {
                sender.send(1).await?;
                receiver.recv().await;
            }
            "permits" => {
                sender.ready().await?.send(1)?;
                receiver.recv_many(4).await;
            }
            "joins" => drop(ended.done().await),
            "broadcast" => {
                news.send(1).await?;
                subscriber.recv().await;
            }
            "latest" => {
                value.set(1);
                watch.recv().await;
            }
            _ => yield_now().await,
        }
    }
    Ok(())
}

/// P18: two processes that wake each other without end leave room for a third, although each is run next.
#[test]
fn p18_a_ping_pong_does_not_keep_the_worker() {
    on_workers(|scope| async move {
        let over = Arc::new(AtomicBool::new(false));
        let (ping, pings) = rendezvous();
        let (pong, pongs) = rendezvous();
        let stop = Arc::clone(&over);
        let first = scope.task("ping", async move {
            while !stop.load(Ordering::SeqCst) {
                ping.send(1).await?;
                pongs.recv().await;
            }
            roundrock::Ok(())
        });
        let _ = scope.task("pong", async move {
            while pings.recv().await.is_some() {
                pong.send(1).await?;
            }
            roundrock::Ok(())
        });
        for _ in 0..times(100, 10) {
            scope.task("third", yield_now()).await?;
        }
        over.store(true, Ordering::SeqCst);
        first.await?;
        Ok(())
    });
}

/// Case F01: very many processes, from one and from many.
#[test]
fn thirty_thousand_processes_come_and_go() {
    on_workers(|scope| async move {
        let ran = Arc::new(AtomicUsize::new(0));
        let (parents, leaves) = (times(100, 10), times(300, 10));
        scope
            .group(async |group: Scope| {
                for _ in 0..parents {
                    let (scope, ran) = (group.clone(), Arc::clone(&ran));
                    let _ = group.task("spawns", async move {
                        for _ in 0..leaves {
                            let ran = Arc::clone(&ran);
                            let _ = scope.task("leaf", async move {
                                ran.fetch_add(1, Ordering::SeqCst);
                            });
                        }
                    });
                }
                Ok(())
            })
            .await?;
        assert_eq!(ran.load(Ordering::SeqCst), parents * leaves);
        Ok(())
    });
}

/// Case F11: a token goes round a ring of processes and ends at the right one.
#[test]
fn thread_ring_ends_at_the_right_node() {
    on_workers(|scope| async move {
        let nodes = times(503, 53);
        let hops = times(20_000, 300);
        let (result, results) = bounded(1);
        let (first, mut input) = unbounded::channel::<usize>();
        for node in 1..=nodes {
            let (next, next_input) = if node == nodes {
                (first.clone(), None)
            } else {
                let (next, input) = unbounded::channel();
                (next, Some(input))
            };
            let (from, result) = (input, result.clone());
            let _ = scope.task("node", async move {
                while let Some(left) = from.recv().await {
                    if left == 0 {
                        result.send(node).await?;
                        break;
                    }
                    next.send(left - 1).await?;
                }
                roundrock::Ok(())
            });
            let Some(next_input) = next_input else { break };
            input = next_input;
        }
        first.send(hops).await?;
        assert_eq!(results.recv().await, Some(hops % nodes + 1));
        Ok(())
    });
}

/// P20: workers that have nothing to do take no step, take nothing from others and do not wake, however many processes wait. That they
/// do not spin instead, and that the monitor sleeps too, is seen from outside of a program: `tests/signals/main.rs`.
#[test]
fn p20_idle_workers_do_nothing() {
    for workers in [1, 2, 4] {
        watched(move |_| {
            let system = System::builder().workers(workers).start().unwrap();
            let (jobs, inbox) = bounded::<u32>(8);
            for _ in 0..100 {
                let inbox = inbox.clone();
                system.scope().task(
                    "waits",
                    async move { while inbox.recv().await.is_some() {} },
                );
            }
            drop(inbox);
            let look = || {
                let snapshot = system.snapshot();
                let parked = snapshot
                    .processes
                    .iter()
                    .filter(|process| process.name == "waits" && process.wait.is_some());
                let counts = snapshot.workers.iter();
                let counts = counts.map(|worker| (worker.steps, worker.parks, worker.steals));
                (parked.count(), counts.collect::<Vec<_>>())
            };
            // A worker may take its time to go to sleep, but then nothing moves; if something always did, this would not end.
            let mut before = look();
            loop {
                thread::sleep(millis(300));
                let now = look();
                if now.0 == 100 && now == before {
                    break;
                }
                before = now;
            }
            jobs.finish();
            assert!(system.shutdown(LIMIT).unwrap().is_clean());
        });
    }
}
