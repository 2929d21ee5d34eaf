//! What no child may do to its supervisor, to its siblings, or to its scope: an end that is wanted is no failure, an error that
//! panics when it is shown ends nobody else, who does not end holds up the others for its time only, and a scope that gives up
//! is heard. P21 to P23, P27, P29, P32.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use roundrock::channel::Dead;
use roundrock::observe::{ChildInfo, ChildStage};
use roundrock::prelude::*;
use roundrock::scope::ScopeError;
use roundrock::supervise::{GaveUp, Restart};
use roundrock::time::now;
use roundrock_tests::{on_workers, simulated, yield_now};

use super::supervision::{Log, add, end};

const AT_ONCE: Range<Duration> = Duration::ZERO..Duration::ZERO;

/// Counts its starts, and cannot end well.
#[process]
struct Unsaved {
    starts: Arc<AtomicUsize>,
}

#[handlers]
impl Unsaved {
    #[on_start]
    fn start(&mut self) {
        self.starts.fetch_add(1, Ordering::SeqCst);
    }

    #[on_stop]
    fn stop(&mut self) -> Result<()> {
        bail!("cannot flush")
    }

    fn ping(&self) {}

    async fn hang(&self, begun: Sender<()>) {
        let _ = begun.send(()).await;
        std::future::pending::<()>().await;
    }
}

/// Fails at the end of its input.
#[process]
async fn reads(#[inbox(4)] jobs: &Receiver<u32>, starts: &Arc<AtomicUsize>) -> Result<()> {
    starts.fetch_add(1, Ordering::SeqCst);
    while let Some(job) = jobs.recv().await {
        ensure!(job > 0, "a bad job");
    }
    bail!("the input is closed")
}

/// A child that was told to stop, and says at its end that something went wrong, was not to come back. P28.
#[test]
fn an_error_at_a_wanted_end_is_no_restart() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(0, secs(60));
        let starts = Arc::new(AtomicUsize::new(0));
        let unsaved = parts
            .supervise({
                let starts = Arc::clone(&starts);
                move || Unsaved {
                    starts: Arc::clone(&starts),
                }
            })
            .backoff(AT_ONCE)
            .spawn();
        unsaved.ping().await?;
        unsaved.stop();
        assert_eq!(unsaved.closed().await.kind(), "failed");
        let reader = parts
            .supervise(reads(Arc::clone(&starts)))
            .backoff(AT_ONCE)
            .spawn();
        reader.jobs().send(1).await?;
        reader.stop();
        assert_eq!(reader.closed().await.kind(), "failed");
        assert_eq!(starts.load(Ordering::SeqCst), 2);
        assert!(!parts.is_stopping());
        parts.join().await
    });
}

/// What is queued behind the message at which it fails is still handled, and then it ends as it says.
#[test]
fn a_wanted_end_waits_for_what_is_queued() {
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(1, secs(60));
        let starts = Arc::new(AtomicUsize::new(0));
        let reader = parts
            .supervise(reads(Arc::clone(&starts)))
            .backoff(AT_ONCE)
            .spawn();
        for job in [1, 0, 2] {
            reader.jobs().send(job).await?;
        }
        reader.stop();
        let exit = reader.closed().await;
        assert!(exit.to_string().contains("the input is closed"), "{exit}");
        assert_eq!(starts.load(Ordering::SeqCst), 2);
        parts.join().await
    });
}

/// A stop between two incarnations, with nothing queued, needs none of them.
#[test]
fn a_stop_in_a_pause_is_an_end() {
    simulated(|scope| async move {
        let starts = Arc::new(AtomicUsize::new(0));
        let begun = now();
        let reader = scope
            .supervise(reads(Arc::clone(&starts)))
            .backoff(secs(60)..secs(60))
            .spawn();
        reader.jobs().send(0).await?;
        reader.done().await;
        reader.stop();
        assert_eq!(reader.closed().await.kind(), "failed");
        assert_eq!(starts.load(Ordering::SeqCst), 1);
        assert!(now() - begun < secs(1));
        Ok(())
    });
}

