//! Kernels of leaks: those that are none, and those that a simulation must show. Cases L01 to L35.

use std::future::{pending, poll_fn};
use std::task::Poll;

use roundrock::prelude::*;
use roundrock::sim::Sim;

use crate::failing;
use crate::proven::Kernel;

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
    let mut sent = [0; 2];
    for racer in racers {
        sent[usize::from(racer.await?)] += 1;
    }
    assert_eq!(sent, [4, 1]);
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
#[roundrock::test]
async fn l06_workers_that_hold_their_own_sender(sim: &Sim) -> Result<()> {
    let kernel = Kernel::new(sim);
    let (sender, receiver) = bounded(4);
    for _ in 0..3 {
        kernel.spawn(keeps_its_sender(receiver.clone(), sender.clone()));
    }
    drop(receiver);
    sender.send(101).await?;
    assert_eq!(kernel.found().await, [""; 0], "there is a sender outside");
    drop(sender);
    let found = kernel.found().await;
    assert_eq!(found, ["cycle of 3 keeps_its_sender (Recv)"]);
    kernel.end().await;
    Ok(())
}

/// And a test that ends so fails.
#[test]
fn l06_the_report_names_the_workers() {
    let body = |sim: Sim| async move {
        let (sender, receiver) = bounded(4);
        for _ in 0..3 {
            sim.spawn(keeps_its_sender(receiver.clone(), sender.clone()));
        }
        sender.send(1).await?;
        Ok(())
    };
    let proof = "proven leaked: 3 processes wait for each other";
    failing::leaking(body, &[(proof, &["keeps_its_sender"])]);
}

#[process]
struct Holder {
    other: Option<HolderHandle>,
}

#[handlers]
impl Holder {
    fn hold(&mut self, other: HolderHandle) {
        self.other = Some(other);
    }
    fn holds(&self) -> bool {
        self.other.is_some()
    }
}

/// Two idle processes with handles to each other.
async fn pair(scope: &Scope) -> Result<[HolderHandle; 2]> {
    let one = scope.spawn(Holder { other: None });
    let other = scope.spawn(Holder { other: None });
    one.hold(other.clone()).await?;
    other.hold(one.clone()).await?;
    Ok([one, other])
}

/// A process with a handle to itself in its state, from when the last handle outside is dropped.
#[roundrock::test]
async fn l10_handle_to_itself(sim: &Sim) -> Result<()> {
    let kernel = Kernel::new(sim);
    let process = kernel.spawn(Holder { other: None });
    process.hold(process.clone()).await?;
    assert!(process.holds().await?);
    assert_eq!(kernel.found().await, [""; 0], "we have a handle");
    drop(process);
    assert_eq!(kernel.found().await, ["cycle of Holder (Recv)"]);
    kernel.end().await;
    Ok(())
}

/// And a test that ends so fails.
#[test]
fn l10_the_report_names_the_process() {
    let body = |sim: Sim| async move {
        let process = sim.spawn(Holder { other: None });
        process.hold(process.clone()).await?;
        Ok(())
    };
    let proof = "proven leaked: a process waits for itself";
    failing::leaking(body, &[(proof, &["Holder"])]);
}

/// Two processes with handles to each other, and none outside.
#[roundrock::test]
async fn l11_handles_to_each_other(sim: &Sim) -> Result<()> {
    let kernel = Kernel::new(sim);
    let [one, other] = pair(&kernel).await?;
    drop(one);
    assert_eq!(kernel.found().await, [""; 0], "we have a handle");
    drop(other);
    assert_eq!(kernel.found().await, ["cycle of 2 Holder (Recv)"]);
    kernel.end().await;
    Ok(())
}

/// And a test that ends so fails.
#[test]
fn l11_the_report_names_both() {
    let body = |sim: Sim| async move { pair(&sim).await.map(drop) };
    let proof = "proven leaked: 2 processes wait for each other";
    failing::leaking(body, &[(proof, &["Holder"])]);
}

/// A future that keeps no waker: nobody can ever wake it, which is proven as soon as it is parked.
#[roundrock::test]
async fn l13_pending_without_a_waker(sim: &Sim) {
    let kernel = Kernel::new(sim);
    let _task = kernel.task("pending", pending::<()>());
    assert_eq!(kernel.found().await, ["no waker of pending ()"]);
    assert_eq!(sim.now(), millis(0));
    kernel.end().await;
}

