//! Pools of struct processes: stopping and killing them by their handle; limits of calls; calls in circles. P15, P24, P35, P38, P39.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use roundrock::leaks::Leak;
use roundrock::prelude::*;
use roundrock::time::Duration;
use roundrock_tests::{on_both, on_workers, times, yield_now};

#[process]
#[derive(Clone)]
struct Worker {
    done: Sender<u32>,
}

#[handlers]
impl Worker {
    async fn work(&mut self, n: u32) -> Result<()> {
        self.done.send(n).await?;
        Ok(())
    }
    async fn nap(&self, time: Duration) -> u32 {
        sleep(time).await;
        7
    }
}

/// A stopped pool handles what is queued, and ends with all its workers.
#[test]
fn p15_a_pool_that_is_stopped_drains_and_ends() {
    on_workers(|scope| async move {
        for shared in [true, false] {
            let (done, seen) = bounded(64);
            let pool = match shared {
                true => scope.pool(3, Worker { done }),
                false => scope.pool(3, Worker { done }.round_robin()),
            };
            for n in 0..6 {
                pool.work(n).send_and_forget().await?;
            }
            pool.stop();
            assert_eq!(pool.closed().await.kind(), "ok");
            assert!(pool.work(9).await.is_err());
            let mut got = seen.recv_many(64).await;
            got.sort_unstable();
            assert_eq!(got, [0, 1, 2, 3, 4, 5]);
            // The workers are gone, with the senders that they held.
            assert_eq!(seen.recv().await, None);
        }
        Ok(())
    });
}

/// A killed pool takes its workers with it.
#[test]
fn p15_a_pool_that_is_killed_takes_its_workers_along() {
    on_workers(|scope| async move {
        let (done, seen) = bounded(1);
        let pool = scope.pool(3, Worker { done });
        let asleep = pool.nap(secs(1000)).owned();
        let caller = scope.task(
            "caller",
            async move { roundrock::Ok(asleep.await.is_err()) },
        );
        pool.kill();
        assert_eq!(pool.closed().await.kind(), "killed");
        assert_eq!(seen.recv().await, None);
        assert!(caller.await?);
        Ok(())
    });
}

/// A call, and the body of a group, have the time that the scope gives them.
#[test]
fn p24_a_deadline_reaches_the_calls_of_a_group() {
    on_both(2, |scope| async move {
        let (done, _seen) = bounded(1);
        let worker = scope.spawn(Worker { done });
        let inner = worker.clone();
        let late = scope
            .within(millis(5))
            .group(async move |_| Ok(inner.nap(secs(1000)).await?))
            .await;
        assert!(late.is_err());
        worker.kill();
        Ok(())
    });
}

/// `timeout` takes whatever can be awaited.
#[test]
fn p24_a_timeout_takes_calls_and_tasks() {
    on_both(2, |scope| async move {
        let (done, _seen) = bounded(1);
        let worker = scope.spawn(Worker { done });
        assert_eq!(timeout(secs(8), worker.nap(Duration::ZERO)).await??, 7);
        let task = scope.task("seven", async { roundrock::Ok(7) });
        assert_eq!(timeout(secs(8), task).await??, 7);
        assert!(timeout(millis(5), worker.nap(secs(1000))).await.is_err());
        worker.kill();
        Ok(())
    });
}

/// P35: a process cannot wait for the end of its own system: that is an error, at once.
#[test]
fn p35_a_system_within_a_process_is_refused() {
    on_workers(|scope| async move {
        let group = scope.child("group");
        let nested = group.task("nested", async {
            System::builder().workers(1).run(async |_| Ok(()))
        });
        let exit = nested.done().await;
        let text = exit.to_string();
        assert_eq!(exit.kind(), "panicked");
        for part in [
            "`System::builder().run(..)` on a worker",
            "`scope.child(\"name\")`, or `scope.group(..)`",
        ] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains(".await"), "{text}");
        Ok(())
    });
}

