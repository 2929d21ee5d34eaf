//! Kernels of leaks: those that are none, and those that a simulation must show. Cases L01 to L35.

use std::future::{pending, poll_fn};
use std::task::Poll;

use roundrock::prelude::*;
use roundrock::sim::{Reason, Sim};

use crate::failing;

/// The parent leaves early: its child gets its message back, and ends.
#[roundrock::test]
async fn l01_early_return(sim: &Sim) -> Result<()> {
    let (sender, receiver) = rendezvous();
    let child = sim.task("child", async move {
        roundrock::Ok(sender.send(7).await.is_err())
    });
    drop(receiver);
    assert!(child.await?);
    Ok(())
}

/// The parent's time is up first.
#[roundrock::test]
async fn l02_timeout(sim: &Sim) -> Result<()> {
    let (sender, receiver) = rendezvous();
    let child = sim.task("child", async move {
        sleep(secs(2)).await;
        roundrock::Ok(sender.send(7).await.is_err())
    });
    assert!(receiver.recv().within(secs(1)).await.is_err());
    drop(receiver);
    assert!(child.await?);
    Ok(())
}

/// Five race, one answer is taken: the others get theirs back.
#[roundrock::test]
async fn l03_first_answer_wins(sim: &Sim) -> Result<()> {
    let (sender, receiver) = rendezvous();
    let racers: Vec<_> = (0..5)
        .map(|n| {
            let sender = sender.clone();
            sim.task("racer", async move {
                roundrock::Ok(sender.send(n).await.is_ok())
            })
        })
        .collect();
    sender.finish();
    receiver.recv().await.context("nobody races")?;
    drop(receiver);
    let mut winners = 0;
    for racer in racers {
        winners += u32::from(racer.await?);
    }
    assert_eq!(winners, 1);
    Ok(())
}

/// A loop over a channel whose sender is dropped ends.
#[roundrock::test]
async fn l05_range_whose_sender_is_dropped(sim: &Sim) -> Result<()> {
    let (sender, receiver) = bounded(2);
    let sum = sim.task("sums", async move {
        let mut sum = 0;
        while let Some(n) = receiver.recv().await {
            sum += n;
        }
        roundrock::Ok(sum)
    });
    sender.send(3).await?;
    sender.send(4).await?;
    drop(sender);
    assert_eq!(sum.await?, 7);
    Ok(())
}

#[process]
async fn keeps_its_sender(jobs: &Receiver<u32>, own: &Sender<u32>) {
    while let Some(job) = jobs.recv().await {
        if job > 100 {
            own.send(job - 100).await.ok();
        }
    }
}

/// Workers that hold a sender to their own input wait for ever.
#[test]
fn l06_workers_that_hold_their_own_sender() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let (sender, receiver) = bounded(4);
        for _ in 0..3 {
            sim.spawn(keeps_its_sender(receiver.clone(), sender.clone()));
        }
        sender.send(1).await?;
        Ok(())
    });
    for failure in failures {
        let Reason::Leak(found) = &failure.reason else {
            panic!("{failure}");
        };
        assert_eq!(found.len(), 1, "{failure}");
        let proven = "proven leaked: 3 processes wait for each other";
        assert!(found[0].starts_with(proven), "{failure}");
    }
}

#[process]
struct SelfHolder {
    me: Option<SelfHolderHandle>,
}

#[handlers]
impl SelfHolder {
    fn hold(&mut self, me: SelfHolderHandle) {
        self.me = Some(me);
    }
    fn holds(&self) -> bool {
        self.me.is_some()
    }
}

/// A process with a handle to itself in its state.
#[test]
fn l10_handle_to_itself() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let process = sim.spawn(SelfHolder { me: None });
        process.hold(process.clone()).await?;
        ensure!(process.holds().await?, "it does not hold itself");
        Ok(())
    });
    for failure in failures {
        let Reason::Leak(processes) = &failure.reason else {
            panic!("{failure}");
        };
        assert_eq!(processes.len(), 1, "{failure}");
        assert!(processes[0].contains("SelfHolder"), "{failure}");
    }
}

