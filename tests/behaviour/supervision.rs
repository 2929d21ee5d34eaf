//! Supervision: who is started again, with whom, in which order, how often. Cases R01 to R08; P26 to P29, P32.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use roundrock::prelude::*;
use roundrock::supervise::{GaveUp, Restart};
use roundrock::time::{Instant, now};
use roundrock_tests::{fails_on_workers, on, on_both, on_workers, yield_now};

/// What happened, in order.
#[derive(Debug, Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    pub(crate) fn note(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// A child that notes its starts and stops, and ends in any way it is asked to.
#[process]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) log: Log,
}

#[handlers]
impl Part {
    #[on_start]
    async fn start(&mut self) -> Result<()> {
        // Another child could overtake this one here.
        yield_now().await;
        self.log.note(format!("+{}", self.name));
        Ok(())
    }

    #[on_stop]
    async fn stop(&mut self) {
        yield_now().await;
        self.log.note(format!("-{}", self.name));
    }

    pub(crate) fn incarnation(&self, cx: &mut Cx) -> u32 {
        cx.incarnation()
    }

    fn end(&mut self, how: &'static str, cx: &mut Cx) {
        match how {
            "ok" => cx.stop(),
            "failed" => cx.fail(roundrock::Fault::error("the reason")),
            "panicked" => panic!("the reason"),
            _ => unreachable!(),
        }
    }
}

pub(crate) fn add(scope: &Scope, name: &'static str, log: &Log, restart: Restart) -> PartHandle {
    let log = log.clone();
    let part = move || Part {
        name,
        log: log.clone(),
    };
    scope
        .supervise(part)
        .restart(restart)
        .backoff(millis(0)..millis(0))
        .spawn()
}

/// Ends a child and waits until that incarnation has ended.
pub(crate) async fn end(part: &PartHandle, how: &'static str) {
    part.incarnation().await.expect("it has started");
    let done = part.done();
    match how {
        "killed" => part.kill(),
        "stopped" => part.stop(),
        how => drop(part.end(how).send().await),
    }
    done.await;
}

/// P28: which ends are followed by a restart. Cases R01, R02, R03.
#[test]
fn p28_restart_by_kind_and_by_exit() {
    for how in ["ok", "stopped", "failed", "panicked", "killed"] {
        on_workers(move |scope| async move {
            let scope = scope.child("parts");
            let log = Log::default();
            let normal = how == "ok" || how == "stopped";
            for restart in [Restart::Permanent, Restart::Transient, Restart::Temporary] {
                let part = add(&scope, "x", &log, restart);
                end(&part, how).await;
                let again = match restart {
                    Restart::Permanent => true,
                    Restart::Transient => !normal,
                    _ => false,
                };
                if again {
                    assert_eq!(part.incarnation().await, Ok(1), "{restart:?} {how}");
                    assert!(part.task().exit().is_none());
                    let exit = part.task().remove().await;
                    assert!(exit.is_normal(), "{exit:?}");
                }
                let exit = part.closed().await;
                assert_eq!(part.incarnation().await, Err(CallError::Gone));
                assert_eq!(exit.is_normal(), again || normal, "{restart:?} {how}");
                assert_eq!(part.closed().await.kind(), exit.kind());
                assert_eq!(
                    part.task().exit().map(|exit| exit.kind()),
                    Some(exit.kind())
                );
            }
            assert!(!scope.is_stopping());
            scope.join().await
        });
    }
}

#[process]
struct Ticker {
    starts: Sender<&'static str>,
}

#[handlers]
impl Ticker {
    #[on_start]
    async fn start(&mut self) {
        self.starts.send("ticker").await.ok();
    }
    #[every("1ms")]
    fn tick(&mut self, cx: &mut Cx) {
        if cx.incarnation() < 3 {
            cx.stop();
        }
    }
    fn ping(&self) {}
}

#[process]
struct Reader {
    starts: Sender<&'static str>,
    input: Receiver<u32>,
}

#[handlers]
impl Reader {
    #[on_start]
    async fn start(&mut self) {
        self.starts.send("reader").await.ok();
    }
    #[recv(input)]
    fn read(&mut self, _: u32, cx: &mut Cx) {
        cx.stop();
    }
    fn ping(&self) {}
}

