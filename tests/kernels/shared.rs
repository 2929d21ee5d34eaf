//! Endpoints that several processes have together, of which one is not parked, or has a message in hand that nobody sees: nobody who
//! waits for them is proven stuck. Where no message is left, all who share a receiver are judged by who could send one.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;

use roundrock::leaks::Verdict;
use roundrock::prelude::*;

use crate::control::{control_anywhere, instance};
use crate::kept::begun;
use crate::kit::{Lab, Meet, WaitKind, at, lab, who};

/// One worker of a pool sleeps with its job, and the other one waits for the next: they have one receiver and one sender together.
#[test]
fn pool_of_which_one_worker_sleeps() {
    #[process]
    async fn works(jobs: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
        while let Some(job) = jobs.recv().await {
            sleep(millis(3)).await;
            out.send(job).await?;
        }
        Ok(())
    }

    #[process]
    async fn asks(jobs: &Sender<u32>, results: &Receiver<u32>) -> Result<()> {
        jobs.send(1).await?;
        assert_eq!(results.recv().await, Some(1));
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((jobs, inbox), (out, results)) = (bounded(1), bounded(1));
        let _ = scope.pool(2, works(inbox, out));
        instance(scope.spawn(asks(jobs, results)), || {})
    });
}

/// The same, where all but the one that sleeps have ended.
#[test]
fn pool_of_which_one_worker_is_left() {
    #[process]
    async fn works(jobs: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
        let Some(job) = jobs.recv().await else {
            return Ok(());
        };
        if job == 0 {
            return Ok(());
        }
        sleep(millis(3)).await;
        out.send(job).await?;
        Ok(())
    }

    #[process]
    async fn asks(jobs: &Sender<u32>, results: &Receiver<u32>) -> Result<()> {
        for job in [0, 1, 0] {
            jobs.send(job).await?;
        }
        assert_eq!(results.recv().await, Some(1));
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((jobs, inbox), (out, results)) = (bounded(1), bounded(1));
        let _ = scope.pool(3, works(inbox, out));
        instance(scope.spawn(asks(jobs, results)), || {})
    });
}

/// A message lies in a future that its process has begun and put aside. When that is dropped, the other one that has the receiver
/// gets it.
#[test]
fn message_in_a_future_that_is_kept() {
    type Input = Arc<Receiver<u32>>;

    #[process]
    async fn keeps(meet: Meet, input: Input) {
        {
            let mut first = pin!(input.recv());
            assert!(!begun(first.as_mut()).await);
            meet.all(1).await;
            sleep(millis(3)).await;
        }
        meet.reached(3).await;
    }

    #[process]
    async fn takes(meet: Meet, input: Input, done: &Sender<()>) -> Result<()> {
        meet.reached(1).await;
        meet.all(1).await;
        assert_eq!(input.recv().await, Some(1));
        done.send(()).await?;
        Ok(())
    }

    #[process]
    async fn sends(meet: Meet, out: &Sender<u32>, done: &Receiver<()>) -> Result<()> {
        meet.reached(2).await;
        out.send(1).await?;
        assert_eq!(done.recv().await, Some(()));
        meet.all(1).await;
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((out, input), (tell, done), meet) = (rendezvous(), rendezvous(), Meet::default());
        let input = Arc::new(input);
        scope.spawn(keeps(meet.clone(), Arc::clone(&input)));
        scope.spawn(takes(meet.clone(), input, tell));
        instance(scope.spawn(sends(meet, out, done)), || {})
    });
}

/// The same, where the one that gets it has put its receive aside too: the message comes back twice.
#[test]
fn message_that_comes_back_twice() {
    #[process]
    async fn keeps(meet: Meet, input: Receiver<u32>, turn: usize) {
        meet.reached(turn).await;
        let mut first = pin!(input.recv());
        assert!(!begun(first.as_mut()).await);
        meet.all(1).await;
        sleep(millis(2 + 2 * turn as u64)).await;
    }

    #[process]
    async fn takes(meet: Meet, input: Receiver<u32>, done: &Sender<()>) -> Result<()> {
        meet.reached(2).await;
        meet.all(1).await;
        assert_eq!(input.recv().await, Some(1));
        done.send(()).await?;
        Ok(())
    }

    #[process]
    async fn sends(meet: Meet, out: &Sender<u32>, done: &Receiver<()>) -> Result<()> {
        meet.reached(3).await;
        out.send(1).await?;
        assert_eq!(done.recv().await, Some(()));
        Ok(())
    }

    control_anywhere(|scope, _| {
        let ((out, input), (tell, done), meet) = (rendezvous(), rendezvous(), Meet::default());
        scope.spawn(keeps(meet.clone(), input.clone(), 0));
        scope.spawn(keeps(meet.clone(), input.clone(), 1));
        scope.spawn(takes(meet.clone(), input, tell));
        instance(scope.spawn(sends(meet, out, done)), || {})
    });
}

