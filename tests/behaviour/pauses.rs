//! A scope that stops while one of its supervised children waits to be started again: what others have accepted, or pass on while they
//! drain, reaches it; and a child that fails again and again makes no stop fail that has nothing for it. P33.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use roundrock::observe::{ChildInfo, ChildStage};
use roundrock::prelude::*;
use roundrock::scope::ScopeError;
use roundrock::time::now;
use roundrock_tests::{on_workers, yield_now};

const LONG: std::ops::Range<Duration> = secs(60)..secs(60);

type Count = Arc<AtomicUsize>;

fn read(count: &Count) -> usize {
    count.load(Ordering::SeqCst)
}

fn add(count: &Count) {
    count.fetch_add(1, Ordering::SeqCst);
}

/// Fails at a 0.
#[process]
async fn sink(inbox: &Receiver<u32>, handled: &Count) -> Result<()> {
    while let Some(job) = inbox.recv().await {
        ensure!(job > 0, "a bad job");
        add(handled);
    }
    Ok(())
}

/// Fails again and again, without a look at its input.
#[process]
async fn fails(_inbox: &Receiver<u32>, starts: &Count) -> Result<()> {
    add(starts);
    bail!("no connection")
}

#[process]
async fn stage(inbox: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    while let Some(job) = inbox.recv().await {
        sleep(millis(1)).await;
        out.send(job).await?;
    }
    Ok(())
}

/// Fails at a 0, in its mailbox or its input.
#[process]
struct Store {
    handled: Count,
    jobs: Receiver<u32>,
}

#[handlers]
impl Store {
    #[recv(jobs)]
    fn job(&mut self, job: u32) -> Result<()> {
        self.put(job);
        Ok(())
    }

    fn put(&mut self, job: u32) {
        assert!(job > 0, "a bad job");
        add(&self.handled);
    }
}

/// Takes its time, and then calls another one.
#[process]
struct Front {
    back: StoreHandle,
}

#[handlers]
impl Front {
    async fn take(&mut self, job: u32) -> Result<()> {
        sleep(millis(1)).await;
        self.back.put(job).await?;
        Ok(())
    }
}

/// Waits until so many children of the system are in a pause.
async fn paused(scope: &Scope, count: usize) {
    let is_paused = |child: &&ChildInfo| matches!(child.stage, ChildStage::Paused { .. });
    let children = || scope.system().snapshot().children;
    while children().iter().filter(is_paused).count() < count {
        yield_now().await;
    }
}

/// Stops a scope, whose children end by themselves and in their time.
async fn stop(parts: &Scope) {
    let begun = now();
    let report = parts.stop(secs(600)).await;
    assert!(report.is_clean(), "{report}");
    assert!(now() - begun < secs(30));
}

/// A channel with this capacity.
fn channel(capacity: usize) -> (Sender<u32>, Receiver<u32>) {
    match capacity {
        0 => rendezvous(),
        capacity => bounded(capacity),
    }
}

/// A factory lends something else to each incarnation, and what it lent last has messages.
#[test]
fn p33_a_function_of_a_factory() {
    on_workers(|scope| async move {
        for by_hand in [false, true] {
            let (parts, handled) = (scope.child("parts"), Count::default());
            let (jobs, inbox) = bounded(8);
            let count = Arc::clone(&handled);
            let task = parts
                .supervise(move || sink(inbox.clone(), Arc::clone(&count)))
                .backoff(if by_hand {
                    Duration::ZERO..Duration::ZERO
                } else {
                    LONG
                })
                .spawn();
            for job in 0..6 {
                jobs.send(job).await?;
            }
            if by_hand {
                task.stop();
                assert!(task.done().await.is_normal());
            } else {
                paused(&scope, 1).await;
                stop(&parts).await;
            }
            assert_eq!(read(&handled), 5);
            parts.join().await?;
        }
        Ok(())
    });
}

/// The receiver is a field of a struct, which is told to stop, or whose scope is.
#[test]
fn p33_an_input_of_a_struct() {
    on_workers(|scope| async move {
        for by_hand in [false, true] {
            let (parts, handled) = (scope.child("parts"), Count::default());
            let (jobs, inbox) = bounded(8);
            let count = Arc::clone(&handled);
            let make = move || Store {
                handled: Arc::clone(&count),
                jobs: inbox.clone(),
            };
            let pause = if by_hand { millis(50) } else { secs(60) };
            let store = parts.supervise(make).backoff(pause..pause).spawn();
            assert_eq!(store.put(0).await, Err(CallError::Crashed));
            paused(&scope, 1).await;
            for job in 1..6 {
                jobs.send(job).await?;
            }
            if by_hand {
                store.stop();
                assert!(store.closed().await.is_normal());
            } else {
                stop(&parts).await;
            }
            assert_eq!(read(&handled), 5);
            parts.join().await?;
        }
        Ok(())
    });
}