/// P28: what works without a handle is started again without one, and what only its handle kept is not.
#[test]
fn p28_who_needs_no_handle_is_restarted_without_one() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(100, secs(60));
        let (starts, started) = bounded(1);
        let told = starts.clone();
        let ticker = parts
            .supervise(move || Ticker {
                starts: told.clone(),
            })
            .permanent()
            .backoff(millis(0)..millis(0))
            .spawn();
        let task = ticker.task();
        drop(ticker);
        for _ in 0..=3 {
            assert_eq!(started.recv().await, Some("ticker"));
        }
        assert!(task.remove().await.is_normal());
        let (feed, input) = bounded(1);
        let reader = parts
            .supervise(move || Reader {
                starts: starts.clone(),
                input: input.clone(),
            })
            .permanent()
            .backoff(millis(0)..millis(0))
            .spawn();
        let done = reader.closed();
        drop(reader);
        for n in 0..3 {
            assert_eq!(started.recv().await, Some("reader"));
            feed.send(n).await?;
        }
        assert_eq!(started.recv().await, Some("reader"));
        // Now nobody can reach it any more.
        feed.finish();
        assert!(done.await.is_normal());
        parts.join().await
    });
}

/// P26: children start in the order in which they were added, each after `on_start` of the one before, and stop in reverse.
#[test]
fn p26_ordered_start_and_reverse_stop() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let log = Log::default();
        let handles = ["1", "2", "3", "4"].map(|name| add(&parts, name, &log, Restart::Permanent));
        handles[3].incarnation().await?;
        assert_eq!(log.take(), ["+1", "+2", "+3", "+4"]);
        let report = parts.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(log.take(), ["-4", "-3", "-2", "-1"]);
        for handle in handles {
            assert!(handle.closed().await.is_normal());
        }
        Ok(())
    });
}

#[process]
async fn listens(name: &&'static str, log: &Log, scope: &Scope) {
    log.note(format!("+{name}"));
    scope.stopping().await;
    // What lies in its own scope stops with it, not before.
    assert!(scope.is_stopping());
    yield_now().await;
    log.note(format!("-{name}"));
}

#[process]
async fn listens_outside(name: &&'static str, log: &Log, scope: Scope) {
    log.note(format!("+{name}"));
    scope.stopping().await;
    yield_now().await;
    log.note(format!("-{name}"));
}

/// P26: functions that wait for the stop of their scope learn of it in reverse order too.
#[test]
fn p26_functions_stop_in_reverse() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let log = Log::default();
        for name in ["1", "3", "5"] {
            let _ = parts.supervise(listens(name, log.clone())).spawn();
            let (outer, log) = (parts.clone(), log.clone());
            let name = if name == "1" { "2" } else { "4" };
            let _ = parts
                .supervise(move || listens_outside(name, log.clone(), outer.clone()))
                .spawn();
        }
        let last = add(&parts, "last", &log, Restart::Transient);
        last.incarnation().await?;
        assert_eq!(log.take().len(), 7);
        let report = parts.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(log.take(), ["-last", "-4", "-5", "-4", "-3", "-2", "-1"]);
        Ok(())
    });
}

/// A later stage that an earlier one feeds is not stopped before it: nothing that was accepted is lost.
#[test]
fn p33_supervised_stages_drain() {
    #[process]
    async fn pass(from: &Receiver<u32>, to: &Sender<u32>) -> Result<()> {
        while let Some(n) = from.recv().await {
            yield_now().await;
            to.send(n).await?;
        }
        Ok(())
    }
    on_workers(|scope| async move {
        let stages = scope.child("stages");
        let (first, one) = bounded(16);
        let (second, two) = bounded(1);
        let (third, results) = bounded(16);
        let _ = stages.supervise(pass(one, second)).spawn();
        let _ = stages.supervise(pass(two, third)).spawn();
        for n in 0..10 {
            first.send(n).await?;
        }
        let report = stages.stop(secs(5)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(results.recv_many(16).await.len(), 10);
        assert!(first.send(10).await.is_err());
        Ok(())
    });
}

/// P29: one_for_one restarts nobody else. Case R04.
#[test]
fn p29_one_for_one() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").one_for_one();
        let log = Log::default();
        let [a, b, c] = ["1", "2", "3"].map(|name| add(&parts, name, &log, Restart::Transient));
        c.incarnation().await?;
        let ids = [a.id(), b.id(), c.id()];
        end(&b, "killed").await;
        assert_eq!(b.incarnation().await, Ok(1));
        assert!(a.id() == ids[0] && b.id() != ids[1] && c.id() == ids[2]);
        assert_eq!(log.take(), ["+1", "+2", "+3", "+2"]);
        parts.stop(secs(5)).await;
        Ok(())
    });
}

