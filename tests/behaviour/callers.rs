//! A handler that learns that its caller went away, and work that runs beside the handlers of a process. P15, P16, P24.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::prelude::*;
use roundrock::process::CallerGone;
use roundrock_tests::{LIMIT, Tally, Token, on_workers, until_asleep, yield_now};

#[derive(Default)]
#[process]
struct Service {
    given_up: usize,
    kept: Vec<CallerGone>,
    held: Vec<Reply<u32>>,
}

#[handlers]
impl Service {
    /// Works for an hour, or until nobody wants it.
    async fn work(&mut self, begun: Sender<()>, cx: &mut Cx) -> u32 {
        let _ = begun.send(()).await;
        select! {
            _ = sleep(secs(3600)) => 1,
            _ = cx.caller_gone() => {
                self.given_up += 1;
                2
            }
        }
    }
    /// As `work`, by awaiting it; with a typed context.
    async fn wait(&mut self, begun: Sender<()>, cx: &mut Cx<Self>) {
        let _ = begun.send(()).await;
        cx.caller_gone().await;
        self.given_up += 1;
    }
    fn given_up(&self) -> usize {
        self.given_up
    }
    /// Keeps the wait, and answers at once.
    fn keep(&mut self, cx: &mut Cx) {
        self.kept.push(cx.caller_gone());
    }
    /// Keeps the wait, and answers later.
    fn hold(&mut self, reply: Reply<u32>, cx: &mut Cx) {
        self.kept.push(cx.caller_gone());
        self.held.push(reply);
    }
    async fn kept(&mut self) -> Vec<bool> {
        let mut gone = Vec::new();
        for wait in &self.kept {
            gone.push(select! {
                _ = wait.clone() => true,
                default => false,
            });
        }
        gone
    }
    fn wanted(&self) -> usize {
        self.held.iter().filter(|reply| reply.is_wanted()).count()
    }
    fn answer(&mut self) {
        self.held.drain(..).for_each(|reply| reply.send(9));
    }
}

#[test]
fn handler_ends_early_when_its_call_is_dropped() {
    on_workers(|scope| async move {
        let service = scope.spawn(Service::default());
        let (begun, begins) = bounded(1);
        for round in 1..=2 {
            let call = service.work(begun.clone());
            let caller = scope.task("caller", {
                let call = call.owned();
                async move {
                    roundrock::Ok(select! {
                        answer = cancel_safe(call.into_future()) => answer.is_ok(),
                        _ = sleep(secs(7200)) => true,
                    })
                }
            });
            assert_eq!(begins.recv().await, Some(()));
            caller.kill();
            assert_eq!(service.given_up().await?, round);
        }
        let waits = service.wait(begun.clone()).within(millis(500)).await;
        assert_eq!(waits, Err(CallError::Deadline));
        assert_eq!(service.given_up().await?, 3);
        Ok(())
    });
}

#[test]
fn message_that_nobody_waits_for_has_no_caller_that_goes() {
    on_workers(|scope| async move {
        let service = scope.spawn(Service::default());
        service.keep().send().await?;
        service.keep().send_and_forget().await?;
        service.keep().try_send()?;
        assert_eq!(service.kept().await?, [false, false, false]);
        Ok(())
    });
}

#[test]
fn wait_for_a_caller_completes_when_it_has_its_answer() {
    on_workers(|scope| async move {
        let service = scope.spawn(Service::default());
        service.keep().await?;
        assert_eq!(service.kept().await?, [true]);
        let caller = scope.task("caller", {
            let service = service.clone();
            async move { roundrock::Ok(service.hold().await) }
        });
        while service.kept().await?.len() < 2 {
            yield_now().await;
        }
        assert_eq!(service.kept().await?, [true, false]);
        assert_eq!(service.wanted().await?, 1);
        service.answer().await?;
        assert_eq!(caller.await?, Ok(9));
        assert_eq!(service.kept().await?, [true, true]);
        Ok(())
    });
}

