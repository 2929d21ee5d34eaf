//! Conditions, probes and models.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};

use roundrock::prelude::*;
use roundrock::sim::{Failure, Faults, Reason, Simulation, Summary};
use roundrock_tests::yield_now;

fn search<F: Future<Output = Result<()>> + Send + 'static>(
    body: impl Fn(Sim) -> F,
) -> Result<Summary, Box<Failure>> {
    Simulation::new("monitored").seeds(100).run(body)
}

/// Two processes each take one of a stock of one, if there is one.
fn take_twice(sim: &Sim, stock: &Arc<AtomicI64>) {
    let (notes, _read) = bounded::<()>(8);
    for _ in 0..2 {
        let (stock, notes) = (Arc::clone(stock), notes.clone());
        sim.task("taker", async move {
            if stock.load(Ordering::Relaxed) > 0 {
                let _ = notes.send(()).await;
                stock.fetch_sub(1, Ordering::Relaxed);
            }
        });
    }
}

#[test]
fn what_must_always_hold_is_looked_at_after_every_step() {
    let failure = search(|sim| async move {
        let stock = Arc::new(AtomicI64::new(1));
        let watched = Arc::clone(&stock);
        sim.always("the stock is not negative", move || {
            watched.load(Ordering::Relaxed) >= 0
        });
        take_twice(&sim, &stock);
        sim.settle().await;
        // Whoever looks only here sees nothing wrong.
        stock.store(0, Ordering::Relaxed);
        Ok(())
    });
    let failure = failure.expect_err("both take");
    assert_eq!(
        failure.reason,
        Reason::Always("the stock is not negative".into())
    );
    assert_eq!(failure.shrunk.deviations(), 1, "{failure}");
    // Whose step it was stands in the list, after what it did.
    let text = failure.to_string();
    let line = |line: &&str| line.ends_with("breaks `the stock is not negative`");
    let line = text.lines().find(line).expect("the list says it");
    assert!(line.contains(" taker#"), "{text}");
}

#[test]
fn what_must_hold_in_some_run_is_judged_over_all_of_them() {
    let body = |limit| {
        move |sim: Sim| async move {
            let stock = Arc::new(AtomicI64::new(1));
            let watched = Arc::clone(&stock);
            sim.sometimes("two were taken", move || {
                watched.load(Ordering::Relaxed) <= limit
            });
            take_twice(&sim, &stock);
            sim.settle().await;
            Ok(())
        }
    };
    search(body(-1)).expect("in some run both take");
    let failure = search(body(-2)).expect_err("nobody takes three");
    assert_eq!(failure.reason, Reason::Sometimes("two were taken".into()));
    assert!(
        failure.to_string().contains("ROUNDROCK_SEEDS="),
        "{failure}"
    );
}

/// Two processes each say that they are in, one of them after a message of the other, who then goes out in the same step. Both are in
/// only while the first one is held back after its message: in the middle of its step.
async fn go_in_and_out(sim: Sim, watch: impl FnOnce(&Sim, [Arc<AtomicBool>; 2])) -> Result<()> {
    let inside = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let [mine, theirs] = inside.clone();
    watch(&sim, inside);
    let (come, comes) = bounded(1);
    let (go, goes) = bounded(1);
    sim.task("second", async move {
        comes.recv().await;
        theirs.store(true, Ordering::Relaxed);
        goes.recv().await;
        theirs.store(false, Ordering::Relaxed);
    });
    sim.task("first", async move {
        mine.store(true, Ordering::Relaxed);
        come.send(1).await?;
        mine.store(false, Ordering::Relaxed);
        go.send(2).await
    });
    sim.settle().await;
    Ok(())
}