/// The panic of a `select!` that can never end names the place where it is written.
#[test]
fn p21_a_select_that_cannot_end_says_where() {
    on_both(1, |scope| async move {
        let group = scope.child("group");
        let (closed, inbox) = bounded::<u32>(1);
        drop(closed);
        let line = line!() + 2;
        let lost = group.task("lost", async move {
            roundrock::Ok(select! {
                n = inbox.recv() => n,
            })
        });
        let text = format!("{}", lost.await.unwrap_err());
        assert!(text.contains(&format!("pools.rs:{line}")), "{text}");
        Ok(())
    });
}

#[process]
struct Front {
    pool: Option<BackHandle>,
}

#[handlers]
impl Front {
    fn meet(&mut self, pool: BackHandle) {
        self.pool = Some(pool);
    }
    async fn ask(&mut self) -> Result<u32> {
        let pool = self.pool.clone().context("it has met the pool")?;
        Ok(pool.back().await?)
    }
    async fn ask_quickly(&mut self) -> Result<u32> {
        let pool = self.pool.clone().context("it has met the pool")?;
        Ok(pool.quick().await?)
    }
    fn number(&self) -> u32 {
        7
    }
}

#[process]
#[derive(Clone)]
struct Back {
    front: FrontHandle,
}

#[handlers]
impl Back {
    async fn back(&self) -> Result<u32> {
        Ok(self.front.number().await?)
    }
    fn quick(&self) -> u32 {
        1
    }
}

/// Who called a pool waits for the worker that has the call, and not for those that have nothing to do: so a worker that calls back is
/// proven to wait for itself. P39.
#[test]
fn p39_a_worker_of_a_pool_that_calls_back() {
    on_both(2, async |scope| {
        let program = scope.child("program");
        let front = program.spawn(Front { pool: None });
        let pool = program.pool(
            3,
            Back {
                front: front.clone(),
            },
        );
        front.meet(pool.clone()).await?;
        let client = front.clone();
        let client = program.task("client", async move { client.ask().await });
        let system = scope.system();
        let leak = loop {
            sleep(millis(1)).await;
            let leaks = system.leaks();
            // The pool may park after the others.
            let is_whole = |leak: &Leak| leak.is_proven() && leak.behind >= 2;
            if let Some(leak) = leaks.into_iter().find(is_whole) {
                break leak;
            }
        };
        let mut names = leak.names();
        names.sort_unstable();
        assert_eq!(names, ["Back", "Front"], "{leak}");
        assert_eq!(leak.behind, 2, "the client, and the pool\n{leak}");
        let front_waits = leak.processes.iter().find(|one| one.name == "Front");
        let holders = front_waits.map(|one| one.waits[0].holders.len());
        assert_eq!(
            holders,
            Some(1),
            "only the worker that has the call\n{leak}"
        );
        program.stop(Duration::ZERO).await;
        assert!(client.await.is_err());
        Ok(())
    });
}

/// The same in appearance: one worker waits for the front, which waits for another worker. Nobody is ever accused.
#[test]
fn p38_a_worker_that_calls_back_while_another_one_answers() {
    // One worker more, for who searches.
    on_both(3, async |scope| {
        let program = scope.child("program");
        let front = program.spawn(Front { pool: None });
        let pool = program.pool(
            3,
            Back {
                front: front.clone(),
            },
        );
        front.meet(pool.clone()).await?;
        let (system, over) = (scope.system(), Arc::new(AtomicBool::new(false)));
        let searcher = scope.task("searches", {
            let over = Arc::clone(&over);
            async move {
                while !over.load(Ordering::SeqCst) {
                    let leaks = system.leaks();
                    let proven = leaks.iter().find(|leak| leak.is_proven());
                    assert!(proven.is_none(), "{}", leaks[0]);
                    yield_now().await;
                }
            }
        });
        let rounds = times(500, 1);
        let mut callers = Vec::new();
        for _ in 0..2 {
            let (asks, backs) = (front.clone(), pool.clone());
            callers.push(program.task("asks", async move {
                for _ in 0..rounds {
                    asks.ask_quickly().await?;
                }
                roundrock::Ok(())
            }));
            callers.push(program.task("backs", async move {
                for _ in 0..rounds {
                    backs.back().await?;
                }
                roundrock::Ok(())
            }));
        }
        for caller in callers {
            caller.await?;
        }
        over.store(true, Ordering::SeqCst);
        searcher.await?;
        program.stop(Duration::ZERO).await;
        Ok(())
    });
}