#[test]
fn wait_that_is_kept_wakes_another_process() {
    on_workers(|scope| async move {
        #[process]
        struct Watched {
            gone: Sender<CallerGone>,
            held: Vec<Reply<()>>,
        }
        #[handlers]
        impl Watched {
            async fn ask(&mut self, reply: Reply<()>, cx: &mut Cx) {
                self.held.push(reply);
                let _ = self.gone.send(cx.caller_gone()).await;
            }
            fn wanted(&self) -> usize {
                self.held.iter().filter(|reply| reply.is_wanted()).count()
            }
        }
        let (gone, waits) = bounded(1);
        let watched = scope.spawn(Watched {
            gone,
            held: Vec::new(),
        });
        let caller = scope.task("caller", {
            let watched = watched.clone();
            async move { roundrock::Ok(watched.ask().await) }
        });
        let wait = waits.recv().await.context("asked")?;
        let watchers: Vec<_> = (0..3)
            .map(|_| scope.task("watcher", wait.clone()))
            .collect();
        // One that gives up leaves the others waiting.
        watchers[1].kill();
        assert_eq!(watched.wanted().await?, 1);
        caller.kill();
        wait.await;
        for (at, watcher) in watchers.into_iter().enumerate() {
            assert_eq!(watcher.done().await.is_normal(), at != 1);
        }
        assert_eq!(watched.wanted().await?, 0);
        Ok(())
    });
}

#[test]
fn tick_and_hook_have_no_caller() {
    on_workers(|scope| async move {
        #[process]
        struct Ticking {
            gone: Sender<bool>,
        }
        #[handlers]
        impl Ticking {
            fn ask(&mut self, _cx: &mut Cx) {}
            #[every("1ms")]
            async fn tick(&mut self, cx: &mut Cx) {
                let gone = select! {
                    _ = cx.caller_gone() => true,
                    default => false,
                };
                if self.gone.try_send(gone).is_ok() {
                    cx.stop();
                }
            }
            #[on_stop]
            async fn end(&mut self, cx: &mut Cx) {
                let gone = select! {
                    _ = cx.caller_gone() => true,
                    default => false,
                };
                let _ = self.gone.send(gone).await;
            }
        }
        let (gone, seen) = bounded(1);
        let ticking = scope.spawn(Ticking { gone });
        // The caller of this one is gone when the tick comes.
        ticking.ask().await?;
        assert_eq!(seen.recv().await, Some(false));
        assert_eq!(seen.recv().await, Some(false));
        assert!(ticking.done().await.is_normal());
        Ok(())
    });
}

/// Waits for others without holding up its callers.
#[process]
struct Store {
    seen: Vec<u32>,
    tokens: Vec<Token>,
}

impl Store {
    fn new() -> Self {
        Self {
            seen: Vec::new(),
            tokens: Vec::new(),
        }
    }
}

#[handlers]
impl Store {
    /// Answers with what comes out of the channel.
    fn take(&mut self, from: Receiver<u32>, reply: Reply<u32>, cx: &mut Cx<Self>) {
        cx.spawn_then(async move { from.recv().await }, move |store, got| {
            let got = got.unwrap_or_default();
            store.seen.push(got);
            reply.send(got);
        });
    }
    /// Keeps a token in the future, and one in what is done then.
    fn keep(&mut self, from: Receiver<u32>, one: Token, two: Token, cx: &mut Cx<Self>) {
        let work = async move {
            let _ = from.recv().await;
            one
        };
        cx.spawn_then(work, move |store, one| store.tokens.extend([one, two]));
    }
    /// Answers after a while.
    fn later(&mut self, answer: u32, reply: Reply<u32>, cx: &mut Cx<Self>) {
        let work = async move {
            sleep(millis(20)).await;
            answer
        };
        cx.spawn_then(work, move |store, answer| {
            store.seen.push(answer);
            reply.send(answer);
        });
    }
    /// Takes nothing else until the scope stops.
    async fn stall(&mut self, begun: Sender<()>, cx: &mut Cx) {
        let _ = begun.send(()).await;
        cx.scope().stopping().await;
    }
    fn breaks(&mut self, cx: &mut Cx<Self>) {
        cx.spawn_then(async { panic!("as asked") }, |_, ()| ());
    }
    fn seen(&self) -> Vec<u32> {
        self.seen.clone()
    }
    fn tokens(&self) -> usize {
        self.tokens.len()
    }
    fn end(&mut self, cx: &mut Cx) {
        cx.stop();
    }
}