/// P33: what a child has accepted before it failed is handled when its scope stops in its pause, without waiting for that; if that fails
/// as well, the scope fails.
#[test]
fn p33_a_scope_that_stops_in_a_pause_handles_what_was_accepted() {
    on_workers(|scope| async move {
        for (jobs, starts_at_end, fails) in [(&[0, 1, 2][..], 2, true), (&[0], 1, false)] {
            let parts = scope.child("parts");
            let starts = Arc::new(AtomicUsize::new(0));
            let tries = Arc::new(AtomicUsize::new(0));
            let (begun, handled) = (now(), Arc::new(AtomicUsize::new(0)));
            let stays = parts.supervise(Stays::factory(&starts, &handled));
            let stays = stays.backoff(secs(60)..secs(60)).spawn();
            let reader = parts.supervise(reads(Arc::clone(&tries)));
            let reader = reader.backoff(secs(60)..secs(60)).spawn();
            for &job in jobs {
                stays.add(job).send().await?;
                reader.jobs().send(job).await?;
            }
            let paused = |child: &ChildInfo| matches!(child.stage, ChildStage::Paused { .. });
            while scope
                .system()
                .snapshot()
                .children
                .iter()
                .filter(|child| paused(child))
                .count()
                < 2
            {
                yield_now().await;
            }
            let report = parts.stop(secs(600)).await;
            assert!(report.is_clean(), "{report}");
            assert!(now() - begun < secs(30));
            assert_eq!(starts.load(Ordering::SeqCst), starts_at_end);
            assert_eq!(tries.load(Ordering::SeqCst), starts_at_end);
            assert_eq!(handled.load(Ordering::SeqCst), jobs.len() - 1);
            // The reader cannot end well.
            assert_eq!(parts.join().await.is_err(), fails);
        }
        Ok(())
    });
}

/// Fails at a job of 0.
#[process]
struct Stays {
    handled: Arc<AtomicUsize>,
}

#[handlers]
impl Stays {
    fn add(&mut self, job: u32) {
        assert!(job > 0, "a bad job");
        self.handled.fetch_add(1, Ordering::SeqCst);
    }
}

impl Stays {
    fn factory(
        starts: &Arc<AtomicUsize>,
        handled: &Arc<AtomicUsize>,
    ) -> impl FnMut() -> Self + Send + use<> {
        let (starts, handled) = (Arc::clone(starts), Arc::clone(handled));
        move || {
            starts.fetch_add(1, Ordering::SeqCst);
            Self {
                handled: Arc::clone(&handled),
            }
        }
    }
}

/// Between two incarnations there is nothing to kill: the next one comes as planned, and once. P28, P30.
#[test]
fn a_kill_in_a_pause_changes_nothing() {
    simulated(|scope| async move {
        // One more that is counted would be one too many.
        let parts = scope.child("parts").intensity(1, secs(1000));
        let starts = Arc::new(AtomicUsize::new(0));
        let begun = now();
        let reader = parts
            .supervise(reads(Arc::clone(&starts)))
            .backoff(secs(60)..secs(60))
            .spawn();
        reader.jobs().send(0).await?;
        reader.done().await;
        sleep(secs(10)).await;
        reader.kill();
        reader.task().kill();
        sleep(secs(49)).await;
        reader.kill();
        assert_eq!(starts.load(Ordering::SeqCst), 1);
        reader.jobs().send(1).await?;
        while starts.load(Ordering::SeqCst) < 2 {
            sleep(millis(100)).await;
        }
        assert!(now() - begun >= secs(60));
        assert!(!parts.is_stopping());
        reader.stop();
        reader.closed().await;
        Ok(())
    });
}

/// Who is told to stop has what is queued handled first, in the next incarnation if it must be; a kill after that wants none of it.
#[test]
fn a_kill_after_a_stop_is_an_end() {
    simulated(|scope| async move {
        let parts = scope.child("parts").intensity(0, secs(1000));
        let starts = Arc::new(AtomicUsize::new(0));
        let make = {
            let starts = Arc::clone(&starts);
            move || Unsaved {
                starts: Arc::clone(&starts),
            }
        };
        // While it runs, and hangs.
        let (begun, has_begun) = bounded(1);
        let unsaved = parts.supervise(make.clone()).backoff(AT_ONCE).spawn();
        unsaved.hang(begun).send().await?;
        unsaved.ping().send().await?;
        has_begun.recv().await;
        unsaved.stop();
        unsaved.kill();
        assert_eq!(unsaved.closed().await.kind(), "killed");
        assert_eq!(starts.load(Ordering::SeqCst), 1);
        // In a pause.
        let parts = scope.child("parts").intensity(1, secs(1000));
        let (begun, has_begun) = bounded(1);
        let unsaved = parts.supervise(make).backoff(secs(60)..secs(60)).spawn();
        unsaved.hang(begun).send().await?;
        unsaved.ping().send().await?;
        has_begun.recv().await;
        unsaved.kill();
        unsaved.done().await;
        unsaved.stop();
        sleep(secs(1)).await;
        let asked = now();
        unsaved.kill();
        assert_eq!(unsaved.closed().await.kind(), "killed");
        assert!(now() - asked < secs(1));
        assert_eq!(starts.load(Ordering::SeqCst), 2);
        assert_eq!(scope.system().ledger().dead.of(Dead::Closed), 2);
        Ok(())
    });
}