#[test]
fn conditions_are_looked_at_in_the_middle_of_a_step_too() {
    fn both([one, other]: [Arc<AtomicBool>; 2]) -> impl Fn() -> bool {
        move || one.load(Ordering::Relaxed) && other.load(Ordering::Relaxed)
    }
    let failure = search(|sim| {
        go_in_and_out(sim, |sim, inside| {
            let both = both(inside);
            sim.always("not both", move || !both());
        })
    });
    let failure = failure.expect_err("the second comes in before the first one goes out");
    assert_eq!(failure.reason, Reason::Always("not both".into()));
    let text = failure.to_string();
    let broken = text
        .lines()
        .find(|line| line.ends_with("breaks `not both`"));
    let broken = broken.expect("the list says it");
    assert!(broken.contains(" second#"), "{text}");
    search(|sim| go_in_and_out(sim, |sim, inside| sim.sometimes("both", both(inside))))
        .expect("in some run both are in");
}

/// What a process breaks before it is held back, and after it, is its own, also where its step goes on after those of others; so is
/// what a job of it breaks.
#[test]
fn who_breaks_a_condition_around_the_steps_of_others_is_told() {
    for (before, job) in [(true, false), (false, false), (false, true)] {
        let failure = search(move |sim| async move {
            let fine = Arc::new(AtomicBool::new(true));
            let seen = Arc::clone(&fine);
            sim.always("it is fine", move || seen.load(Ordering::Relaxed));
            let (out, inbox) = bounded(1);
            let (notes, read) = bounded(4);
            sim.task("other", async move {
                inbox.recv().await;
                notes.send(()).await
            });
            sim.task("culprit", async move {
                if before {
                    fine.store(false, Ordering::Relaxed);
                    out.send(1).await?;
                    fine.store(true, Ordering::Relaxed);
                } else {
                    out.send(1).await?;
                    let others_ran = !read.is_empty();
                    let spoils = move || fine.store(!others_ran, Ordering::Relaxed);
                    match job {
                        true => blocking(spoils).await,
                        false => spoils(),
                    }
                }
                roundrock::Ok(())
            });
            sim.settle().await;
            Ok(())
        });
        let failure = failure.expect_err("in some run others run in between");
        let text = failure.to_string();
        let broken = text
            .lines()
            .find(|line| line.ends_with("breaks `it is fine`"));
        let broken = broken.unwrap_or_else(|| panic!("the list says it: {text}"));
        assert!(broken.contains(" culprit#"), "{before} {job}: {text}");
    }
}

#[process]
async fn sends_four(out: &Sender<u32>) -> Result<()> {
    for n in 0..4 {
        out.send(n).await?;
    }
    Ok(())
}

/// A condition that tries to receive does so as nobody, also in the middle of a step: no fault of the process strikes there.
#[test]
fn a_condition_that_polls_is_no_part_of_the_step() {
    let faults = Faults::none().panic(0.2);
    let search = Simulation::new("polls").seeds(300).faults(faults);
    let found = search.run(|sim: Sim| async move {
        let (_kept, never) = bounded::<u32>(1);
        sim.always("nothing comes", move || {
            let mut next = pin!(never.recv());
            let mut context = Context::from_waker(Waker::noop());
            !matches!(next.as_mut().poll(&mut context), Poll::Ready(Some(_)))
        });
        let (out, inbox) = bounded(8);
        sim.task(
            "reader",
            async move { while inbox.recv().await.is_some() {} },
        );
        let child = sim.supervise(sends_four(out)).transient().spawn();
        child.done().await;
        roundrock::Ok(())
    });
    found.expect("the condition is no process");
}

#[test]
fn what_must_hold_in_the_end_is_looked_at_when_everything_has_settled() {
    let body = |last| {
        move |sim: Sim| async move {
            let done = Arc::new(AtomicI64::new(0));
            let watched = Arc::clone(&done);
            sim.eventually("the work is done", move || {
                watched.load(Ordering::Relaxed) == 3
            });
            for n in 1..=last {
                let done = Arc::clone(&done);
                sim.task("worker", async move {
                    let (yes, no) = rendezvous::<()>();
                    drop(yes);
                    no.recv().await;
                    done.fetch_max(n, Ordering::Relaxed);
                });
            }
            Ok(())
        }
    };
    search(body(3)).expect("all have done their work by then");
    let failure = search(body(2)).expect_err("one is missing");
    assert_eq!(
        failure.reason,
        Reason::Eventually("the work is done".into())
    );
}