/// And a test that ends so fails.
#[test]
fn l13_the_report_names_who_is_pending() {
    let body = |sim: Sim| async move {
        sim.task("pending", pending::<()>());
        Ok(())
    };
    let proof = "proven leaked: a process waits, and has left its waker with nobody";
    failing::leaking(body, &[(proof, &["pending"])]);
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

#[process]
async fn stuck(out: &Sender<u32>) -> Result<()> {
    pending::<()>().await;
    out.send(1).await?;
    Ok(())
}

#[process]
async fn listens(scope: &Scope, input: &Receiver<u32>) {
    select! {
        _ = input.recv() => {}
        _ = scope.stopping() => {}
    }
}

/// Who waits for a peer that is stuck for ever, or for the stop, is stranded: it ends with the stop, and not before.
#[roundrock::test]
async fn l26_only_a_shutdown_can_wake(sim: &Sim) -> Result<()> {
    let kernel = Kernel::new(sim);
    let (out, input) = rendezvous();
    kernel.spawn(stuck(out));
    let listener = kernel.spawn(listens(input));
    assert_eq!(
        kernel.found().await,
        ["no waker of stuck ()", "stranded: listens (Recv, Stopping)"]
    );
    sim.advance(secs(1000)).await;
    assert!(listener.exit().is_none(), "nobody has stopped it");
    let report = kernel.stop(millis(50)).await;
    let late: Vec<_> = report.late.iter().map(|late| late.name).collect();
    assert_eq!(late, ["stuck"]);
    assert!(listener.done().await.is_normal());
    kernel.end().await;
    Ok(())
}

/// Two that hold each other, and 98 that wait for the end of the one or of the other: one root, and all others behind it.
#[roundrock::test]
async fn l27_group_behind_a_cycle(sim: &Sim) -> Result<()> {
    let kernel = Kernel::new(sim);
    let handles = pair(&kernel).await?;
    for n in 0..98 {
        let done = handles[n % 2].done();
        kernel.task("behind", async move { drop(done.await) });
    }
    drop(handles);
    assert_eq!(
        kernel.found().await,
        [
            "cycle of 2 Holder (Recv); 98 behind",
            "behind Holder: 49 behind (Join)",
            "behind Holder: 49 behind (Join)",
        ]
    );
    kernel.end().await;
    Ok(())
}

/// And a test that ends so fails.
#[test]
fn l27_the_report_names_the_root_and_those_behind() {
    let body = |sim: Sim| async move {
        let [one, _other] = pair(&sim).await?;
        for _ in 0..10 {
            let done = one.done();
            sim.task("behind", async move { drop(done.await) });
        }
        Ok(())
    };
    let root = "proven leaked: 2 processes wait for each other";
    let behind = "proven leaked: 10 processes wait behind Holder#";
    failing::leaking(body, &[(root, &["Holder"]), (behind, &["behind"])]);
}

/// Who waits for an answer from a table is never accused: the table may be anywhere, and the answers come.
#[roundrock::test]
async fn l30_pending_table(sim: &Sim) -> Result<()> {
    #[process]
    async fn asks(calls: &Sender<OneshotSender<u32>>, number: u32) -> Result<()> {
        let (answer, answered) = oneshot();
        calls.send(answer).await?;
        assert_eq!(answered.recv().await, Some(number));
        Ok(())
    }
    let kernel = Kernel::new(sim);
    let (calls, called) = bounded::<OneshotSender<u32>>(4);
    let (go, gate) = bounded::<()>(1);
    let table = kernel.task("table", async move {
        let mut pending = Vec::new();
        for number in 0..2 {
            pending.push((number, called.recv().await.context("nobody calls")?));
        }
        gate.recv().await;
        for (number, caller) in pending {
            ensure!(caller.send(number).is_ok(), "the caller has gone");
        }
        roundrock::Ok(())
    });
    let first = kernel.spawn(asks(calls.clone(), 0));
    sim.settle().await;
    let second = kernel.spawn(asks(calls, 1));
    for _ in 0..3 {
        assert_eq!(kernel.found_later().await, [""; 0]);
    }
    assert!(first.exit().is_none() && second.exit().is_none());
    go.send(()).await?;
    table.await?;
    assert!(first.done().await.is_normal() && second.done().await.is_normal());
    kernel.end().await;
    Ok(())
}

/// A name keeps what it leads to reachable; when it is taken back, two that hold each other are leaked.
#[roundrock::test]
async fn l35_registered_name(sim: &Sim) -> Result<()> {
    let kernel = Kernel::new(sim);
    let handles = pair(&kernel).await?;
    kernel.register("one", &handles[0])?;
    drop(handles);
    assert_eq!(kernel.found_later().await, [""; 0], "the name leads to it");
    let found = kernel.lookup::<HolderHandle>("one").context("no name")?;
    assert!(found.holds().await?);
    drop(found);
    assert_eq!(kernel.found().await, [""; 0]);
    assert!(kernel.unregister("one"));
    assert_eq!(kernel.found().await, ["cycle of 2 Holder (Recv)"]);
    kernel.end().await;
    Ok(())
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