/// Fails, and leaves a child of its own that hears of no stop.
#[process]
async fn leaves_a_child(scope: &Scope, starts: &Arc<AtomicUsize>) -> Result<()> {
    if starts.fetch_add(1, Ordering::SeqCst) > 0 {
        scope.stopping().await;
        return Ok(());
    }
    scope.task("deaf", async { sleep(secs(1000)).await });
    bail!("it failed")
}

/// What holds up the next incarnation ends with a kill, and not with the grace of the system only.
#[test]
fn a_kill_ends_what_is_left_of_an_incarnation() {
    simulated(|scope| async move {
        let starts = Arc::new(AtomicUsize::new(0));
        let task = scope
            .supervise(leaves_a_child(Arc::clone(&starts)))
            .backoff(AT_ONCE)
            .shutdown(secs(60))
            .spawn();
        sleep(secs(5)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 1);
        task.kill();
        sleep(secs(1)).await;
        assert_eq!(starts.load(Ordering::SeqCst), 2);
        task.remove().await;
        Ok(())
    });
}

/// An error that panics when it is shown, or dropped.
#[derive(Debug)]
struct Odd {
    panics_in: &'static str,
}

impl std::fmt::Display for Odd {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        assert_ne!(self.panics_in, "display", "no text");
        f.write_str("odd")
    }
}

impl std::error::Error for Odd {}

impl Drop for Odd {
    fn drop(&mut self) {
        assert_ne!(self.panics_in, "drop", "no end");
    }
}

/// An error that cannot even become one.
struct Worse;

impl From<Worse> for Box<dyn std::error::Error + Send + Sync> {
    fn from(_: Worse) -> Self {
        panic!("no error");
    }
}

/// P21, P22: the code of an error runs where nobody else falls with it: neither the worker nor the supervisor.
#[test]
fn p22_errors_that_panic_end_nobody_else() {
    #[process]
    async fn fails(left: &Arc<AtomicUsize>, panics_in: &&'static str) -> Result<(), Odd> {
        match left.fetch_sub(1, Ordering::SeqCst) {
            1 => Ok(()),
            _ => Err(Odd { panics_in }),
        }
    }
    on_workers(|scope| async move {
        // Somebody asks for the texts.
        let _events = scope.system().events();
        for panics_in in ["display", "drop"] {
            let alone = scope.spawn_isolated(fails(Arc::new(AtomicUsize::new(9)), panics_in));
            assert_eq!(alone.done().await.kind(), "failed");
            drop(alone);
            let parts = scope.child("parts").intensity(1000, millis(1));
            let child = parts
                .supervise(fails(Arc::new(AtomicUsize::new(9)), panics_in))
                .backoff(AT_ONCE)
                .spawn();
            assert!(child.await.is_ok(), "{panics_in}");
            parts.join().await?;
        }
        let group = scope.child("group");
        let worse = group.task("worse", async { Err::<(), _>(Worse) });
        assert_eq!(worse.done().await.kind(), "panicked");
        assert!(group.join().await.is_err());
        Ok(())
    });
}

/// What an incarnation started holds up the next one for the time of the child, and not for the grace of the system. P31.
#[test]
fn what_a_child_started_holds_up_its_restart_for_its_time() {
    #[process]
    async fn serves(starts: &Arc<AtomicUsize>, scope: &Scope) -> Result<()> {
        let start = starts.fetch_add(1, Ordering::SeqCst);
        let ticks = async {
            loop {
                sleep(secs(1)).await;
            }
        };
        let _ = scope.task("ticker", ticks);
        yield_now().await;
        ensure!(start > 0, "again");
        std::future::pending::<()>().await;
        Ok(())
    }
    simulated(|scope| async move {
        // The same after its failure, after that of a sibling, and when it is removed.
        let parts = scope.child("parts").one_for_all();
        let starts = Arc::new(AtomicUsize::new(0));
        let begun = now();
        let child = parts
            .supervise(serves(Arc::clone(&starts)))
            .shutdown(millis(50))
            .backoff(AT_ONCE)
            .spawn();
        let sibling = add(&parts, "sibling", &Log::default(), Restart::Transient);
        while starts.load(Ordering::SeqCst) < 2 {
            sleep(millis(1)).await;
        }
        sibling.incarnation().await?;
        end(&sibling, "killed").await;
        sibling.incarnation().await?;
        assert_eq!(starts.load(Ordering::SeqCst), 3);
        child.remove().await;
        assert!(now() - begun < secs(1), "{:?}", now() - begun);
        parts.stop(secs(1)).await;
        Ok(())
    });
}