/// A child that is removed handles what it was sent before, also between two incarnations and before the first one; what fails then is
/// not started again.
#[test]
fn who_is_removed_handles_what_is_queued() {
    on_workers(|scope| async move {
        for (bad, expected) in [(false, 5), (true, 2)] {
            let (parts, handled) = (scope.child("parts"), Count::default());
            let (_others, inbox) = bounded(8);
            let count = Arc::clone(&handled);
            let make = move || Store {
                handled: Arc::clone(&count),
                jobs: inbox.clone(),
            };
            let store = parts.supervise(make).backoff(LONG).spawn();
            store.put(1).await?;
            let (jobs, inbox) = bounded(8);
            let function = sink(inbox, Arc::clone(&handled));
            let function = parts.supervise(function).backoff(LONG).spawn();
            jobs.send(0).await?;
            assert_eq!(store.put(0).await, Err(CallError::Crashed));
            paused(&scope, 2).await;
            for job in 1..6 {
                let job = if bad && job == 3 { 0 } else { job };
                jobs.send(job).await?;
                store.put(job).send_and_forget().await?;
            }
            for task in [&function, &store.task()] {
                let before = read(&handled);
                let exit = task.remove().await;
                assert_eq!(exit.is_failure(), bad, "{exit}");
                assert_eq!(read(&handled) - before, expected);
            }
            assert!(store.put(1).await.is_err());
            stop(&parts).await;
            parts.join().await?;
        }
        Ok(())
    });
}

/// The first incarnation waits for its turn behind one that takes long to start.
#[test]
fn who_is_removed_before_its_first_start_handles_what_is_queued() {
    #[process]
    struct Slow {
        go: Receiver<()>,
    }
    #[handlers]
    impl Slow {
        #[on_start]
        async fn start(&mut self) {
            self.go.recv().await;
        }

        fn ping(&self) {}
    }
    on_workers(|scope| async move {
        let (parts, handled) = (scope.child("parts"), Count::default());
        let (go, gate) = bounded(1);
        let make = move || Slow { go: gate.clone() };
        let slow = parts.supervise(make).spawn();
        let (jobs, inbox) = bounded(8);
        let function = sink(inbox, Arc::clone(&handled));
        let function = parts.supervise(function).spawn();
        for job in 1..6 {
            jobs.send(job).await?;
        }
        let removed = function.remove();
        assert_eq!(read(&handled), 0);
        go.send(()).await?;
        assert!(removed.await.is_normal());
        assert_eq!(read(&handled), 5);
        slow.ping().await?;
        stop(&parts).await;
        parts.join().await
    });
}

/// When the stop begins the input is empty, and what is for it is still with a stage before.
#[test]
fn p33_a_stage_still_feeds_it() {
    on_workers(|scope| async move {
        for (capacity, inside) in [(0, false), (1, false), (8, false), (8, true)] {
            let (around, handled) = (scope.child("around"), Count::default());
            let (jobs, inbox) = bounded(16);
            let (out, middle) = channel(capacity);
            let parts = match inside {
                true => around.child("parts"),
                false => around.clone(),
            };
            parts
                .supervise(sink(middle, Arc::clone(&handled)))
                .backoff(LONG)
                .spawn();
            out.send(0).await?;
            paused(&scope, 1).await;
            around.spawn(stage(inbox, out));
            for job in 1..11 {
                jobs.send(job).await?;
            }
            stop(&around).await;
            assert_eq!(read(&handled), 10, "{capacity} {inside}");
            around.join().await?;
        }
        Ok(())
    });
}

/// Nobody else is left in the scope, but somebody waits for room.
#[test]
fn p33_who_waits_for_room() {
    on_workers(|scope| async move {
        let (parts, handled) = (scope.child("parts"), Count::default());
        let (jobs, inbox) = rendezvous();
        parts
            .supervise(sink(inbox, Arc::clone(&handled)))
            .backoff(LONG)
            .spawn();
        jobs.send(0).await?;
        paused(&scope, 1).await;
        parts.task("sender", async move {
            for job in 1..4 {
                jobs.send(job).await?;
            }
            roundrock::Ok(())
        });
        stop(&parts).await;
        assert_eq!(read(&handled), 3);
        parts.join().await
    });
}

/// A handler that still runs calls the child.
#[test]
fn p33_a_struct_still_calls_it() {
    on_workers(|scope| async move {
        let (parts, handled) = (scope.child("parts"), Count::default());
        let (_jobs, inbox) = bounded(1);
        let count = Arc::clone(&handled);
        let make = move || Store {
            handled: Arc::clone(&count),
            jobs: inbox.clone(),
        };
        let back = parts.supervise(make).backoff(LONG).spawn();
        assert_eq!(back.put(0).await, Err(CallError::Crashed));
        paused(&scope, 1).await;
        let front = parts.spawn(Front { back });
        for job in 1..6 {
            front.take(job).send_and_forget().await?;
        }
        stop(&parts).await;
        assert_eq!(read(&handled), 5);
        parts.join().await
    });
}