#[test]
fn work_beside_the_handlers_comes_back_in_the_order_in_which_it_ends() {
    on_workers(|scope| async move {
        let store = scope.spawn(Store::new());
        let ways: Vec<_> = (0..3).map(|_| bounded(1)).collect();
        let takers: Vec<_> = ways
            .iter()
            .map(|(_, from)| {
                let call = store.take(from.clone()).owned();
                scope.task("taker", async move { roundrock::Ok(call.await) })
            })
            .collect();
        // Handlers run meanwhile.
        assert!(store.seen().await?.is_empty());
        for (at, value) in [(2, 20), (0, 30), (1, 40)] {
            ways[at].0.send(value).await?;
            while store.seen().await?.last() != Some(&value) {
                yield_now().await;
            }
        }
        assert_eq!(store.seen().await?, [20, 30, 40]);
        for (taker, value) in takers.into_iter().zip([30, 40, 20]) {
            assert_eq!(taker.await?, Ok(value));
        }
        Ok(())
    });
}

#[test]
fn process_ends_after_the_work_beside_it() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        let (go, from) = bounded(1);
        let store = scope.spawn(Store::new());
        let weak = store.downgrade();
        let done = store.done();
        store.keep(from, tally.token(1), tally.token(2)).await?;
        drop(store);
        assert!(weak.upgrade().is_none());
        yield_now().await;
        assert_eq!(tally.live(), 2, "it is not over before its work");
        go.send(1).await?;
        assert!(done.await.is_normal());
        tally.assert_balanced();
        Ok(())
    });
}

#[test]
fn panic_beside_the_handlers_fails_the_process_once() {
    on_workers(|scope| async move {
        let group = scope.child("group");
        let store = group.spawn(Store::new());
        let _ = store.breaks().await;
        let exit = store.done().await;
        let text = exit.to_string();
        assert!(exit.is_failure() && text.contains("callers.rs"), "{text}");
        let failure = group.join().await.expect_err("the process failed");
        let text = format!("{failure:#}");
        assert!(text.contains("as asked"), "{text}");
        assert_eq!(text.matches("as asked").count(), 1, "{text}");
        Ok(())
    });
}

#[test]
fn p15_work_beside_the_handlers_ends_with_its_process() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        for (round, how) in ["stop", "kill", "fail"].into_iter().enumerate() {
            let group = scope.child("group");
            let store = group.spawn_isolated(Store::new());
            let (_go, from) = bounded(1);
            store
                .keep(from.clone(), tally.token(0), tally.token(0))
                .await?;
            let answer = scope.task("taker", {
                let call = store.take(from).owned();
                async move { roundrock::Ok(call.await) }
            });
            while group.alive() < 3 {
                yield_now().await;
            }
            match how {
                "stop" => store.end().await?,
                "kill" => store.kill(),
                _ => store.breaks().await?,
            }
            store.done().await;
            // What it owned tells its caller.
            assert!(answer.await?.is_err(), "{how}");
            group.join().await?;
            assert_eq!(tally.live(), 0, "{how}");
            assert_eq!(tally.dropped().len(), 2 * (round + 1), "{how}");
        }
        Ok(())
    });
}

#[test]
fn p33_stop_drains_the_work_beside_a_process() {
    on_workers(|scope| async move {
        let group = scope.child("group");
        let store = group.spawn(Store::new());
        let taker = scope.task("taker", {
            let call = store.later(5).owned();
            async move { roundrock::Ok(call.await) }
        });
        // Only work that has begun is drained, and it counts as alive before.
        until_asleep(&scope, "spawn_then").await;
        let report = group.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(taker.await?, Ok(5));
        assert!(store.seen().await.is_err());
        Ok(())
    });
}

