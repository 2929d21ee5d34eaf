//! What a failure does to the healthy children beside it: who was told to stop comes to its end, and who is to start
//! again does not wait for the pause of one after it. P29, P31, P33.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use roundrock::prelude::*;
use roundrock::supervise::Restart;
use roundrock::time::now;
use roundrock_tests::{on_workers, simulated, yield_now};

use super::supervision::{Log, Part, add, end};

/// Notices its stop in one of several ways, or never, and has something left to do then.
#[process]
async fn flushes(
    how: &&'static str,
    input: &Receiver<u32>,
    begun: &Sender<()>,
    log: &Log,
    scope: &Scope,
) -> Result<()> {
    begun.send(()).await?;
    match *how {
        "the end of its input" => while input.recv().await.is_some() {},
        "what is queued" => {
            while input.recv().await.is_some() {
                sleep(millis(60)).await;
            }
        }
        "stopping" => scope.stopping().await,
        "is_stopping" => {
            while !scope.is_stopping() {
                sleep(millis(10)).await;
            }
        }
        "a timer" => sleep(secs(2)).await,
        _ => sleep(secs(1000)).await,
    }
    sleep(millis(300)).await;
    log.note("flushed");
    Ok(())
}

/// Kills a child while this one runs beside it, which has this time to end, and returns what happened until both run again.
async fn kill_beside(scope: &Scope, how: &'static str, limit: Option<Duration>) -> Vec<String> {
    let parts = scope.child("parts").one_for_all();
    let log = Log::default();
    let (kept, input) = bounded(8);
    let (tell, begun) = bounded(8);
    let first = add(&parts, "1", &log, Restart::Transient);
    let mut child = parts
        .supervise(flushes(how, input, tell, log.clone()))
        .backoff(millis(0)..millis(0));
    if let Some(limit) = limit {
        child = child.shutdown(limit);
    }
    let _ = child.spawn();
    begun.recv().await;
    if how == "what is queued" {
        for n in 0..5 {
            kept.send(n).await.expect("it has room");
        }
    }
    end(&first, "killed").await;
    begun.recv().await;
    let happened = log.take();
    parts.stop(secs(5)).await;
    happened
}

/// A function that has seen that it is to stop has its whole time for what is left to do.
#[test]
fn p29_a_sibling_that_cleans_up_has_its_time() {
    on_workers(|scope| async move {
        for how in ["the end of its input", "stopping", "is_stopping"] {
            let happened = kill_beside(&scope, how, Some(secs(60))).await;
            assert_eq!(happened, ["+1", "flushed", "+1"], "{how}");
        }
        Ok(())
    });
}

/// So has one that still works on what was queued when it was told.
#[test]
fn p29_a_sibling_that_drains_has_its_time() {
    simulated(|scope| async move {
        let happened = kill_beside(&scope, "what is queued", Some(secs(60))).await;
        assert_eq!(happened, ["+1", "flushed", "+1"]);
        Ok(())
    });
}

/// One that cannot notice holds up the others for a moment only.
#[test]
fn p29_a_sibling_that_cannot_notice_is_dropped_soon() {
    simulated(|scope| async move {
        let begun = now();
        let happened = kill_beside(&scope, "never", None).await;
        assert_eq!(happened, ["+1", "+1"]);
        // The second incarnation, which the stop of the scope meets, has the grace of that.
        assert!(now() - begun < secs(20), "{:?}", now() - begun);
        Ok(())
    });
}

/// Unless its time was set: then it has that, whatever it waits for. And it has no more.
#[test]
fn p29_a_sibling_that_cannot_notice_has_the_time_that_was_set() {
    simulated(|scope| async move {
        for (how, limit, flushes) in [
            ("a timer", Some(secs(60)), true),
            ("a timer", Some(secs(1)), false),
            ("a timer", None, false),
            ("never", Some(secs(1)), false),
        ] {
            let begun = now();
            let happened = kill_beside(&scope, how, limit).await;
            let wanted = if flushes {
                &["+1", "flushed", "+1"][..]
            } else {
                &["+1", "+1"]
            };
            assert_eq!(happened, wanted, "{how}, {limit:?}");
            assert!(now() - begun < secs(20), "{how}: {:?}", now() - begun);
        }
        Ok(())
    });
}

/// Is busy with its end for ten seconds.
#[process]
async fn drains(input: &Receiver<u32>, begun: &Sender<()>, log: &Log) -> Result<()> {
    begun.send(()).await?;
    while input.recv().await.is_some() {}
    sleep(secs(10)).await;
    log.note("drained");
    Ok(())
}

/// Adds one that drains, with the time for a stop that there is if nothing else is said: five seconds.
async fn add_drain(parts: &Scope, log: &Log) -> (Sender<u32>, Task<()>) {
    let ((kept, input), (tell, begun)) = (bounded(8), bounded(8));
    let child = parts.supervise(drains(input, tell, log.clone())).spawn();
    begun.recv().await;
    (kept, child)
}

/// P33: who was told to stop because another one failed, and is still at it when the scope is stopped, has the grace of that.
#[test]
fn p33_the_grace_of_a_stop_takes_the_place_of_a_shorter_time() {
    simulated(|scope| async move {
        let parts = scope.child("parts").one_for_all();
        let log = Log::default();
        let first = add(&parts, "1", &log, Restart::Transient);
        let (kept, _child) = add_drain(&parts, &log).await;
        end(&first, "killed").await;
        sleep(secs(1)).await;
        let report = parts.stop(secs(60)).await;
        assert!(report.is_clean(), "{report}");
        // The other one is started again at once, for this one might have had something for it.
        assert_eq!(log.take(), ["+1", "+1", "drained", "-1"]);
        assert!(report.took >= secs(8), "{report:?}");
        drop(kept);
        Ok(())
    });
}