/// Has the only sender, and waits for nothing.
#[process]
async fn holds(out: &Sender<u32>) {
    pending::<()>().await;
    let _ = out;
}

/// Looks again and again, and so lives for ever.
async fn look(input: &Receiver<u32>) {
    let mut tick = interval(millis(1));
    loop {
        select! {
            _ = input.recv() => break,
            _ = tick.next() => {}
        }
    }
}

/// One that waits for a message only is stuck, and of one that looks now and then that arm is dead, whoever of the two came first.
async fn judged_alike(
    lab: Lab,
    (plain, takes): (bool, impl Fn(&Lab) -> u32),
    looks: impl Fn(&Lab) -> u32,
    holder: u32,
) -> Result<()> {
    let mut there = vec![("holds", WaitKind::Other)];
    let (mut taker, mut looker) = (0, 0);
    for plain in [plain, !plain] {
        if plain {
            taker = takes(&lab);
            there.push(("takes", WaitKind::Recv));
        } else {
            looker = looks(&lab);
            there.push(("looks", WaitKind::Select));
        }
        lab.parked(&there).await;
    }
    let found = lab.until(|leak| leak.verdict == Verdict::DeadArm).await;
    found.no_waker(("holds", holder), 1);
    let behind = who(("takes", taker), WaitKind::Recv, "input", &["holds"]);
    found.behind(&[behind]);
    let dead = who(("looks", looker), WaitKind::Recv, "input", &["holds"]);
    found.verdict(&Verdict::DeadArm, &[dead]);
    Ok(())
}

/// Two have one receiver in an `Arc`.
#[test]
fn one_receiver_in_an_arc_is_judged_alike() {
    type Input = Arc<Receiver<u32>>;

    #[process]
    async fn takes(input: Input) {
        input.recv().await;
    }

    #[process]
    async fn looks(input: Input) {
        look(&input).await;
    }

    for plain_first in [true, false] {
        lab(move |lab: Lab| async move {
            let (out, input) = rendezvous().named("input");
            let (_, holder) = at!(lab.spawn(holds(out)));
            let input = Arc::new(input);
            let other = Arc::clone(&input);
            let takes = move |lab: &Lab| at!(lab.spawn(takes(Arc::clone(&input)))).1;
            let looks = move |lab: &Lab| at!(lab.spawn(looks(Arc::clone(&other)))).1;
            judged_alike(lab, (plain_first, takes), looks, holder).await
        });
    }
}

/// Each has a receiver of its own, which it was lent or not.
#[test]
fn receivers_that_were_cloned_are_judged_alike() {
    #[process]
    async fn takes(input: &Receiver<u32>) {
        input.recv().await;
    }

    #[process]
    async fn looks(input: Receiver<u32>) {
        look(&input).await;
    }

    for plain_first in [true, false] {
        lab(move |lab: Lab| async move {
            let (out, input) = bounded(1).named("input");
            let (_, holder) = at!(lab.spawn(holds(out)));
            let other = input.clone();
            let takes = move |lab: &Lab| at!(lab.spawn(takes(input.clone()))).1;
            let looks = move |lab: &Lab| at!(lab.spawn(looks(other.clone()))).1;
            judged_alike(lab, (plain_first, takes), looks, holder).await
        });
    }
}

/// An arm may still win by a message that its process has put aside, and drops later.
#[test]
fn an_arm_that_wins_by_what_was_put_aside() {
    #[process]
    async fn sends(out: &Sender<u32>) -> Result<()> {
        out.send(7).await?;
        pending::<()>().await;
        Ok(())
    }

    #[process]
    async fn looks(input: &Receiver<u32>, wake: Receiver<()>) -> Result<()> {
        {
            let mut first = pin!(input.recv());
            ensure!(!begun(first.as_mut()).await, "it came too early");
            select! {
                got = input.recv() => bail!("{got:?} was not put aside"),
                _ = wake.recv() => {}
            }
        }
        select! {
            got = input.recv() => ensure!(got == 7, "{got} came back"),
            _ = wake.recv() => bail!("nothing came back"),
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let ((out, input), (go, wake)) = (rendezvous(), rendezvous());
        let task = lab.spawn(looks(input, wake));
        lab.parked(&[("looks", WaitKind::Select)]).await;
        let (_, line) = at!(lab.spawn(sends(out)));
        let found = lab
            .stuck(&[("looks", WaitKind::Select), ("sends", WaitKind::Other)])
            .await;
        found.no_waker(("sends", line), 0);
        let dead = |leak: &&roundrock::leaks::Leak| leak.verdict == Verdict::DeadArm;
        assert_eq!(found.leaks().iter().find(dead), None);
        go.send(()).await?;
        task.await?;
        Ok(())
    });
}