/// What was accepted before a stop is done, also if it begins after that.
#[test]
fn p33_work_that_begins_after_the_stop_is_done() {
    on_workers(|scope| async move {
        let group = scope.child("group");
        let store = group.spawn(Store::new());
        let (taken, takes) = bounded(1);
        store.stall(taken).send().await?;
        assert_eq!(takes.recv().await, Some(()));
        let taker = scope.task("taker", {
            let call = store.later(5).owned();
            async move { roundrock::Ok(call.await) }
        });
        // It is in the queue when the stop begins, and handled afterwards.
        while scope
            .system()
            .snapshot()
            .channels
            .iter()
            .all(|channel| channel.len == 0)
        {
            yield_now().await;
        }
        let report = group.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(taker.await?, Ok(5));
        Ok(())
    });
}

#[test]
fn work_of_an_incarnation_does_not_reach_the_next_one() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        let store = scope
            .supervise(Store::new)
            .backoff(micros(1)..micros(2))
            .spawn();
        let (go, from) = bounded(2);
        store
            .keep(from.clone(), tally.token(1), tally.token(2))
            .await?;
        let (first, ended) = (store.id(), store.done());
        store.kill();
        ended.await;
        assert!(store.seen().await?.is_empty());
        assert_ne!(store.id(), first);
        assert_eq!(tally.live(), 0, "nothing of the last incarnation is left");
        go.send(1).await?;
        store.keep(from, tally.token(3), tally.token(4)).await?;
        while store.tokens().await? < 2 {
            yield_now().await;
        }
        store.stop();
        store.closed().await;
        assert_eq!(tally.live(), 0);
        Ok(())
    });
}

#[test]
fn process_with_ticks_and_inputs_settles_its_work() {
    on_workers(|scope| async move {
        #[process]
        struct Busy {
            jobs: Receiver<u32>,
            sums: Sender<u32>,
            ticks: Arc<AtomicUsize>,
            sum: u32,
        }
        #[handlers]
        impl Busy {
            #[recv(jobs)]
            fn job(&mut self, job: u32, cx: &mut Cx<Self>) {
                let sums = self.sums.clone();
                cx.spawn_then(async move { job * 10 }, move |busy, out| {
                    busy.sum += out;
                    let _ = sums.try_send(busy.sum);
                });
            }
            #[every("1ms")]
            fn tick(&mut self, cx: &mut Cx<Self>) {
                let ticks = Arc::clone(&self.ticks);
                cx.spawn_then(async {}, move |_, ()| {
                    ticks.fetch_add(1, Ordering::SeqCst);
                });
            }
        }
        let ticks = Arc::new(AtomicUsize::new(0));
        let (jobs_in, jobs) = bounded(4);
        let (sums, seen) = bounded(64);
        let group = scope.child("group");
        let _busy = group.spawn(Busy {
            jobs,
            sums,
            ticks: Arc::clone(&ticks),
            sum: 0,
        });
        for n in 1..=4 {
            jobs_in.send(n).await?;
        }
        let mut last = 0;
        while last < 100 {
            last = seen.recv().await.context("sums")?;
        }
        assert_eq!(last, 100);
        while ticks.load(Ordering::SeqCst) == 0 {
            sleep(millis(1)).await;
        }
        let report = group.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        Ok(())
    });
}

#[test]
fn process_that_blocks_settles_its_work() {
    on_workers(|scope| async move {
        #[process(blocking)]
        struct Slow {
            sum: u32,
        }
        #[handlers]
        impl Slow {
            fn add(&mut self, by: u32, cx: &mut Cx<Self>) {
                cx.spawn_then(async move { by }, |slow, by| slow.sum += by);
            }
            fn sum(&self) -> u32 {
                self.sum
            }
        }
        let slow = scope.spawn(Slow { sum: 0 });
        for n in 1..=3 {
            slow.add(n).await?;
        }
        while slow.sum().await? < 6 {
            yield_now().await;
        }
        Ok(())
    });
}