/// The task of a pool of functions leads to all of them: told to stop they drain, removed they end, killed they are gone.
#[test]
fn a_pool_of_functions_is_stopped_and_killed() {
    #[process]
    async fn works(jobs: &Receiver<u32>, done: &Sender<u32>) -> Result<()> {
        while let Some(job) = jobs.recv().await {
            done.send(job).await?;
        }
        Ok(())
    }

    on_workers(|scope| async move {
        let (jobs, inbox) = bounded(8);
        let (done, results) = bounded(8);
        let pool = scope.pool(2, works(inbox, done));
        for job in 0..4 {
            jobs.send(job).await?;
        }
        pool.stop();
        assert!(pool.done().await.is_normal());
        assert!(jobs.send(4).await.is_err(), "nobody receives");
        let mut drained = Vec::new();
        while let Some(job) = results.recv().await {
            drained.push(job);
        }
        drained.sort_unstable();
        assert_eq!(drained, [0, 1, 2, 3]);

        let (jobs, inbox) = bounded::<u32>(8);
        let (done, _results) = bounded(8);
        scope.pool(2, works(inbox, done)).remove().await;
        assert!(jobs.try_send(0).is_err(), "nobody receives");

        let (jobs, inbox) = bounded(8);
        let (done, _results) = bounded(8);
        let pool = scope.pool(2, works(inbox, done));
        jobs.send(1).await?;
        // Also if it was told to stop before, which has all the time that there is; the room keeps it from ending.
        let _room = jobs.ready().await?;
        pool.stop();
        pool.kill();
        assert_eq!(pool.done().await.kind(), "killed");
        while !jobs.is_closed() {
            yield_now().await;
        }
        Ok(())
    });
}

/// Ends, or says who it is.
#[process]
#[derive(Clone)]
struct Mortal;