/// A child that was told to stop by its handle, and hangs, holds up its siblings for its time only. P29.
#[test]
fn p29_a_child_that_hangs_in_its_stop_does_not_keep_the_others() {
    simulated(|scope| async move {
        for fall in [Scope::one_for_all, Scope::rest_for_one] {
            let parts = fall(scope.child("parts"));
            let log = Log::default();
            let first = add(&parts, "first", &log, Restart::Transient);
            let starts = Arc::new(AtomicUsize::new(0));
            let hung = parts
                .supervise({
                    let starts = Arc::clone(&starts);
                    move || Unsaved {
                        starts: Arc::clone(&starts),
                    }
                })
                .shutdown(millis(50))
                .spawn();
            let last = add(&parts, "last", &log, Restart::Transient);
            let (tell, begun) = bounded(1);
            hung.hang(tell).send_and_forget().await?;
            begun.recv().await;
            last.incarnation().await?;
            hung.stop();
            let at = now();
            end(&first, "killed").await;
            assert_eq!(first.incarnation().await, Ok(1));
            assert_eq!(last.incarnation().await, Ok(1));
            assert!(now() - at < secs(1), "{:?}", now() - at);
            assert_eq!(hung.closed().await.kind(), "killed");
            assert_eq!(starts.load(Ordering::SeqCst), 1);
            parts.stop(secs(5)).await;
        }
        Ok(())
    });
}

/// The window is the scope's, also when it has no child for a moment. P27.
#[test]
fn p27_the_window_outlives_the_children() {
    #[process]
    async fn fails_first(starts: &Arc<AtomicUsize>) -> Result<()> {
        ensure!(starts.fetch_add(1, Ordering::SeqCst) > 0, "no");
        std::future::pending::<()>().await;
        Ok(())
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(2, secs(60));
        for _ in 0..2 {
            let starts = Arc::new(AtomicUsize::new(0));
            let child = parts
                .supervise(fails_first(Arc::clone(&starts)))
                .shutdown(AT_ONCE.start)
                .backoff(AT_ONCE)
                .spawn();
            while starts.load(Ordering::SeqCst) < 2 {
                yield_now().await;
            }
            child.remove().await;
            assert!(!parts.is_stopping());
        }
        let starts = Arc::new(AtomicUsize::new(0));
        let last = parts
            .supervise(fails_first(starts))
            .backoff(AT_ONCE)
            .spawn();
        assert!(last.await.is_err());
        let error = parts.join().await.expect_err("three in a minute");
        let gave_up = error
            .chain()
            .find_map(|cause| cause.downcast_ref::<GaveUp>());
        assert_eq!(gave_up.map(|gave_up| gave_up.reasons().len()), Some(3));
        Ok(())
    });
}

/// One that gave up is one failure, whose text has every reason; whoever is nobody's concern is the program's. P32.
#[test]
fn p32_a_scope_that_gives_up_is_heard_once() {
    const FAILS_IN: u32 = line!() + 3;
    #[process]
    async fn fails(left: &Arc<AtomicUsize>) -> Result<()> {
        bail!("try {}", left.fetch_sub(1, Ordering::SeqCst))
    }
    fn give_up(scope: &Scope) -> Scope {
        let parts = scope.child("parts").intensity(2, secs(60));
        parts
            .supervise(fails(Arc::new(AtomicUsize::new(3))))
            .backoff(AT_ONCE)
            .spawn();
        parts
    }
    let at = format!("it failed at {}:{FAILS_IN}:9", file!());
    let text = format!(
        "`fails` needed more than 2 restarts in 60s (before that `fails`: {at}: try 3; `fails`: {at}: try 2)"
    );
    let whole = text.clone();
    on_workers(move |scope| {
        let text = whole.clone();
        async move {
            let error = give_up(&scope).join().await.expect_err("it gave up");
            let failed = error.downcast_ref::<ScopeError>().context("a scope")?;
            assert_eq!(failed.exits().len(), 0);
            let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
            assert_eq!(chain, ["`fails` failed in scope `parts`", &text, "try 1"]);
            Ok(())
        }
    });
    // Nobody asks.
    let ended = System::builder().workers(2).run(async |scope| {
        let inner = scope.child("outer");
        let parts = give_up(&inner);
        parts.stopping().await;
        Ok(())
    });
    let error = ended.expect_err("a supervisor gave up");
    let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
    assert_eq!(
        chain[0]
            .rsplit_once('`')
            .map(|(scopes, _)| scopes.ends_with("/outer/parts")),
        Some(true),
        "{chain:?}"
    );
    assert_eq!(chain[1..], [text, "try 1".to_owned()]);
}