/// Time goes on for the whole grace, also beside somebody whose timer fires again and again.
#[test]
fn what_must_hold_in_the_end_has_the_grace_beside_a_clock() {
    #[process]
    struct Clock;
    #[handlers]
    impl Clock {
        #[every("1ms")]
        fn tick(&mut self) {}
    }
    for (pause, in_time) in [(secs(9), true), (secs(11), false)] {
        let found = Simulation::new("late")
            .seeds(8)
            .run(move |sim: Sim| async move {
                let done = Arc::new(AtomicBool::new(false));
                let watched = Arc::clone(&done);
                sim.eventually("it is done", move || watched.load(Ordering::Relaxed));
                sim.spawn(Clock);
                sim.task("retry", async move {
                    sleep(pause).await;
                    done.store(true, Ordering::Relaxed);
                });
                roundrock::Ok(())
            });
        let reason = found.err().map(|failure| failure.reason);
        let expected = Reason::Eventually("it is done".into());
        assert_eq!(reason, (!in_time).then_some(expected));
    }
}

/// A condition that a process breaks and mends between two operations, while nobody else could run.
#[test]
fn what_must_always_hold_is_looked_at_where_nobody_else_runs() {
    let failure = search(|sim| async move {
        let stock = Arc::new(AtomicI64::new(1));
        let watched = Arc::clone(&stock);
        sim.always("the stock is not negative", move || {
            watched.load(Ordering::Relaxed) >= 0
        });
        let (notes, _read) = bounded(4);
        stock.store(-1, Ordering::Relaxed);
        notes.send(()).await?;
        stock.store(1, Ordering::Relaxed);
        Ok(())
    });
    let failure = failure.expect_err("it is negative at the send");
    assert_eq!(
        failure.reason,
        Reason::Always("the stock is not negative".into())
    );
    assert_eq!(failure.shrunk.deviations(), 0, "{failure}");
}

/// One run is a search, unless it is one that is seen again.
#[test]
fn what_must_hold_in_some_run_is_judged_also_of_one() {
    let body = |sim: Sim| async move {
        sim.sometimes("it rains", || false);
        roundrock::Ok(())
    };
    let search = Simulation::new("weather").seeds(1);
    let failure = search.run(body).expect_err("it never rains");
    assert_eq!(failure.reason, Reason::Sometimes("it rains".into()));
    search
        .replay(&roundrock::sim::Tape::default(), body)
        .expect("a replay does not judge");
}

#[test]
fn a_probe_says_what_was_expected_what_came_and_where() {
    type Expect =
        fn(roundrock::sim::Probe<u32>) -> std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;
    let cases: [(Expect, &str); 5] = [
        (
            |probe| Box::pin(async move { probe.expect(4).await }),
            "4 is expected, and 3 came",
        ),
        (
            |probe| Box::pin(async move { probe.expect_silence(secs(1)).await }),
            "silence is expected for 1s, and 3 came",
        ),
        (
            |probe| Box::pin(async move { probe.expect_closed().await }),
            "the end is expected, and 3 came",
        ),
        (
            |probe| {
                Box::pin(async move {
                    probe.expect_that("an even number", |n| n % 2 == 0).await;
                })
            },
            "an even number is expected, and 3 came",
        ),
        (
            |probe| {
                Box::pin(async move {
                    probe.expect(3).await;
                    probe.expect_closed().await;
                    probe.next().await;
                })
            },
            "a message is expected, and nobody is left who could send one",
        ),
    ];
    for (expect, text) in cases {
        let failure = search(move |sim| async move {
            let probe = sim.probe("numbers");
            let out = probe.sender();
            sim.task("sender", async move { out.send(3).await });
            expect(probe).await;
            Ok(())
        });
        let failure = failure.expect_err(text);
        assert!(
            matches!(&failure.reason, Reason::Expected { what, text: said, site, .. }
                if what == "numbers" && said == text && site.starts_with("sim/monitors.rs:")),
            "{text}: {failure}"
        );
    }
}

