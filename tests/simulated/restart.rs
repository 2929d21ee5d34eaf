//! Supervision. Cases R01 to R17.

use std::sync::{Arc, Mutex};

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
            End::Normal => cx.stop(),
            End::Failure => cx.fail(roundrock::Fault::error("the reason")),
            End::Panic => panic!("the reason"),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum End {
    Normal,
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
        Some(how) => drop(part.end(how).send().await),
        None => part.kill(),
    }
    done.await;
    Ok(())
}

const ENDS: [Option<End>; 4] = [
    Some(End::Normal),
    Some(End::Failure),
    Some(End::Panic),
    None,
];

async fn restarts(sim: &Sim, restart: Restart, again: fn(Option<End>) -> bool) -> Result<()> {
    for how in ENDS {
        let parts = sim.child("parts");
        let part = add(&parts, 1, &Log::default(), restart);
        end(&part, how).await?;
        match again(how) {
            true => assert_eq!(part.incarnation().await, Ok(1), "{how:?}"),
            false => assert_eq!(part.incarnation().await, Err(CallError::Gone), "{how:?}"),
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
    restarts(sim, Restart::Transient, |how| how != Some(End::Normal)).await
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
        parts.stop(secs(5)).await;
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
    handled: Sender<u32>,
}

#[handlers]
impl Poisoned {
    async fn handle(&mut self, message: u32) -> Result<()> {
        assert_ne!(message, 0, "poison");
        self.handled.send(message).await?;
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
    for message in 0..=6 {
        process.handle(message).send_and_forget().await?;
    }
    for message in 1..=6 {
        assert_eq!(order.recv().await, Some(message));
    }
    parts.stop(secs(5)).await;
    Ok(())
}