/// What fails while its scope stops cannot be made up for by another incarnation: the scope says so. P32.
#[test]
fn p32_a_failure_in_a_stop_is_its_scopes() {
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let starts = Arc::new(AtomicUsize::new(0));
        let unsaved = parts
            .supervise(move || Unsaved {
                starts: Arc::clone(&starts),
            })
            .spawn();
        unsaved.ping().await?;
        parts.stop(secs(5)).await;
        let error = parts.join().await.expect_err("it was not flushed");
        assert!(format!("{error:#}").ends_with("cannot flush"), "{error:#}");
        Ok(())
    });
}

/// What a child says at its end that would not have been started again is nobody's failure, whether its scope stops or not.
#[test]
fn the_end_of_a_temporary_child_is_nobodys_failure() {
    #[process]
    async fn ends(input: &Receiver<()>) -> Result<()> {
        while input.recv().await.is_some() {}
        bail!("the input has ended")
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let (more, input) = bounded(1);
        let child = parts.supervise(ends(input)).temporary().spawn();
        more.send(()).await?;
        assert!(parts.stop(secs(5)).await.is_clean());
        parts.join().await?;
        assert!(child.done().await.is_failure());
        drop(more);
        Ok(())
    });
}

/// A link with a child that is over and has failed ends the other process, as one with any other process does.
#[test]
fn a_link_with_a_child_that_is_over_has_an_effect() {
    #[process]
    async fn fails() -> Result<()> {
        bail!("no")
    }
    on_workers(|scope| async move {
        let failed = scope.supervise(fails()).temporary().spawn();
        failed.done().await;
        while failed.exit().is_none() {
            yield_now().await;
        }
        let other = scope.task("other", std::future::pending::<()>());
        failed.link(&other);
        assert_eq!(other.done().await.kind(), "killed");
        Ok(())
    });
}

/// Supervises the level below; the lowest one fails, each time with another text.
#[process]
async fn level(below: &u32, tries: &Arc<AtomicU32>, scope: &Scope) -> Result<()> {
    let Some(next) = below.checked_sub(1) else {
        let n = tries.fetch_add(1, Ordering::SeqCst) + 1;
        bail!("connection {n} was refused");
    };
    let inner = scope.child("inner").intensity(2, secs(60));
    let child = inner.supervise(level(next, Arc::clone(tries)));
    let _ = child.backoff(millis(0)..millis(0)).spawn();
    inner.join().await
}

/// The text of an escalation grows with its levels, and not with all failures below them: each reason before the last one is told by
/// its first cause.
#[test]
fn p32_the_text_of_an_escalation_is_as_long_as_it_is_deep() {
    on_workers(|scope| async move {
        let text = async |levels| {
            let top = scope.child("top").intensity(2, secs(60));
            let tries = Arc::new(AtomicU32::new(0));
            let child = top.supervise(level(levels, Arc::clone(&tries)));
            let _ = child.backoff(millis(0)..millis(0)).spawn();
            let error = top.join().await.expect_err("each level gives up");
            let text = format!("{error:?}");
            let last = format!("connection {} was refused", tries.load(Ordering::SeqCst));
            assert!(text.contains(&last), "{text}");
            text
        };
        let [one, two, four] = [text(1).await, text(2).await, text(4).await];
        assert!(
            four.contains("(before that `level`: what it supervises failed too often: connection"),
            "{four}"
        );
        let (step, rest) = (two.len() - one.len(), four.len() - two.len());
        assert!(
            rest < 3 * step,
            "{} {} {}: {four}",
            one.len(),
            two.len(),
            four.len()
        );
        Ok(())
    });
}
