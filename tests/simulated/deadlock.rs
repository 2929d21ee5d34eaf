//! Kernels of deadlocks: what is proven of them, and what a test that ends in one says. Cases G01 to G08.

use std::sync::Arc;

use roundrock::prelude::*;
use roundrock::sim::{Failure, Reason, Sim};
use roundrock::sync::Mutex;

use crate::failing;
use crate::proven::Kernel;

/// A lock that processes are lent, so that it is known who holds it.
type Lock = Arc<Mutex<u32>>;

fn lock() -> Lock {
    Arc::new(Mutex::new(0))
}

const ONE: &str = "proven leaked: a process waits for itself";
const TWO: &str = "proven leaked: 2 processes wait for each other";

/// A test that waits for one of these hangs, and says who can never go on: so begins the proof, these processes are in it, and the
/// body of the test waits behind one of them.
#[track_caller]
fn is_behind(failure: &Failure, proof: &str, names: &[&str]) {
    let behind = format!("proven leaked: a process waits behind {}#", names[0]);
    is_deadlock(failure, &[(proof, names), (&behind, &["test"])]);
}

/// So begin the proofs in the report, and these processes are in them.
#[track_caller]
fn is_deadlock(failure: &Failure, findings: &[(&str, &[&str])]) {
    assert!(matches!(failure.reason, Reason::Deadlock), "{failure}");
    let proven = failure.waits.iter().filter(|text| text.contains("proven"));
    let proven: Vec<_> = proven.cloned().collect();
    failing::are_proven(failure, &proven, findings);
}

#[process]
async fn left(input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    out.send(input.recv().await.unwrap_or(0)).await?;
    Ok(())
}

#[process]
async fn right(input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    out.send(input.recv().await.unwrap_or(0)).await?;
    Ok(())
}

/// The body waits for one of two that wait for each other: the report has the way round, a line for each of the two.
#[test]
fn g01_global() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let ((a, to_a), (b, to_b)) = (rendezvous().named("a"), rendezvous().named("b"));
        let task = sim.spawn(left(to_a, b));
        sim.spawn(right(to_b, a));
        Ok(task.await?)
    });
    for failure in failures {
        is_behind(&failure, TWO, &["left", "right"]);
        let round = failure.waits.iter().find(|text| text.starts_with(TWO));
        let lines: Vec<_> = round.expect("it is there").lines().skip(1).collect();
        let [one, two, behind] = lines[..] else {
            panic!("{failure}");
        };
        let is = |line: &str, who: &str, channel: &str, other: &str| {
            let held = format!("whose only sender is held by {other}#");
            line.trim().starts_with(who) && line.contains(channel) && line.contains(&held)
        };
        let (left, right) = if one.trim().starts_with("left#") {
            (one, two)
        } else {
            (two, one)
        };
        assert!(is(left, "left#", "\"a\"", "right"), "{failure}");
        assert!(is(right, "right#", "\"b\"", "left"), "{failure}");
        assert_eq!(behind.trim(), "1 more process waits behind them");
        let of_the_body = "test#0 waits for the end of left#";
        assert!(failure.waits[0].starts_with(of_the_body), "{failure}");
    }
}

/// The body waits for one that waits for the body. What a body has is not known, so that nothing is proven; but nothing can run.
#[test]
fn g01_the_body_is_in_it() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let (to_child, from_body) = bounded::<u32>(1).named("to the child");
        let (to_body, from_child) = bounded::<u32>(1).named("to the body");
        sim.task("child", async move {
            if let Some(n) = from_body.recv().await {
                to_body.send(n).await?;
            }
            roundrock::Ok(())
        });
        from_child.recv().await;
        to_child.send(1).await?;
        Ok(())
    });
    for failure in failures {
        is_deadlock(&failure, &[]);
        let [body, child] = &failure.waits[..] else {
            panic!("{failure}");
        };
        let awaited = "waits for a message from to the body: u32, with one sender";
        assert!(
            body.starts_with("test#0") && body.contains(awaited),
            "{failure}"
        );
        let awaited = "waits for a message from to the child: u32, with one sender";
        assert!(
            child.starts_with("child#") && child.contains(awaited),
            "{failure}"
        );
    }
}

/// Takes one lock, and then the other one, after a pause.
#[process]
async fn both(first: &Lock, second: &Lock, pause: Duration) {
    let mut outer = first.lock().await;
    if !pause.is_zero() {
        sleep(pause).await;
    }
    *outer += *second.lock().await;
}