/// P29: one_for_all stops the others in reverse and starts all in order. Case R05.
#[test]
fn p29_one_for_all() {
    on_workers(|scope| async move {
        for how in ["killed", "panicked", "failed"] {
            let parts = scope.child("parts").one_for_all();
            let log = Log::default();
            let [a, b, c] = ["1", "2", "3"].map(|name| add(&parts, name, &log, Restart::Transient));
            c.incarnation().await?;
            let ids = [a.id(), b.id(), c.id()];
            let done = [a.done(), b.done(), c.done()];
            end(&b, how).await;
            for done in done {
                done.await;
            }
            assert_eq!(c.incarnation().await, Ok(1));
            assert!(a.id() != ids[0] && b.id() != ids[1] && c.id() != ids[2]);
            assert_eq!(
                log.take(),
                ["+1", "+2", "+3", "-3", "-1", "+1", "+2", "+3"],
                "{how}"
            );
            parts.stop(secs(5)).await;
        }
        Ok(())
    });
}

/// P29: rest_for_one touches only those that were added later. Case R06.
#[test]
fn p29_rest_for_one() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").rest_for_one();
        let log = Log::default();
        let [a, b, c, d] =
            ["1", "2", "3", "4"].map(|name| add(&parts, name, &log, Restart::Transient));
        d.incarnation().await?;
        let done = [c.done(), d.done()];
        end(&b, "panicked").await;
        for done in done {
            done.await;
        }
        assert_eq!(d.incarnation().await, Ok(1));
        assert_eq!(
            (a.incarnation().await, c.incarnation().await),
            (Ok(0), Ok(1))
        );
        assert_eq!(
            log.take(),
            ["+1", "+2", "+3", "+4", "-4", "-3", "+2", "+3", "+4"]
        );
        parts.stop(secs(5)).await;
        Ok(())
    });
}

/// P29: a temporary child that stands by is stopped, and not started again. Case R07.
#[test]
fn p29_a_temporary_bystander_is_stopped_and_forgotten() {
    on_workers(|scope| async move {
        for fall in [Scope::one_for_all, Scope::rest_for_one] {
            let parts = fall(scope.child("parts"));
            let log = Log::default();
            let first = add(&parts, "1", &log, Restart::Transient);
            let bystander = add(&parts, "2", &log, Restart::Temporary);
            bystander.incarnation().await?;
            end(&first, "panicked").await;
            assert!(bystander.closed().await.is_normal());
            assert_eq!(first.incarnation().await, Ok(1));
            assert_eq!(bystander.incarnation().await, Err(CallError::Gone));
            assert_eq!(log.take(), ["+1", "+2", "-2", "+1"]);
            assert!(!parts.is_stopping());
            parts.stop(secs(5)).await;
        }
        Ok(())
    });
}