/// Told again to end for good, it has no more time for that.
#[test]
fn p29_who_is_removed_again_and_again_has_its_time_once() {
    simulated(|scope| async move {
        let parts = scope.child("parts");
        let log = Log::default();
        let (kept, child) = add_drain(&parts, &log).await;
        let (removed, begun) = (child.remove(), now());
        for _ in 0..8 {
            sleep(secs(1)).await;
            drop(child.remove());
        }
        assert_eq!(removed.await.kind(), "killed");
        assert!(now() - begun < secs(9), "{:?}", now() - begun);
        assert_eq!(log.take(), [""; 0]);
        drop(kept);
        Ok(())
    });
}

/// P33: who was removed is waited for, so it keeps its time; if that is over during a stop, the report names it.
#[test]
fn p33_who_is_removed_and_dropped_in_a_stop_is_named() {
    simulated(|scope| async move {
        let parts = scope.child("parts");
        let log = Log::default();
        let (kept, child) = add_drain(&parts, &log).await;
        let removed = child.remove();
        sleep(secs(1)).await;
        let report = parts.stop(secs(60)).await;
        let late: Vec<_> = report.late.iter().map(|late| late.name).collect();
        assert_eq!(
            (&late[..], report.drained),
            (&["drains"][..], 0),
            "{report}"
        );
        assert_eq!(removed.await.kind(), "killed");
        assert_eq!(log.take(), [""; 0]);
        drop(kept);
        Ok(())
    });
}

/// A pause holds up its own child, and not those before it.
#[test]
fn p31_a_long_pause_does_not_delay_earlier_siblings() {
    simulated(|scope| async move {
        for all in [true, false] {
            let parts = scope.child("parts");
            let parts = if all {
                parts.one_for_all()
            } else {
                parts.rest_for_one()
            };
            let child = |pause: Duration| {
                let part = || Part {
                    name: "",
                    log: Log::default(),
                };
                parts.supervise(part).backoff(pause..pause).spawn()
            };
            let [first, second, third] = [millis(50), secs(5), millis(0)].map(child);
            third.incarnation().await?;
            let done = first.done();
            let begun = now();
            end(&second, "killed").await;
            if !all {
                first.kill();
            }
            done.await;
            assert_eq!(first.incarnation().await, Ok(1));
            assert!(now() - begun < secs(1), "{all} {:?}", now() - begun);
            // Those after it still wait for it.
            assert_eq!(third.incarnation().await, Ok(1));
            assert!(now() - begun >= secs(5), "{all} {:?}", now() - begun);
            assert_eq!(second.incarnation().await, Ok(1));
            parts.stop(secs(5)).await;
        }
        Ok(())
    });
}

/// What a handle is asked to stop ends once, also if its end is an error: nothing is queued, so nothing is left for another incarnation.
#[test]
fn who_fails_when_it_is_stopped_is_not_started_again() {
    #[process]
    struct Flushes {
        ends: Arc<AtomicUsize>,
    }

    #[handlers]
    impl Flushes {
        fn nothing(&self) {}

        #[on_stop]
        fn end(&mut self) -> Result<()> {
            self.ends.fetch_add(1, Ordering::SeqCst);
            bail!("cannot flush")
        }
    }

    on_workers(|scope| async move {
        let parts = scope.child("parts").intensity(2, secs(60));
        let neighbour = add(&parts, "neighbour", &Log::default(), Restart::Transient);
        let ends = Arc::new(AtomicUsize::new(0));
        let own = Arc::clone(&ends);
        let flushes = parts
            .supervise(move || Flushes {
                ends: Arc::clone(&own),
            })
            .backoff(millis(0)..millis(0))
            .spawn();
        flushes.nothing().await?;
        flushes.stop();
        assert_eq!(flushes.closed().await.kind(), "failed");
        for _ in 0..20 {
            yield_now().await;
        }
        assert_eq!(ends.load(Ordering::SeqCst), 1, "it has ended once");
        assert_eq!(neighbour.incarnation().await, Ok(0), "the scope goes on");
        parts.stop(secs(5)).await;
        Ok(())
    });
}

/// A child that was asked to stop, and does not come to its end, holds up its siblings no longer than its own time for a stop.
#[test]
fn who_does_not_end_when_it_is_stopped_holds_up_its_siblings_for_a_while() {
    #[process]
    struct Waits;

    #[handlers]
    impl Waits {
        async fn forever(&self) {
            std::future::pending::<()>().await;
        }
    }

    on_workers(|scope| async move {
        let parts = scope.child("parts").one_for_all();
        let log = Log::default();
        let part = add(&parts, "1", &log, Restart::Transient);
        let waits = parts.supervise(|| Waits).shutdown(millis(50)).spawn();
        part.incarnation().await?;
        waits.forever().send_and_forget().await?;
        waits.stop();
        end(&part, "panicked").await;
        assert_eq!(part.incarnation().within(secs(10)).await, Ok(1));
        parts.stop(secs(5)).await;
        Ok(())
    });
}
