//! Kernels of leaks: those that are none, and those that a simulation must show. Cases L01 to L35.

use std::future::{pending, poll_fn};
use std::sync::Arc;
use std::task::Poll;

use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock::sync::{Mutex, Semaphore};

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

/// A lock that a process is lent.
type Lock = Arc<Mutex<u32>>;

/// Ends with its guard, which nobody will ever drop.
#[process]
#[expect(clippy::mem_forget, reason = "what the tests are about")]
async fn forgets_a_guard(lock: Lock) {
    let own: &'static Lock = Box::leak(Box::new(lock));
    std::mem::forget(own.lock().await);
}

#[process]
#[expect(clippy::mem_forget, reason = "what the tests are about")]
async fn forgets_a_permit(limit: &Semaphore) {
    std::mem::forget(limit.acquire().await);
}

#[process]
async fn wants_the_lock(lock: &Lock) {
    *lock.lock().await += 1;
}

#[process]
async fn wants_a_permit(limit: &Semaphore) {
    drop(limit.acquire().await);
}

/// What these wait for had an owner that has ended. Nothing is proven of them, and somebody else waits for the stop, so that the test is
/// not over by itself: but it says whose fault it is, and not only that they are late.
#[test]
fn who_waits_for_what_was_forgotten_fails_a_test() {
    let of_a_lock = |sim: Sim| async move {
        let lock = Lock::default();
        sim.spawn(forgets_a_guard(Arc::clone(&lock))).await?;
        sim.spawn(wants_the_lock(lock));
        sim.task("listens", sim.stopping());
        sleep(secs(100)).await;
        Ok(())
    };
    let of_a_permit = |sim: Sim| async move {
        let limit = Semaphore::new(1);
        sim.spawn(forgets_a_permit(limit.clone())).await?;
        sim.spawn(wants_a_permit(limit));
        sim.task("listens", sim.stopping());
        sleep(secs(100)).await;
        Ok(())
    };
    const ORPHAN: &str = "orphaned: a process has waited for 1";
    failing::leaking(
        of_a_lock,
        &[(ORPHAN, &["wants_the_lock", "forgets_a_guard"])],
    );
    failing::leaking(
        of_a_permit,
        &[(ORPHAN, &["wants_a_permit", "forgets_a_permit"])],
    );
}

/// Puts its answers aside, and ends.
#[process]
struct Broker {
    table: Arc<std::sync::Mutex<Vec<Reply<u32>>>>,
}

#[handlers]
impl Broker {
    fn ask(&mut self, answer: Reply<u32>, cx: &mut Cx) {
        self.table
            .lock()
            .expect("no test panics in it")
            .push(answer);
        cx.stop();
    }
}

#[process]
async fn asks(broker: &BrokerHandle) -> Result<u32> {
    Ok(broker.ask().await?)
}

/// The same of a reply, which the caller waits for while somebody else waits for the stop.
#[test]
fn who_waits_for_a_reply_that_was_forgotten_fails_a_test() {
    let body = |sim: Sim| async move {
        let table = Arc::default();
        let broker = sim.spawn(Broker {
            table: Arc::clone(&table),
        });
        sim.spawn(asks(broker));
        let stopping = sim.stopping();
        sim.task("keeps", async move {
            stopping.await;
            drop(table);
        });
        sleep(secs(100)).await;
        Ok(())
    };
    failing::leaking(body, &[("orphaned: a process", &["asks", "Broker"])]);
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