/// P29: what is restarted because another one failed does not count. P27: exactly the limit is allowed. Case R08.
#[test]
fn p27_the_intensity_is_exact() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").one_for_all().intensity(2, secs(60));
        let log = Log::default();
        let [a, b, c] = ["1", "2", "3"].map(|name| add(&parts, name, &log, Restart::Transient));
        for n in 1..=2 {
            c.incarnation().await?;
            let done = [b.done(), c.done()];
            end(&a, "panicked").await;
            for done in done {
                done.await;
            }
            assert_eq!(
                (c.incarnation().await, b.incarnation().await),
                (Ok(n), Ok(n))
            );
        }
        log.take();
        end(&c, "failed").await;
        let error = parts.join().await.expect_err("that was one too many");
        assert_eq!(log.take(), ["-2", "-1"]);
        let gave_up = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<GaveUp>());
        let reasons: Vec<_> = gave_up
            .expect("it says who gave up")
            .reasons()
            .map(|(child, exit)| (child, exit.kind()))
            .collect();
        assert_eq!(
            reasons,
            [
                ("Part", "panicked"),
                ("Part", "panicked"),
                ("Part", "failed")
            ]
        );
        assert_eq!(
            error.chain().last().expect("a cause").to_string(),
            "the reason"
        );
        assert_eq!(c.closed().await.kind(), "failed");
        assert!(a.closed().await.is_normal() && b.closed().await.is_normal());
        assert!(!scope.is_stopping());
        Ok(())
    });
}

/// P32: reasons stay errors through two supervisors, and the scope above returns them.
#[test]
fn p32_escalation_keeps_the_chain_of_errors() {
    #[derive(Debug)]
    struct DiskFull;
    impl std::fmt::Display for DiskFull {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("the disk is full")
        }
    }
    impl std::error::Error for DiskFull {}

    #[process]
    async fn write(starts: &Arc<AtomicUsize>) -> Result<()> {
        starts.fetch_add(1, Ordering::SeqCst);
        Err(DiskFull).context("cannot write")
    }
    #[process]
    async fn store(starts: &Arc<AtomicUsize>, scope: &Scope) -> Result<()> {
        let inner = scope.child("inner").intensity(1, secs(60));
        let writer = write(Arc::clone(starts));
        let _ = inner
            .supervise(writer)
            .backoff(millis(0)..millis(0))
            .spawn();
        inner.join().await
    }
    let starts = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&starts);
    fails_on_workers(
        move |scope| {
            let count = Arc::clone(&count);
            async move {
                let scope = scope.intensity(2, secs(60));
                let _ = scope
                    .supervise(store(count))
                    .backoff(millis(0)..millis(0))
                    .spawn();
                roundrock::Ok(())
            }
        },
        move |error| {
            let levels = error.chain().filter(|cause| cause.is::<GaveUp>()).count();
            assert_eq!(levels, 2, "{error:?}");
            assert!(
                error.chain().any(|cause| cause.is::<DiskFull>()),
                "{error:?}"
            );
            assert_eq!(starts.swap(0, Ordering::SeqCst), 3 * 2);
        },
    );
}

/// A scope that gives up at the first failure: an intensity of 0. The others stop in reverse.
#[test]
fn p32_an_intensity_of_zero_gives_up_at_once() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(0, secs(1));
        let log = Log::default();
        let [a, _b, _c] = ["1", "2", "3"].map(|name| add(&parts, name, &log, Restart::Permanent));
        _c.incarnation().await?;
        log.take();
        end(&a, "killed").await;
        let error = parts.join().await.expect_err("one is too many");
        assert!(format!("{error:#}").contains("it was killed"), "{error:#}");
        assert_eq!(log.take(), ["-3", "-2"]);
        Ok(())
    });
}

/// P31: pauses grow, and a child that waits for its pause is not started by anything else.
#[test]
fn p31_pauses_grow() {
    #[process]
    async fn fails(at: &Arc<Mutex<Vec<Instant>>>) -> Result<()> {
        at.lock().unwrap().push(now());
        bail!("no")
    }
    on_both(2, |scope| async move {
        let parts = scope.child("parts").intensity(3, secs(60));
        let at = Arc::new(Mutex::new(Vec::new()));
        let task = parts
            .supervise(fails(Arc::clone(&at)))
            .backoff(millis(8)..millis(20))
            .spawn();
        assert!(task.await.is_err() && parts.join().await.is_err());
        let at = at.lock().unwrap();
        let pauses: Vec<_> = at.windows(2).map(|two| two[1] - two[0]).collect();
        assert_eq!(pauses.len(), 3);
        // At the longest, up to a quarter shorter.
        assert!(pauses[0] >= millis(8) && pauses[1] >= millis(16) && pauses[2] >= millis(15));
        Ok(())
    });
}