/// Two locks, taken crosswise: proven in each schedule in which both have their first one.
#[roundrock::test]
async fn g03_two_locks(sim: &Sim) {
    let kernel = Kernel::new(sim);
    let locks = [lock(), lock()];
    let [one, other] = locks.clone();
    kernel.spawn(both(one, other, millis(1)));
    let [one, other] = locks;
    kernel.spawn(both(other, one, millis(1)));
    assert_eq!(kernel.found().await, [""; 0], "both sleep");
    assert_eq!(kernel.found_later().await, ["cycle of 2 both (Lock)"]);
    kernel.end().await;
}

/// And without the pause it takes a certain schedule, which is found.
#[test]
fn g03_the_schedule_is_found() {
    let failure = failing::in_some_run(|sim: Sim| async move {
        let locks = [lock(), lock()];
        let [one, other] = locks.clone();
        let first = sim.spawn(both(one, other, millis(0)));
        let [one, other] = locks;
        let second = sim.spawn(both(other, one, millis(0)));
        first.await?;
        second.await?;
        Ok(())
    });
    is_behind(&failure, TWO, &["both"]);
    let locked = failure
        .waits
        .iter()
        .filter(|line| line.contains("waits for the lock"));
    assert_eq!(locked.count(), 2, "{failure}");
}

/// One process, one lock, twice.
#[process]
async fn twice(own: &Lock) -> Result<()> {
    let first = own.lock().await;
    let second = own.lock().await;
    ensure!(*first == *second, "not reached");
    Ok(())
}

#[roundrock::test]
async fn g04_double_lock(sim: &Sim) {
    let kernel = Kernel::new(sim);
    kernel.spawn(twice(lock()));
    assert_eq!(kernel.found().await, ["cycle of twice (Lock)"]);
    kernel.end().await;
}

/// And who waits for it is told.
#[test]
fn g04_the_report_names_it() {
    let failures =
        failing::in_every_run(|sim: Sim| async move { Ok(sim.spawn(twice(lock())).await?) });
    for failure in failures {
        is_behind(&failure, ONE, &["twice"]);
    }
}

#[process]
async fn notify(cache: &Lock, events: &Sender<u32>) -> Result<()> {
    let cached = cache.lock().await;
    events.send(*cached).await?;
    Ok(())
}

/// Comes after the other one.
#[process]
async fn drain(cache: &Lock, events: &Receiver<u32>) {
    sleep(millis(1)).await;
    let mut cached = cache.lock().await;
    while let Some(event) = events.recv().await {
        *cached += event;
    }
}

/// A lock is held over a send, and the receiver needs it.
#[roundrock::test]
async fn g06_lock_held_over_a_send(sim: &Sim) {
    let kernel = Kernel::new(sim);
    let (cache, (events, events_in)) = (lock(), rendezvous());
    kernel.spawn(notify(cache.clone(), events));
    kernel.spawn(drain(cache, events_in));
    assert_eq!(kernel.found().await, [""; 0], "it still sleeps");
    let found = kernel.found_later().await;
    assert_eq!(found, ["cycle of drain (Lock), notify (Send)"]);
    kernel.end().await;
}

/// And who waits for them is told.
#[test]
fn g06_the_report_names_both() {
    let failures = failing::in_every_run(|sim: Sim| async move {
        let (cache, (events, events_in)) = (lock(), rendezvous());
        let sends = sim.spawn(notify(cache.clone(), events));
        sim.spawn(drain(cache, events_in));
        Ok(sends.await?)
    });
    for failure in failures {
        is_behind(&failure, TWO, &["notify", "drain"]);
    }
}

#[process(mailbox = 1)]
struct Peer {
    other: Option<PeerHandle>,
}

#[handlers]
impl Peer {
    fn meet(&mut self, other: PeerHandle) {
        self.other = Some(other);
    }
    /// When both do so, the mailbox of each is full, and nobody comes to look into it.
    async fn flood(&mut self) -> Result<()> {
        sleep(millis(1)).await;
        let other = self.other.as_ref().context("they have not met")?;
        for _ in 0..2 {
            other.hear().send().await?;
        }
        Ok(())
    }
    fn hear(&self) {}
}

/// Two mailboxes that are full, and each process sends to the other.
#[roundrock::test]
async fn g08_two_full_mailboxes(sim: &Sim) -> Result<()> {
    let kernel = Kernel::new(sim);
    let one = kernel.spawn(Peer { other: None });
    let two = kernel.spawn(Peer { other: None });
    one.meet(two.clone()).await?;
    two.meet(one.clone()).await?;
    one.flood().send_and_forget().await?;
    two.flood().send_and_forget().await?;
    assert_eq!(kernel.found().await, [""; 0], "both sleep");
    assert_eq!(kernel.found_later().await, ["cycle of 2 Peer (Send)"]);
    drop((one, two));
    kernel.end().await;
    Ok(())
}