#[test]
fn a_probe_is_content_with_what_it_expects() {
    let found = search(|sim| async move {
        let probe = sim.probe("numbers");
        let out = probe.sender();
        sim.task("sender", async move {
            out.send(3).await?;
            sleep(secs(10)).await;
            out.send(5).await
        });
        probe.expect(3).await;
        probe.expect_silence(secs(9)).await;
        assert_eq!(probe.expect_that("a larger one", |&n| n > 3).await, 5);
        probe.expect_closed().await;
        Ok(())
    });
    found.expect("everything comes as expected");
}

#[process]
struct Account {
    balance: i64,
    /// Whether it forgets to look.
    careless: bool,
}

#[handlers]
impl Account {
    fn withdraw(&mut self, amount: i64) -> bool {
        let enough = self.careless || self.balance >= amount;
        if enough {
            self.balance -= amount;
        }
        enough
    }
}

#[test]
fn a_model_shows_the_operations_before_the_one_that_differs() {
    let body = |careless| {
        move |sim: Sim| async move {
            let model = sim.model(10_i64);
            let account = sim.spawn(Account {
                balance: 10,
                careless,
            });
            for amount in [4, 5, 3, 1] {
                let taken = account.withdraw(amount).await?;
                model.expect(&format!("withdraw {amount}"), taken, |balance| {
                    let enough = *balance >= amount;
                    if enough {
                        *balance -= amount;
                    }
                    enough
                });
            }
            assert_eq!(model.with(|balance| *balance), 0);
            Ok(())
        }
    };
    search(body(false)).expect("the account does what the model does");
    let failure = search(body(true)).expect_err("the third withdrawal is too large");
    let Reason::Expected { what, text, .. } = &failure.reason else {
        panic!("{failure}");
    };
    assert_eq!(what, "withdraw 3");
    assert!(
        text.contains("the model answers false, and the processes true"),
        "{text}"
    );
    assert!(
        text.contains("withdraw 4 -> true\n    withdraw 5 -> true"),
        "{text}"
    );
}

/// A condition that fails because something has panicked does not hide the panic.
#[test]
fn a_panic_is_the_reason_and_not_the_condition_that_it_broke() {
    let watched = |always: bool| {
        Simulation::new("watched")
            .seeds(4)
            .run(move |sim: Sim| async move {
                let done = Arc::new(AtomicU32::new(0));
                let seen = Arc::clone(&done);
                if always {
                    sim.always("pairs", move || {
                        seen.load(Ordering::Relaxed).is_multiple_of(2)
                    });
                } else {
                    sim.eventually("all work is done", move || {
                        seen.load(Ordering::Relaxed) == 2
                    });
                }
                let worker = sim.task("worker", async move {
                    done.fetch_add(1, Ordering::Relaxed);
                    let missing = "no number".parse::<u32>();
                    done.fetch_add(missing.expect("the number is there"), Ordering::Relaxed);
                });
                worker.await
            })
    };
    for always in [false, true] {
        let failure = watched(always).expect_err("the worker panics");
        assert!(
            matches!(&failure.reason, Reason::Panicked { process, .. } if process.starts_with("worker")),
            "{failure}"
        );
    }
}

