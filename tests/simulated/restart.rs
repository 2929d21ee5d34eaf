//! Supervision. Cases R01 to R17.

use std::sync::{Arc, Mutex};

use roundrock::channel::TryRecvError;
use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock::supervise::{GaveUp, Restart};
use roundrock_tests::yield_now;

/// What happened, in order.
#[derive(Debug, Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn note(&self, what: String) {
        self.0.lock().expect("no test panics in it").push(what);
    }
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().expect("no test panics in it"))
    }
}

/// A child that notes its starts and stops, and ends in any way it is asked to.
#[process]
struct Part {
    name: u32,
    log: Log,
}

#[handlers]
impl Part {
    #[on_start]
    async fn start(&mut self) {
        yield_now().await;
        self.log.note(format!("+{}", self.name));
    }
    #[on_stop]
    async fn stopped(&mut self) {
        yield_now().await;
        self.log.note(format!("-{}", self.name));
    }
    fn incarnation(&self, cx: &mut Cx) -> u32 {
        cx.incarnation()
    }
    fn end(&mut self, how: End, cx: &mut Cx) {
        match how {
            End::Normal | End::Stop => cx.stop(),
            End::Failure => cx.fail(roundrock::Fault::error("the reason")),
            End::Panic => panic!("the reason"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Normal,
    Stop,
    Failure,
    Panic,
}

fn add(scope: &Scope, name: u32, log: &Log, restart: Restart) -> PartHandle {
    let log = log.clone();
    scope
        .supervise(move || Part {
            name,
            log: log.clone(),
        })
        .restart(restart)
        .spawn()
}

/// Ends the present incarnation.
async fn end(part: &PartHandle, how: Option<End>) -> Result<()> {
    part.incarnation().await?;
    let done = part.done();
    match how {
        Some(End::Stop) => part.stop(),
        Some(how) => drop(part.end(how).send().await),
        None => part.kill(),
    }
    done.await;
    Ok(())
}

const ENDS: [Option<End>; 5] = [
    Some(End::Normal),
    Some(End::Stop),
    Some(End::Failure),
    Some(End::Panic),
    None,
];

async fn restarts(sim: &Sim, restart: Restart, again: impl Fn(Option<End>) -> bool) -> Result<()> {
    for how in ENDS {
        let parts = sim.child("parts");
        let part = add(&parts, 1, &Log::default(), restart);
        end(&part, how).await?;
        match again(how) {
            true => assert_eq!(part.incarnation().await, Ok(1), "{how:?}"),
            false => assert_eq!(part.incarnation().await, Err(CallError::Gone), "{how:?}"),
        }
        sim.settle().await;
        assert!(!parts.is_stopping(), "{how:?}");
        if restart == Restart::Temporary {
            let left = sim.system().snapshot().children;
            assert!(left.is_empty(), "{how:?}: {left:?}");
        }
        parts.stop(secs(5)).await;
    }
    Ok(())
}

/// A permanent child is started again in any case.
#[roundrock::test]
async fn r01_permanent(sim: &Sim) -> Result<()> {
    restarts(sim, Restart::Permanent, |_| true).await
}

/// A transient one after a failure, a panic or a kill.
#[roundrock::test]
async fn r02_transient(sim: &Sim) -> Result<()> {
    let is_normal = |how| matches!(how, Some(End::Normal | End::Stop));
    restarts(sim, Restart::Transient, move |how| !is_normal(how)).await
}

/// A temporary one never.
#[roundrock::test]
async fn r03_temporary(sim: &Sim) -> Result<()> {
    restarts(sim, Restart::Temporary, |_| false).await
}

async fn second_of_three_is_killed(
    parts: &Scope,
    log: &Log,
) -> Result<([PartHandle; 3], Vec<u32>)> {
    let handles = [1, 2, 3].map(|name| add(parts, name, log, Restart::Permanent));
    handles[2].incarnation().await?;
    assert_eq!(log.take(), ["+1", "+2", "+3"]);
    end(&handles[1], None).await?;
    let mut incarnations = Vec::new();
    for handle in &handles {
        // The others may be on their way down or up.
        let incarnation = loop {
            match handle.incarnation().await {
                Ok(incarnation) => break incarnation,
                Err(CallError::Crashed) => {}
                Err(error) => return Err(error.into()),
            }
        };
        incarnations.push(incarnation);
    }
    Ok((handles, incarnations))
}

/// One for one: only the one that was killed is another one.
#[roundrock::test]
async fn r04_one_for_one(sim: &Sim) -> Result<()> {
    let (parts, log) = (sim.child("parts"), Log::default());
    let (_handles, incarnations) = second_of_three_is_killed(&parts, &log).await?;
    assert_eq!(incarnations, [0, 1, 0]);
    assert_eq!(log.take(), ["+2"]);
    parts.stop(secs(5)).await;
    assert_eq!(log.take(), ["-3", "-2", "-1"]);
    Ok(())
}

/// One for all: all are stopped, the last one first, and started in order.
#[roundrock::test]
async fn r05_one_for_all(sim: &Sim) -> Result<()> {
    let (parts, log) = (sim.child("parts").one_for_all(), Log::default());
    let handles = [1, 2, 3].map(|name| add(&parts, name, &log, Restart::Permanent));
    handles[2].incarnation().await?;
    log.take();
    end(&handles[1], None).await?;
    sim.advance(secs(1)).await;
    assert_eq!(log.take(), ["-3", "-1", "+1", "+2", "+3"]);
    for handle in &handles {
        assert_eq!(handle.incarnation().await?, 1);
    }
    parts.stop(secs(5)).await;
    Ok(())
}

/// A temporary child is stopped with the others, and not started again.
#[roundrock::test]
async fn r07_temporary_bystander(sim: &Sim) -> Result<()> {
    for all in [true, false] {
        let parts = sim.child("parts");
        let parts = if all {
            parts.one_for_all()
        } else {
            parts.rest_for_one()
        };
        let log = Log::default();
        let first = add(&parts, 1, &log, Restart::Permanent);
        let bystander = add(&parts, 2, &log, Restart::Temporary);
        bystander.incarnation().await?;
        end(&first, Some(End::Panic)).await?;
        sim.advance(secs(1)).await;
        assert_eq!(bystander.incarnation().await, Err(CallError::Gone));
        assert_eq!(first.incarnation().await, Ok(1));
        assert_eq!(log.take(), ["+1", "+2", "-2", "+1"]);
        assert!(!parts.is_stopping(), "the supervisor lives");
        parts.stop(secs(5)).await;
    }
    Ok(())
}

/// Ends when its input does, and takes its time.
#[process]
async fn slow(input: &Receiver<()>) {
    while input.recv().await.is_some() {}
    sleep(secs(1)).await;
}

/// Who fails because another one failed, before its turn to be stopped comes, is one with that failure, as in Erlang: it counts
/// once, and everybody comes back once.
#[roundrock::test]
async fn r08_a_common_fall_counts_once(sim: &Sim) -> Result<()> {
    for all in [true, false] {
        // Whoever is stopped by its handle is not to come back.
        let ends = ENDS.into_iter().filter(|&how| how != Some(End::Stop));
        for how in ends {
            let parts = sim.child("parts").intensity(1, secs(10));
            let parts = if all {
                parts.one_for_all()
            } else {
                parts.rest_for_one()
            };
            let (log, (open, input)) = (Log::default(), rendezvous());
            let first = add(&parts, 1, &log, Restart::Transient);
            let second = add(&parts, 2, &log, Restart::Transient);
            let _ = parts.supervise(slow(input)).spawn();
            sim.settle().await;
            end(&first, Some(End::Panic)).await?;
            sim.settle().await;
            // The last one is stopped first, and is still at it.
            end(&second, how).await?;
            sim.advance(secs(3)).await;
            assert!(!parts.is_stopping(), "{how:?} was counted");
            assert_eq!(first.incarnation().await, Ok(1));
            assert_eq!(second.incarnation().await, Ok(1), "{how:?}");
            log.take();
            drop(open);
            parts.stop(secs(5)).await;
        }
    }
    Ok(())
}

/// Two restarts within the window are borne, a third one is not, and all reasons are told.
#[roundrock::test]
async fn r08_intensity_is_exact(sim: &Sim) -> Result<()> {
    let group = sim.group(async |group| {
        let parts = group.child("parts").intensity(2, secs(10));
        let part = add(&parts, 1, &Log::default(), Restart::Permanent);
        for n in 0..2 {
            assert_eq!(part.incarnation().await?, n);
            end(&part, Some(End::Failure)).await?;
        }
        assert_eq!(part.incarnation().await?, 2);
        end(&part, Some(End::Failure)).await?;
        parts.join().await
    });
    let error = group.await.expect_err("the third failure is one too many");
    assert!(error.chain().any(|cause| cause.is::<GaveUp>()), "{error:?}");
    Ok(())
}

#[process]
struct Poisoned {
    handled: Sender<(u32, u32)>,
}

#[handlers]
impl Poisoned {
    async fn handle(&mut self, message: u32, cx: &mut Cx) -> Result<()> {
        assert_ne!(message, 0, "poison");
        self.handled.send((cx.incarnation(), message)).await?;
        Ok(())
    }
}

/// What is queued behind a message that crashes is handled by the next incarnation, in order; the message itself is not.
#[roundrock::test]
async fn r17_mailbox_survives_a_restart(sim: &Sim) -> Result<()> {
    let parts = sim.child("parts");
    let (handled, order) = bounded(16);
    let process = parts
        .supervise(move || Poisoned {
            handled: handled.clone(),
        })
        .spawn();
    for message in 0..=10 {
        process.handle(message).send_and_forget().await?;
    }
    for message in 1..=10 {
        assert_eq!(order.recv().await, Some((1, message)));
    }
    sim.settle().await;
    assert_eq!(order.try_recv(), Err(TryRecvError::Empty));
    parts.stop(secs(5)).await;
    Ok(())
}

/// When the incarnations of a child began, and how long each is up before it fails; the last one for all that follow.
type Lives = (Arc<Mutex<Vec<Instant>>>, Vec<Duration>);

#[process]
async fn lives(lives: &Lives) -> Result<()> {
    let number = {
        let mut begun = lives.0.lock().expect("no test panics in it");
        begun.push(roundrock::time::now());
        begun.len() - 1
    };
    sleep(lives.1[number.min(lives.1.len() - 1)]).await;
    bail!("again")
}

/// Runs a child that is up for these times, in a scope of its own, for a while. Returns when its incarnations began.
async fn begun(
    sim: &Sim,
    up: &[Duration],
    pauses: std::ops::Range<Duration>,
    intensity: Option<usize>,
    limit: Duration,
) -> Vec<Duration> {
    let lives_of = Lives::from((Arc::default(), up.to_vec()));
    let (begun, from) = (Arc::clone(&lives_of.0), roundrock::time::now());
    let result = sim
        .group(async |group: Scope| {
            let mut scope = group.child("lives");
            if let Some(limit) = intensity {
                scope = scope.intensity(limit, secs(10));
            }
            drop(scope.supervise(lives(lives_of)).backoff(pauses).spawn());
            sleep(limit).await;
            scope.stop(secs(0)).await;
            // It may have given up, which is what is asked here; without this `run` would say so too.
            let _ = scope.join().await;
            roundrock::Ok(())
        })
        .await;
    drop(result);
    let begun = begun.lock().expect("no test panics in it");
    begun.iter().map(|&at| at - from).collect()
}

/// Five restarts in any ten seconds are borne if nothing else is said, and six are not.
#[roundrock::test]
async fn r08_five_in_ten_seconds_is_the_default(sim: &Sim) -> Result<()> {
    let no_pause = millis(0)..millis(0);
    let rare = begun(sim, &[millis(2001)], no_pause.clone(), None, secs(60)).await;
    assert_eq!(rare.len(), 30, "{rare:?}");
    let often = begun(sim, &[millis(1999)], no_pause, None, secs(60)).await;
    assert_eq!(often.len(), 6, "{often:?}");
    Ok(())
}

/// What a child starts does not listen when it fails, so each failure costs all of the time that there is for a stop. That is given once:
/// otherwise no window would ever see too many failures.
#[roundrock::test]
async fn r08_a_crash_loop_over_deaf_children_gives_up(sim: &Sim) -> Result<()> {
    #[process]
    async fn parent(starts: &Arc<Mutex<u32>>, scope: &Scope) -> Result<()> {
        *starts.lock().expect("no test panics in it") += 1;
        let _deaf = scope.task("deaf", async {
            loop {
                sleep(secs(1)).await;
            }
        });
        bail!("again")
    }

    let (starts, from) = (Arc::new(Mutex::new(0)), roundrock::time::now());
    let parts = sim.child("parts");
    let _ = parts.supervise(parent(Arc::clone(&starts))).spawn();
    let error = parts.join().await.expect_err("it fails again and again");
    let gave_up = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<GaveUp>());
    assert_eq!(gave_up.map(|gave_up| gave_up.reasons().len()), Some(6));
    assert_eq!(*starts.lock().expect("no test panics in it"), 6);
    let took = roundrock::time::now() - from;
    assert!((secs(5)..secs(10)).contains(&took), "{took:?}");
    Ok(())
}

/// Who listens keeps its time for its end, each time.
#[roundrock::test]
async fn children_that_listen_keep_their_time(sim: &Sim) -> Result<()> {
    #[process]
    async fn parent(ends: &Arc<Mutex<u32>>, scope: &Scope) -> Result<()> {
        let (ends, stopping) = (Arc::clone(ends), scope.stopping());
        let _listens = scope.task("listens", async move {
            stopping.await;
            sleep(secs(2)).await;
            *ends.lock().expect("no test panics in it") += 1;
        });
        bail!("again")
    }

    let ends = Arc::new(Mutex::new(0));
    let parts = sim.child("parts").intensity(100, secs(10));
    let _ = parts.supervise(parent(Arc::clone(&ends))).spawn();
    sleep(secs(20)).await;
    parts.stop(secs(5)).await;
    let ends = *ends.lock().expect("no test panics in it");
    assert!(ends >= 5, "{ends} came to their end");
    Ok(())
}

/// Pauses double, with up to a quarter more, up to the longest, and begin anew when a child was up for ten seconds.
#[roundrock::test]
async fn p31_pauses_grow_and_begin_anew(sim: &Sim) -> Result<()> {
    let up = [0, 0, 0, 0, 10, 0].map(secs);
    let begun = begun(sim, &up, millis(100)..millis(500), Some(1000), secs(13)).await;
    let up = up.iter().chain(std::iter::repeat(&up[5]));
    let pauses = begun.windows(2).zip(up).map(|(at, up)| at[1] - at[0] - *up);
    let pauses: Vec<_> = pauses.take(7).collect();
    for (pause, least) in pauses.iter().zip([100, 200, 400, 375, 100, 200, 400]) {
        let most = if least == 375 { 500 } else { least + least / 4 };
        assert!((millis(least)..=millis(most)).contains(pause), "{pauses:?}");
    }
    assert_eq!(pauses.len(), 7);
    Ok(())
}

/// What a process returns may be any error, and `?` converts to it: of a type of its own, one that holds any other and is none itself,
/// as anyhow's does, or ours, into which such a one comes by `map_err(Error::new)`.
#[roundrock::test]
async fn errors_of_every_kind_end_a_process(sim: &Sim) -> Result<()> {
    fn parsed(text: &str) -> Result<u32, std::num::ParseIntError> {
        text.parse()
    }

    fn reported(text: &str) -> anyhow::Result<u32> {
        Ok(parsed(text)?)
    }

    #[process]
    async fn standard(text: &String) -> std::result::Result<u32, std::num::ParseIntError> {
        let number = parsed(text)?;
        Ok(number)
    }

    #[process]
    async fn report(text: &String) -> std::result::Result<u32, anyhow::Error> {
        let number = reported(text)?;
        Ok(number)
    }

    #[process]
    async fn ours(text: &String) -> Result<u32> {
        Ok(parsed(text)?)
    }

    #[process]
    async fn told(text: &String) -> Result<u32> {
        let number = parsed(text).context("no number")?;
        Ok(number)
    }

    #[process]
    async fn with_context(text: &String) -> anyhow::Result<u32> {
        anyhow::Context::context(parsed(text), "no number of anyhow's")
    }

    #[process]
    async fn ours_of_a_report(text: &String) -> Result<u32> {
        let number = reported(text).map_err(Error::new)?;
        Ok(number)
    }

    for text in ["7", "x"] {
        let tasks = [
            (sim.spawn_isolated(standard(text.to_owned())), &[][..]),
            (sim.spawn_isolated(report(text.to_owned())), &[][..]),
            (sim.spawn_isolated(ours(text.to_owned())), &[][..]),
            (
                sim.spawn_isolated(with_context(text.to_owned())),
                &["no number of anyhow's"],
            ),
            (sim.spawn_isolated(told(text.to_owned())), &["no number"]),
            (
                sim.spawn_isolated(ours_of_a_report(text.to_owned())),
                &[][..],
            ),
        ];
        for (task, before) in tasks {
            match task.await {
                Ok(number) => assert_eq!((number, text), (7, "7")),
                Err(exit) => {
                    let mut chain = exit.reason().chain;
                    assert_eq!(
                        chain.pop().as_deref(),
                        Some("invalid digit found in string")
                    );
                    assert_eq!(chain, before);
                    assert_eq!(text, "x");
                }
            }
        }
    }
    Ok(())
}

/// The same of eyre's, which is another such type.
#[roundrock::test]
async fn errors_of_eyre_end_a_process(sim: &Sim) -> Result<()> {
    fn parsed(text: &str) -> eyre::Result<u32> {
        Ok(text.parse()?)
    }

    #[process]
    async fn theirs(text: &String) -> eyre::Result<u32> {
        eyre::WrapErr::wrap_err(parsed(text), "the outermost")
    }

    #[process]
    async fn ours(text: &String) -> Result<u32> {
        let number = parsed(text).context("the outermost")?;
        Ok(number)
    }

    for text in ["7", "x"] {
        let (theirs, ours) = (theirs(text.to_owned()), ours(text.to_owned()));
        for task in [sim.spawn_isolated(theirs), sim.spawn_isolated(ours)] {
            match task.await {
                Ok(number) => assert_eq!((number, text), (7, "7")),
                Err(exit) => assert_eq!(
                    (exit.reason().chain, text),
                    (
                        vec![
                            "the outermost".to_owned(),
                            "invalid digit found in string".to_owned()
                        ],
                        "x"
                    )
                ),
            }
        }
    }
    Ok(())
}
