//! Calls. Cases Y01 to Y07, O05.

use roundrock::prelude::*;
use roundrock::sim::{Reason, Sim};

use crate::failing;

#[process]
struct Desk {
    sum: u32,
    kept: Vec<Reply<u32>>,
    other: Option<roundrock::WeakHandle<Desk>>,
}

#[handlers]
impl Desk {
    fn add(&mut self, n: u32) {
        self.sum += n;
    }
    fn sum(&self) -> u32 {
        self.sum
    }
    fn forget(&mut self, reply: Reply<u32>) {
        drop(reply);
    }
    fn keep(&mut self, reply: Reply<u32>) {
        self.kept.push(reply);
    }
    fn answer(&mut self) {
        self.kept.drain(..).for_each(|reply| reply.send(9));
    }
    fn know(&mut self, other: roundrock::WeakHandle<Desk>) {
        self.other = Some(other);
    }
    async fn ask_other(&self) -> Result<u32> {
        let other = self.other.as_ref().and_then(|weak| weak.upgrade());
        Ok(other.context("nobody to ask")?.sum().await?)
    }
    async fn ask_back(&self) -> Result<u32> {
        let other = self.other.as_ref().and_then(|weak| weak.upgrade());
        Ok(other.context("nobody to ask")?.ask_other().await?)
    }
}

fn desk(scope: &Scope) -> DeskHandle {
    scope.spawn(Desk {
        sum: 0,
        kept: Vec::new(),
        other: None,
    })
}

/// A call gives the reply.
#[roundrock::test]
async fn y01_reply(sim: &Sim) -> Result<()> {
    let desk = desk(sim);
    desk.add(3).await?;
    assert_eq!(desk.sum().await?, 3);
    let later = desk.clone();
    let kept = sim.task("waits", async move { later.keep().await });
    let answers = desk.clone();
    sim.task("answers", async move {
        sleep(millis(1)).await;
        answers.answer().await
    });
    assert_eq!(kept.await?, 9);
    Ok(())
}

/// A reply that is dropped is an error at once.
#[roundrock::test]
async fn y02_reply_is_dropped(sim: &Sim) -> Result<()> {
    let desk = desk(sim);
    assert_eq!(desk.forget().await, Err(CallError::NoReply));
    assert_eq!(sim.now(), millis(0));
    Ok(())
}

/// A process that asks itself waits for itself: refused at the call, or shown as a deadlock.
#[test]
fn y06_self_ask() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let desk = desk(&sim);
        desk.know(desk.downgrade()).await?;
        desk.ask_other().await?;
        Ok(())
    });
    for failure in failures {
        match &failure.reason {
            Reason::Deadlock => {}
            Reason::Failed { error, .. } => assert!(error.contains("wait for itself"), "{failure}"),
            _ => panic!("{failure}"),
        }
    }
}

/// Two that ask each other within one call.
#[test]
fn y07_ask_cycle() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let (a, b) = (desk(&sim), desk(&sim));
        a.know(b.downgrade()).await?;
        b.know(a.downgrade()).await?;
        a.ask_back().await?;
        Ok(())
    });
    for failure in failures {
        match &failure.reason {
            Reason::Deadlock => {}
            Reason::Failed { error, .. } => assert!(error.contains("wait for itself"), "{failure}"),
            _ => panic!("{failure}"),
        }
    }
}

/// What was sent before a call is handled before it.
#[roundrock::test]
async fn o05_tell_then_ask(sim: &Sim) -> Result<()> {
    let desk = desk(sim);
    let noise = desk.clone();
    let other = sim.task("other", async move {
        roundrock::Ok(noise.add(100).send().await.is_ok())
    });
    for n in 1..=3 {
        desk.add(1).send().await?;
        assert_eq!(desk.sum().await? % 100, n);
    }
    assert!(other.await?);
    assert_eq!(desk.sum().await?, 103);
    Ok(())
}

#[process]
struct Slow;

#[handlers]
impl Slow {
    async fn nap(&mut self) {
        sleep(millis(10)).await;
    }
    fn ping(&self) {}
}

/// The time of the call is up at the moment at which the server comes to it: whoever sees that first, the caller hears of it.
#[roundrock::test]
async fn y05_a_late_call_ends_with_its_deadline_whoever_sees_it_first(sim: &Sim) -> Result<()> {
    let slow = sim.spawn(Slow);
    let busy = slow.clone();
    let nap = sim.task("naps", async move { busy.nap().await });
    sim.settle().await;
    let late = slow.ping().within(millis(10)).await;
    assert_eq!(late, Err(CallError::Deadline));
    nap.await?;
    Ok(())
}