#[handlers]
impl Mortal {
    fn end(&mut self, cx: &mut Cx, #[key] _key: u64) {
        cx.stop();
    }
    fn of_key(&mut self, #[key] key: u64) -> u64 {
        key
    }
    fn put(&mut self, #[key] _key: u64) {}
    fn of_any(&mut self) {}
}

/// A worker that ends takes the messages of its keys along, and nothing else.
#[test]
fn a_worker_that_has_ended_does_not_end_its_pool() {
    on_workers(|scope| async move {
        for by_key in [true, false] {
            let pool = match by_key {
                true => scope.pool(4, Mortal.by_key()),
                false => scope.pool(4, Mortal.round_robin()),
            };
            let _ = pool.end(1).await;
            let mut answered = 0;
            for key in 0..64 {
                answered += u32::from(pool.of_key(key).await == Ok(key));
                assert!(pool.of_any().await.is_ok(), "any worker will do: {by_key}");
            }
            match by_key {
                true => assert!((1..64).contains(&answered), "{answered}"),
                false => assert_eq!(answered, 64),
            }
            for _ in 0..64 {
                let _ = pool.end(1).await;
            }
            if !by_key {
                assert!(pool.of_any().await.is_err(), "all have ended");
                assert_eq!(pool.closed().await.kind(), "ok");
            }
            pool.stop();
        }
        Ok(())
    });
}

/// A pool ends with its last worker, whatever its policy is, also if no message comes any more. What was queued is dead. P4, P15.
#[test]
fn p15_a_pool_ends_with_its_last_worker() {
    on_workers(|scope| async move {
        let dead = || scope.system().snapshot().ledger.dead.total();
        for (policy, queued) in (0..6).map(|n| (n % 3, n >= 3)) {
            let pool = match policy {
                0 => scope.pool(2, Mortal.least_loaded()),
                1 => scope.pool(2, Mortal.round_robin()),
                _ => scope.pool(2, Mortal.by_key()),
            };
            let before = dead();
            for key in 0..64 {
                if queued {
                    // Those behind the last worker's end are nobody's.
                    let _ = pool.end(key).try_send();
                    let _ = pool.put(key).try_send();
                } else {
                    let _ = pool.end(key).await;
                }
            }
            if queued {
                // With keys for both, however full the mailbox was.
                for key in 0..64 {
                    let _ = pool.end(key).await;
                }
            }
            assert_eq!(pool.done().await.kind(), "ok", "{policy}");
            assert_eq!(pool.closed().await.kind(), "ok");
            assert_eq!(pool.of_key(1).await, Err(CallError::Gone));
            drop(pool);
            while scope.system().ledger().queued > 0 {
                yield_now().await;
            }
            assert!(!queued || dead() > before);
        }
        Ok(())
    });
}

/// P4: what a routed pool has accepted, and no worker gets, is dead, and not forgotten: when the last worker has ended, and when the pool
/// is killed while the next one has no room.
#[test]
fn p04_what_a_routed_pool_cannot_pass_on_is_dead() {
    on_workers(|scope| async move {
        let dead = || scope.system().snapshot().ledger.dead.total();
        let pool = scope.pool(1, Mortal.round_robin());
        pool.end(1).send().await?;
        let mut accepted = 0;
        while pool.of_any().send().await.is_ok() {
            accepted += 1;
        }
        assert_eq!(pool.closed().await.kind(), "ok");
        // And the one that was refused, which nobody has taken back.
        accepted += 1;
        assert_eq!(dead(), accepted);
        let (_free, release) = rendezvous();
        let pool = scope.pool(1, Slow { release }.by_key());
        let (mut refused, mut held) = (0, 0);
        while refused < 100 {
            match pool.busy(1).try_send() {
                Ok(_) => held += 1,
                Err(_) => {
                    refused += 1;
                    yield_now().await;
                }
            }
        }
        pool.kill();
        assert_eq!(pool.closed().await.kind(), "killed");
        // The one that was being handled is dead as well. Hangs if one is forgotten.
        while dead() != accepted + held {
            yield_now().await;
        }
        Ok(())
    });
}

#[process]
#[derive(Clone)]
struct Slow {
    release: Receiver<()>,
}

#[handlers]
impl Slow {
    async fn busy(&mut self, #[key] _key: u64) {
        let _ = self.release.recv().await;
    }
}

/// P28: a pool of which workers were cut off by the end of a grace has not ended well.
#[test]
fn p28_a_pool_that_is_cut_off_was_killed() {
    #[process]
    async fn eats(inbox: &Receiver<u32>) {
        while inbox.recv().await.is_some() {
            sleep(millis(20)).await;
        }
    }

    #[process]
    #[derive(Clone)]
    struct Eats;

    #[handlers]
    impl Eats {
        async fn eat(&mut self) {
            sleep(millis(20)).await;
        }
    }

    on_workers(|scope| async move {
        for grace in [millis(0), millis(30)] {
            let (out, inbox) = bounded(60);
            let kitchen = scope.child("kitchen");
            let functions = kitchen.pool(2, eats(inbox));
            let structs = kitchen.pool(2, Eats);
            for n in 0..60 {
                out.send(n).await?;
                structs.eat().send_and_forget().await?;
            }
            let report = kitchen.stop(grace).await;
            assert!(!report.is_clean(), "{report}");
            for exit in [functions.done().await, structs.done().await] {
                assert_eq!(exit.kind(), "killed", "{grace:?}");
            }
        }
        Ok(())
    });
}