/// A failed start is a failure; those behind it wait until it succeeds. P26.
#[test]
fn p26_a_failed_start_is_tried_again_before_the_next() {
    #[process]
    struct Slow {
        left: Arc<AtomicUsize>,
        log: Log,
    }
    #[handlers]
    impl Slow {
        #[on_start]
        fn start(&mut self) -> Result<()> {
            let left = self.left.load(Ordering::SeqCst);
            self.log.note(format!("try {left}"));
            if left > 0 {
                self.left.fetch_sub(1, Ordering::SeqCst);
                ensure!(left != 1, "not yet");
                panic!("not at all");
            }
            Ok(())
        }
        fn ping(&self) {}
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let log = Log::default();
        let (left, notes) = (Arc::new(AtomicUsize::new(2)), log.clone());
        let slow = parts
            .supervise(move || Slow {
                left: Arc::clone(&left),
                log: notes.clone(),
            })
            .backoff(millis(1)..millis(1))
            .spawn();
        let next = add(&parts, "next", &log, Restart::Transient);
        next.incarnation().await?;
        slow.ping().await?;
        assert_eq!(log.take(), ["try 2", "try 1", "try 0", "+next"]);
        parts.stop(secs(5)).await;
        Ok(())
    });
}

/// Who watches is told of each incarnation once, and of nothing else.
#[test]
fn watchers_are_told_of_incarnations() {
    use roundrock::observe::{Hooks, watch};
    #[process(name = "a child that is watched")]
    async fn fails(left: &Arc<AtomicUsize>) -> Result<()> {
        let left = left.fetch_sub(1, Ordering::SeqCst);
        ensure!(left == 1, "not yet");
        Ok(())
    }
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let told = Arc::clone(&counts);
    let _watching = watch(Hooks::SPAWN | Hooks::EXIT, move |event| {
        if event.name == "a child that is watched" {
            told[usize::from(event.hook == Hooks::EXIT)].fetch_add(1, Ordering::SeqCst);
        }
    });
    let runs = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&runs);
    on_both(2, move |scope| {
        count.fetch_add(1, Ordering::SeqCst);
        async move {
            let task = scope
                .supervise(fails(Arc::new(AtomicUsize::new(3))))
                .backoff(millis(0)..millis(0))
                .spawn();
            Ok(task.await?)
        }
    });
    let runs = runs.load(Ordering::SeqCst);
    assert_eq!(
        [3 * runs; 2],
        [0, 1].map(|n: usize| counts[n].load(Ordering::SeqCst))
    );
}

/// The scope options say what they want.
#[test]
#[should_panic(expected = "the window of `intensity` is at least 1 ns")]
fn a_window_of_zero_is_refused() {
    on(1, |scope| async move {
        let scope = std::panic::AssertUnwindSafe(scope);
        let caught = std::panic::catch_unwind(move || drop(scope.child("x").intensity(1, secs(0))));
        Ok(caught)
    })
    .unwrap_or_else(|payload| std::panic::resume_unwind(payload));
}

/// P23: the caller whose message is being handled when an incarnation is killed learns that it crashed; those behind it are served by
/// the next one.
#[test]
fn p23_a_kill_crashes_the_message_in_hand_only() {
    #[process]
    struct Slow;
    #[handlers]
    impl Slow {
        async fn hang(&mut self, begun: Sender<()>) {
            begun.send(()).await.ok();
            std::future::pending::<()>().await;
        }
        fn ping(&self, cx: &mut Cx) -> u32 {
            cx.incarnation()
        }
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let slow = parts
            .supervise(|| Slow)
            .backoff(millis(0)..millis(0))
            .spawn();
        let (begun, has_begun) = bounded(1);
        let (first, second) = (slow.clone(), slow.clone());
        let hangs = scope.task(
            "hangs",
            async move { roundrock::Ok(first.hang(begun).await) },
        );
        has_begun.recv().await;
        let behind = scope.task("behind", async move { roundrock::Ok(second.ping().await) });
        yield_now().await;
        slow.kill();
        assert_eq!(hangs.await?, Err(CallError::Crashed));
        assert_eq!(behind.await?, Ok(1));
        parts.stop(secs(5)).await;
        Ok(())
    });
}