/// As the one before, for an error of the body, and for a panic of the body in the step that breaks the condition.
#[test]
fn what_the_body_does_is_the_reason_and_not_the_condition_that_it_broke() {
    for panics in [false, true] {
        for always in [false, true] {
            let failure = Simulation::new("watched")
                .seeds(2)
                .run(move |sim: Sim| async move {
                    let fine = Arc::new(AtomicU32::new(0));
                    let seen = Arc::clone(&fine);
                    if always {
                        sim.always("it is fine", move || seen.load(Ordering::Relaxed) == 0);
                    } else {
                        sim.eventually("it is done", move || seen.load(Ordering::Relaxed) == 2);
                    }
                    yield_now().await;
                    fine.store(1, Ordering::Relaxed);
                    assert!(!panics, "the cause");
                    bail!("the cause");
                    #[expect(unreachable_code, reason = "says the type of the body")]
                    roundrock::Ok(())
                });
            let failure = failure.expect_err("the body fails");
            let told = failure.reason.to_string();
            let begins = if panics {
                "`test` panicked at"
            } else {
                "`test` failed at "
            };
            assert!(
                told.starts_with(begins) && told.ends_with("the cause"),
                "{failure}"
            );
        }
    }
}

/// A condition that holds a sender keeps its channel open; the report says so, and a weak one does not.
#[test]
fn a_condition_that_holds_what_others_wait_for_is_told() {
    let hint = "holds an endpoint or a handle that they wait for";
    for joins in [true, false] {
        let watched = |weak: bool| {
            Simulation::new("watched")
                .seeds(4)
                .run(move |sim: Sim| async move {
                    let (jobs, inbox) = bounded::<u32>(4);
                    let (strong, looks) = (jobs.clone(), jobs.downgrade());
                    if weak {
                        drop(strong);
                        sim.always("bounded", move || {
                            looks.upgrade().is_none_or(|jobs| jobs.len() <= 4)
                        });
                    } else {
                        sim.always("bounded", move || strong.len() <= 4);
                    }
                    let sum = Arc::new(AtomicU32::new(0));
                    let seen = Arc::clone(&sum);
                    sim.eventually("all is counted", move || seen.load(Ordering::Relaxed) == 3);
                    let worker = sim.task("worker", async move {
                        let mut count = 0;
                        while let Some(job) = inbox.recv().await {
                            count += job;
                        }
                        sum.store(count, Ordering::Relaxed);
                    });
                    jobs.send(3).await?;
                    drop(jobs);
                    if joins {
                        worker.await?;
                    }
                    roundrock::Ok(())
                })
        };
        let failure = watched(false).expect_err("the condition keeps the channel open");
        assert!(failure.to_string().contains(hint), "{failure}");
        watched(true)
            .unwrap_or_else(|failure| panic!("a weak sender keeps nothing open: {failure}"));
    }
}

/// What must hold eventually may take its time, and does not fail a run for a retry that is to come.
#[test]
fn what_must_hold_eventually_may_need_time() {
    let searched = search(|sim| async move {
        let (stored, copies) = (Arc::new(AtomicU32::new(0)), sim.probe("copies"));
        let seen = Arc::clone(&stored);
        sim.eventually("it is stored", move || seen.load(Ordering::Relaxed) == 1);
        let (sender, retries) = (copies.sender(), Arc::clone(&stored));
        sim.task("retries", async move {
            // With a limit of time, so that it does not only sleep.
            let (_keep, never) = bounded::<()>(1);
            for _ in 0..20 {
                let _ = never.recv().within(millis(100)).await;
            }
            retries.store(1, Ordering::Relaxed);
            sender.send(()).await?;
            roundrock::Ok(())
        });
        Ok(())
    });
    if let Err(failure) = searched {
        panic!("{failure}");
    }
    let never = search(|sim| async move {
        sim.eventually("it is stored", || false);
        sim.task("retries", async {
            loop {
                sleep(millis(10)).await;
            }
        });
        Ok(())
    });
    let failure = never.expect_err("it never holds");
    assert_eq!(
        failure.reason,
        Reason::Eventually("it is stored".to_owned())
    );
}
