//! Timers on both clocks. What is asserted never depends on how fast the machine is. Cases T01 to T06; P36, P37.
//!
//! Threads only: timers without a system, or that outlive it; and that a sleep of zero lets others go first, which is a choice of
//! the simulation.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use roundrock::prelude::*;
use roundrock::time::{Duration, Instant, MissedTick, Sleep, now, sleep_until};
use roundrock_tests::{LIMIT, Random, Step, isolated, on, on_both, on_workers, watched, yield_now};

/// P36: a timer never fires early. Case T01.
#[test]
fn p36_sleep_is_never_early() {
    on_workers(|scope| async move {
        for seed in 0..20 {
            let _ = scope.task("sleeper", async move {
                let mut random = Random::new(seed);
                for _ in 0..50 {
                    let wanted = micros(random.below(3000) as u64);
                    let begun = now();
                    if random.below(2) == 0 {
                        sleep(wanted).await;
                    } else {
                        sleep_until(begun + wanted).await;
                    }
                    let slept = now() - begun;
                    assert!(slept >= wanted, "{slept:?} < {wanted:?}");
                }
            });
        }
        Ok(())
    });
}

/// Notes the order of wakes.
struct Noting(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Noting {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// P36: timers fire in the order of their deadlines, each once, in whatever order they were made. Case T02.
#[test]
fn p36_timers_fire_in_deadline_order() {
    for spacing in [micros(50), millis(1), millis(3)] {
        on_both(1, move |_scope| async move {
            let order: Arc<Mutex<Vec<usize>>> = Arc::default();
            let mut random = Random::new(4);
            let base = now() + millis(20);
            let mut left: Vec<usize> = (0..20).collect();
            let mut sleeps = Vec::new();
            while !left.is_empty() {
                let n = left.swap_remove(random.below(left.len()));
                let mut sleep = Box::pin(sleep_until(base + spacing * n as u32));
                let waker = Waker::from(Arc::new(Noting(n, Arc::clone(&order))));
                let polled = sleep.as_mut().poll(&mut Context::from_waker(&waker));
                assert!(
                    polled.is_pending(),
                    "20 ms were not enough to make 20 timers"
                );
                sleeps.push(sleep);
            }
            sleep_until(base + spacing * 20).await;
            // The last of all: by now the others have been woken, in order.
            let order = order.lock().unwrap().clone();
            assert!(order.iter().copied().eq(0..20), "{spacing:?}: {order:?}");
            Ok(())
        });
    }
}

/// T03: zero, and a deadline that has passed, complete at once, but others get a turn.
#[test]
fn zero_and_past_deadlines_still_yield() {
    on(1, |scope| async move {
        for past in [false, true] {
            let ran = Arc::new(AtomicBool::new(false));
            let other = Arc::clone(&ran);
            let _ = scope.task("other", async move { other.store(true, Ordering::SeqCst) });
            if past {
                sleep_until(now()).await;
            } else {
                sleep(Duration::ZERO).await;
            }
            assert!(ran.load(Ordering::SeqCst), "past: {past}");
        }
        Ok(())
    });
}

#[test]
fn very_long_sleeps_do_not_overflow() {
    on_workers(|scope| async move {
        for long in [
            Duration::MAX,
            Duration::from_secs(u64::MAX / 4),
            Duration::from_secs(1 << 34),
        ] {
            let sleeper = isolated(&scope, async move { sleep(long).await });
            let limited = isolated(&scope, async move {
                let (_sender, receiver) = bounded::<u8>(1);
                let _ = receiver.recv().within(long).await;
            });
            sleep(millis(1)).await;
            assert!(sleeper.exit().is_none() && limited.exit().is_none());
            sleeper.kill();
            limited.kill();
            assert_eq!(sleeper.done().await.kind(), "killed");
            assert_eq!(limited.done().await.kind(), "killed");
        }
        Ok(())
    });
}

/// P36: the k-th tick of an interval is due at k periods, whatever the handler takes. Case T06.
#[test]
fn p36_intervals_do_not_drift() {
    on_workers(|_scope| async move {
        let period = millis(4);
        for policy in [MissedTick::Skip, MissedTick::Burst] {
            let made = now();
            let mut ticks = interval(period).missed(policy);
            let bound = now();
            assert_eq!(ticks.period(), period);
            let first = ticks.next().await;
            assert!(first >= made + period && first <= bound + period);
            let mut last = first;
            for k in 1..=10_u32 {
                sleep(period.mul_f64(if k == 5 { 2.5 } else { 0.3 })).await;
                let tick = ticks.next().await;
                assert!(tick <= now(), "early");
                let passed = (tick - first).as_nanos();
                assert_eq!(passed % period.as_nanos(), 0, "{policy:?} drifts");
                if policy == MissedTick::Burst {
                    assert_eq!(tick - last, period, "none is left out");
                }
                assert!(tick > last);
                last = tick;
            }
        }
        // `Delay` counts the period anew from the late tick: the next one is at least a period after it was delivered.
        let mut ticks = interval(period).missed(MissedTick::Delay);
        sleep(period * 3).await;
        let late = ticks.next().await;
        let delivered = now();
        let next = ticks.next().await;
        assert!(next >= late + period * 3 && next <= delivered + period);
        Ok(())
    });
}

/// P12: a tick whose future was dropped is not lost, and none comes twice.
#[test]
fn p12_a_dropped_tick_is_not_lost() {
    on_both(1, |_scope| async move {
        let period = millis(3);
        let mut ticks = interval(period).missed(MissedTick::Burst);
        drop(Step::new(ticks.next()));
        poll_fn(|cx| {
            let _ = Pin::new(&mut ticks.next()).poll(cx);
            Poll::Ready(())
        })
        .await;
        sleep(period * 2).await;
        let first = ticks.next().await;
        let second = ticks.next().await;
        assert_eq!(second - first, period);
        Ok(())
    });
}

#[test]
#[should_panic(expected = "at least 1 ns, not 0")]
fn an_interval_of_zero_is_refused() {
    drop(interval(Duration::ZERO));
}

/// A timer outside of a system says what is wrong, and can be dropped.
#[test]
fn a_timer_needs_a_system() {
    watched(|_| {
        let polled = std::panic::catch_unwind(|| {
            let _ = Step::new(sleep(millis(1))).poll();
        });
        assert!(polled.is_err());
        drop(Step::new(sleep(millis(1))));
    });
}

/// P12: a parked timer may be dropped anywhere, also when its process and its system are gone.
#[test]
fn p12_a_parked_timer_outlives_its_system() {
    let kept: Arc<Mutex<Vec<Pin<Box<Sleep>>>>> = Arc::default();
    let keep = Arc::clone(&kept);
    on(2, move |scope| async move {
        for n in 0..50_u64 {
            let keep = Arc::clone(&keep);
            let _ = scope.task("parks", async move {
                let mut sleep = Box::pin(sleep(millis(n % 10 * 200)));
                poll_fn(|cx| {
                    let _ = sleep.as_mut().poll(cx);
                    Poll::Ready(())
                })
                .await;
                keep.lock().unwrap().push(sleep);
            });
        }
        Ok(())
    });
    assert_eq!(kept.lock().unwrap().len(), 50);
    kept.lock().unwrap().clear();
}

/// P36: a timer that moves to another process fires there, and the first one is not bothered.
#[test]
fn p36_a_parked_timer_moves_between_processes() {
    on_workers(|scope| async move {
        let (sender, receiver) = bounded::<(Pin<Box<Sleep>>, Instant)>(4);
        let first = scope.task("first", async move {
            for n in 0..40 {
                let deadline = now() + micros(n * 100);
                let mut sleep = Box::pin(sleep_until(deadline));
                poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                sender.send((sleep, deadline)).await?;
                yield_now().await;
            }
            roundrock::Ok(())
        });
        while let Some((sleep, deadline)) = receiver.recv().await {
            sleep.await;
            assert!(now() >= deadline);
        }
        first.await?;
        Ok(())
    });
}

/// P12: what is ready at the deadline wins over the limit; a limit of zero still tries once.
#[test]
fn p12_ready_work_wins_over_its_limit() {
    on_both(1, |_scope| async move {
        assert_eq!(timeout(Duration::ZERO, async { 1 }).await, Ok(1));
        assert!(
            timeout(Duration::ZERO, std::future::pending::<()>())
                .await
                .is_err()
        );
        let begun = now();
        assert!(
            timeout(millis(5), std::future::pending::<()>())
                .await
                .is_err()
        );
        assert!(now() - begun >= millis(5));
        Ok(())
    });
}

/// P36: thousands of timers that are made, dropped and fired by several workers at once.
#[test]
fn p36_timers_made_and_dropped_by_the_thousand() {
    on_workers(|scope| async move {
        for seed in 0..16 {
            let _ = scope.task("churn", async move {
                let mut random = Random::new(seed);
                let mut kept = Vec::new();
                for _ in 0..300 {
                    let deadline = now() + micros(random.below(5000) as u64);
                    let mut sleep = Box::pin(sleep_until(deadline));
                    poll_fn(|cx| Poll::Ready(sleep.as_mut().poll(cx).is_ready())).await;
                    match random.below(3) {
                        0 => drop(sleep),
                        1 => kept.push((sleep, deadline)),
                        _ => yield_now().await,
                    }
                }
                for (sleep, deadline) in kept {
                    sleep.await;
                    assert!(now() >= deadline);
                }
            });
        }
        Ok(())
    });
}

/// An interval that is longer than the clock reaches never ticks, and breaks nothing.
#[test]
fn very_long_intervals_do_not_overflow() {
    on_workers(|_scope| async move {
        let mut tick = interval(Duration::MAX);
        select! {
            _ = tick.next() => panic!("the end of time has come"),
            _ = sleep(millis(1)) => {}
        }
        Ok(())
    });
}

/// P37: what holds of one clock holds of the other. Never early, in the order of deadlines, limits that end in time, and intervals that
/// keep to their grid and skip what fell into a long turn: on threads with the real clock, and simulated with the virtual one.
#[test]
fn p37_both_clocks_obey_the_same_contract() {
    on_workers(|scope| async move {
        let begun = now();
        let fired = Arc::new(Mutex::new(Vec::new()));
        let sleepers: Vec<_> = [9_u64, 3, 6, 1]
            .into_iter()
            .map(|delay| {
                let fired = Arc::clone(&fired);
                scope.task("sleeper", async move {
                    sleep_until(begun + millis(delay)).await;
                    let woken = now();
                    assert!(woken >= begun + millis(delay), "early");
                    fired.lock().unwrap().push((woken, delay));
                })
            })
            .collect();
        for sleeper in sleepers {
            sleeper.await?;
        }
        let mut fired = fired.lock().unwrap().clone();
        // Several workers may enter theirs in any order: what counts is when they woke.
        fired.sort_unstable();
        assert!(
            fired
                .iter()
                .all(|&(woken, delay)| woken >= begun + millis(delay))
        );
        assert!(now() >= begun + millis(9));

        let limited = sleep(secs(3600)).within(millis(2)).await;
        assert!(limited.is_err(), "an hour in two milliseconds");
        assert!(sleep(millis(0)).within(secs(3600)).await.is_ok());

        let grid = now();
        let mut ticks = interval(millis(4));
        assert!(ticks.next().await >= grid);
        sleep(millis(10)).await;
        let mut last = grid;
        for _ in 0..4 {
            let tick = ticks.next().await;
            assert!(
                tick > last && now() >= tick,
                "a tick is early, or comes twice"
            );
            last = tick;
        }
        Ok(())
    });
}

/// A tick whose handler takes longer than its period does not starve the other ticks of its struct, in whatever order they stand.
#[test]
fn an_overloaded_tick_starves_no_other() {
    #[process]
    struct Ticks {
        first: u32,
        last: u32,
    }
    #[handlers]
    impl Ticks {
        #[every("20ms")]
        fn first(&mut self) {
            self.first += 1;
        }
        #[every("1ms")]
        async fn overloaded(&mut self) {
            sleep(millis(3)).await;
        }
        #[every("20ms")]
        fn last(&mut self) {
            self.last += 1;
        }
        fn counts(&self) -> (u32, u32) {
            (self.first, self.last)
        }
    }
    on_workers(|scope| async move {
        let child = scope.child("ticks");
        let ticks = child.spawn(Ticks { first: 0, last: 0 });
        let mut counts = (0, 0);
        for _ in 0..200 {
            sleep(millis(20)).await;
            counts = ticks.counts().await?;
            if counts.0.min(counts.1) > 5 {
                assert!(child.stop(LIMIT / 2).await.is_clean());
                return Ok(());
            }
        }
        panic!("four seconds, and so many ticks each 20 ms: {counts:?}");
    });
}