/// Two processes with handles to each other.
#[test]
fn l11_handles_to_each_other() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let one = sim.spawn(SelfHolder { me: None });
        let other = sim.spawn(SelfHolder { me: None });
        one.hold(other.clone()).await?;
        other.hold(one.clone()).await?;
        Ok(())
    });
    for failure in failures {
        assert!(
            matches!(&failure.reason, Reason::Leak(found)
                if found.len() == 1 && found[0].starts_with("proven leaked: 2 processes wait for each other")),
            "{failure}"
        );
    }
}

/// A future that keeps no waker: nobody can ever wake it.
#[test]
fn l13_pending_without_a_waker() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        sim.task("pending", async { pending::<()>().await });
        Ok(())
    });
    for failure in failures {
        assert!(
            matches!(&failure.reason, Reason::Leak(list) | Reason::Late(list) if list[0].contains("pending")),
            "{failure}"
        );
    }
}

/// A signal that is never sent, whose holder is dropped.
#[roundrock::test]
async fn l16_done_signal_is_dropped(sim: &Sim) -> Result<()> {
    let (done, is_done) = oneshot::<()>();
    let waits = sim.task("waits", async move { roundrock::Ok(is_done.recv().await) });
    sim.task("forgets", async move { drop(done) });
    assert_eq!(waits.await?, None);
    Ok(())
}

/// Who waits for a peer that is gone for ever or for the stop ends with the stop.
#[roundrock::test]
async fn l26_only_a_shutdown_can_wake(sim: &Sim) -> Result<()> {
    let (held, receiver) = bounded::<u32>(1);
    let scope = Scope::clone(sim);
    sim.task("waits", async move {
        let _held = held;
        select! {
            _ = receiver.recv() => {}
            _ = scope.stopping() => {}
        }
    });
    Ok(())
}

/// Two that hold each other, and ten that wait for them: all are told.
#[test]
fn l27_group_behind_a_cycle() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let one = sim.spawn(SelfHolder { me: None });
        let other = sim.spawn(SelfHolder { me: None });
        one.hold(other.clone()).await?;
        other.hold(one.clone()).await?;
        for _ in 0..10 {
            let done = one.done();
            sim.task("behind", async move { drop(done.await) });
        }
        Ok(())
    });
    for failure in failures {
        assert!(
            matches!(&failure.reason, Reason::Leak(found)
                if found.len() == 2 && found[1].starts_with("proven leaked: 10 processes wait behind SelfHolder#")),
            "{failure}"
        );
    }
}

/// A table of those who wait for an answer is no leak: the answer comes later.
#[roundrock::test]
async fn l30_pending_table(sim: &Sim) -> Result<()> {
    let (calls, called) = bounded::<OneshotSender<u32>>(4);
    sim.task("table", async move {
        let mut pending = Vec::new();
        while let Some(caller) = called.recv().await {
            pending.push(caller);
        }
        sleep(secs(1)).await;
        for (n, caller) in pending.into_iter().enumerate() {
            caller.send(n as u32).ok();
        }
    });
    let (one, first) = oneshot();
    let (two, second) = oneshot();
    calls.send(one).await?;
    calls.send(two).await?;
    calls.finish();
    assert_eq!(first.recv().await, Some(0));
    assert_eq!(second.recv().await, Some(1));
    Ok(())
}

/// A name keeps what it leads to reachable; when it is taken back, two that hold each other are leaked.
#[test]
fn l35_registered_name() {
    for named in [true, false] {
        let body = move |sim: Sim| async move {
            let one = sim.spawn(SelfHolder { me: None });
            one.hold(one.clone()).await?;
            sim.register("one", &one)?;
            let found: Option<SelfHolderHandle> = sim.lookup("one");
            ensure!(found.is_some(), "the name does not lead to it");
            if !named {
                sim.unregister("one");
            }
            sim.settle().await;
            one.holds().await?;
            one.kill();
            one.closed().await;
            Ok(())
        };
        if let Err(failure) = roundrock::sim::Simulation::new("named").run(body) {
            panic!("{failure}");
        }
    }
}

/// A future of the user's own that is woken by somebody is no leak.
#[roundrock::test]
async fn l36_foreign_future_that_is_woken(sim: &Sim) -> Result<()> {
    let mut left = 3;
    let foreign = sim.task("foreign", async move {
        let seven = poll_fn(move |cx| {
            left -= 1;
            if left == 0 {
                return Poll::Ready(7);
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        roundrock::Ok(seven.await)
    });
    assert_eq!(foreign.await?, 7);
    Ok(())
}