/// Two of a chain wait to be started again, and only the first one has messages.
#[test]
fn p33_who_is_started_again_feeds_the_next_one() {
    #[process]
    async fn poisoned(inbox: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
        while let Some(job) = inbox.recv().await {
            ensure!(job > 0, "a bad job");
            out.send(job).await?;
        }
        Ok(())
    }
    on_workers(|scope| async move {
        for steps in 0..20 {
            let parts = scope.child("parts").one_for_all();
            let handled = Count::default();
            let (jobs, inbox) = bounded(16);
            let (out, middle) = bounded(4);
            let first = poisoned(inbox, out);
            parts.supervise(first).backoff(LONG).spawn();
            let second = sink(middle, Arc::clone(&handled));
            parts.supervise(second).backoff(LONG).spawn();
            for job in 0..11 {
                jobs.send(job).await?;
            }
            // At any step of the restart.
            if steps == 19 {
                paused(&scope, 1).await;
            }
            while read(&handled) == 0
                && scope
                    .system()
                    .snapshot()
                    .children
                    .iter()
                    .all(|child| child.exits.is_empty())
            {
                yield_now().await;
            }
            for _ in 0..steps {
                yield_now().await;
            }
            stop(&parts).await;
            assert_eq!(read(&handled), 10, "{steps}");
            parts.join().await?;
        }
        Ok(())
    });
}

/// One that fails again and again is started once more for others that may feed it, but not if it is alone or has no input; and that
/// it fails as before is nothing new.
#[test]
fn who_fails_again_and_again_fails_no_stop() {
    #[process]
    async fn fails_alone(starts: &Count) -> Result<()> {
        add(starts);
        bail!("no connection")
    }
    #[process]
    struct Refuses {
        starts: Count,
    }
    #[handlers]
    impl Refuses {
        #[on_start]
        fn start(&mut self) -> Result<()> {
            add(&self.starts);
            bail!("no connection")
        }

        fn ping(&self) {}
    }
    on_workers(|scope| async move {
        for (others, kind) in (0..8).map(|n| (n % 2 == 1, n / 2)) {
            let (parts, starts) = (scope.child("parts"), Count::default());
            let (jobs, inbox) = bounded(8);
            let count = Arc::clone(&starts);
            // A function without inputs, one that is lent its input, one that a factory makes, and a struct with a handle.
            let mut refuses = None;
            match kind {
                0 => drop(parts.supervise(fails_alone(count)).backoff(LONG).spawn()),
                1 => drop(parts.supervise(fails(inbox, count)).backoff(LONG).spawn()),
                2 => {
                    let make = move || fails(inbox.clone(), Arc::clone(&count));
                    drop(parts.supervise(make).backoff(LONG).spawn());
                }
                _ => {
                    let make = move || Refuses {
                        starts: Arc::clone(&count),
                    };
                    refuses = Some(parts.supervise(make).backoff(LONG).spawn());
                }
            }
            paused(&scope, 1).await;
            if others {
                let (inner, starts) = (parts.clone(), Arc::clone(&starts));
                parts.task("other", async move {
                    inner.stopping().await;
                    while kind > 0 && read(&starts) < 2 {
                        sleep(millis(1)).await;
                    }
                    drop(jobs);
                });
            }
            stop(&parts).await;
            let again = usize::from(others && kind > 0);
            assert_eq!(read(&starts), 1 + again, "{others} {kind}");
            if let Some(refuses) = refuses {
                assert_eq!(refuses.ping().await, Err(CallError::Gone));
            }
            parts.join().await?;
        }
        Ok(())
    });
}

/// If it leaves what was accepted, its scope says so: what was there when the stop began, or what came since.
#[test]
fn p33_what_is_left_is_a_failure() {
    /// Takes one message, and fails when the next one is there.
    #[process]
    async fn takes_one(inbox: &Receiver<u32>, starts: &Count) -> Result<()> {
        add(starts);
        if inbox.recv().await.is_some_and(|job| job > 0) {
            while inbox.is_empty() {
                sleep(millis(1)).await;
            }
        }
        bail!("that is enough")
    }
    on_workers(|scope| async move {
        for late in [false, true] {
            let (parts, starts) = (scope.child("parts"), Count::default());
            let (jobs, inbox) = bounded(8);
            let (out, middle) = bounded(8);
            out.send(0).await?;
            let child = takes_one(middle, Arc::clone(&starts));
            parts.supervise(child).backoff(LONG).spawn();
            paused(&scope, 1).await;
            if late {
                parts.spawn(stage(inbox, out));
                jobs.send(1).await?;
                jobs.send(2).await?;
            } else {
                out.send(1).await?;
                out.send(2).await?;
            }
            stop(&parts).await;
            assert_eq!(read(&starts), 2);
            let failed = parts.join().await.expect_err("a job is left");
            assert!(failed.downcast_ref::<ScopeError>().is_some(), "{failed}");
        }
        Ok(())
    });
}
