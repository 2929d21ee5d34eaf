//! What is proven and is then stopped by force: that is what a leak needs, and no wrong proof.

use roundrock::prelude::*;

use crate::kit::{Found, Lab, Meet, WaitKind, lab};
use roundrock_tests::yield_now;

#[process]
async fn left(input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    while let Some(n) = input.recv().await {
        out.send(n).await?;
    }
    Ok(())
}

#[process]
async fn right(input: &Receiver<u32>, out: &Sender<u32>, first: &bool) -> Result<()> {
    if *first {
        out.send(1).await?;
    }
    while let Some(n) = input.recv().await {
        out.send(n).await?;
    }
    Ok(())
}

fn pair(lab: &Lab) -> (Task<()>, Task<()>) {
    let ((a, to_a), (b, to_b)) = (rendezvous(), rendezvous());
    (lab.spawn(left(to_a, b)), lab.spawn(right(to_b, a, false)))
}

async fn proven(lab: &Lab) {
    let found: Found = lab
        .stuck(&[("left", WaitKind::Recv), ("right", WaitKind::Recv)])
        .await;
    assert!(
        found
            .leaks()
            .iter()
            .any(|leak| leak.is_proven() && leak.processes.len() == 2),
        "{}",
        found.text()
    );
}

/// One of a cycle is killed: the other sees the end of its input. `lab` checks that this counts as no violation.
#[test]
fn one_of_a_cycle_is_killed() {
    lab(|lab: Lab| async move {
        let (one, two) = pair(&lab);
        proven(&lab).await;
        two.kill();
        one.await?;
        assert!(lab.system().leaks().is_empty());
        Ok(())
    });
}

/// One of a cycle is linked to a process outside, which ends with a failure.
#[test]
fn one_of_a_cycle_is_linked() {
    lab(|lab: Lab| async move {
        let (one, two) = pair(&lab);
        let (stop, stopped) = rendezvous::<()>();
        let child = lab.child("fails");
        let fails = child.task("fails", async move {
            stopped.recv().await;
            roundrock::bail!("on purpose");
            #[expect(unreachable_code, reason = "it says what the task would return")]
            roundrock::Ok(())
        });
        two.link(&fails);
        lab.parked(&[
            ("left", WaitKind::Recv),
            ("right", WaitKind::Recv),
            ("fails", WaitKind::Recv),
        ])
        .await;
        assert!(lab.system().leaks().iter().any(|leak| leak.is_proven()));
        drop(stop);
        one.done().await;
        Ok(())
    });
}

/// A stop of the scope ends a cycle of idle inputs at once.
#[test]
fn a_cycle_is_stopped() {
    lab(|lab: Lab| async move {
        let _tasks = pair(&lab);
        proven(&lab).await;
        assert!(lab.stop(secs(5)).await.is_clean());
        assert!(lab.system().leaks().is_empty());
        Ok(())
    });
}

/// One of a cycle is a supervised child, and shares the fate of a sibling that fails: it is started again, and sends.
#[test]
fn one_of_a_cycle_is_started_again() {
    #[process]
    async fn sibling(go: &Receiver<()>) -> Result<()> {
        roundrock::ensure!(go.recv().await.is_none(), "on purpose");
        Ok(())
    }

    #[process]
    async fn again(input: &Receiver<u32>, out: &Sender<u32>, starts: &Meet) -> Result<()> {
        if starts.count() > 0 {
            out.send(1).await?;
        }
        starts.all(1).await;
        input.recv().await;
        Ok(())
    }

    #[process]
    async fn once(input: &Receiver<u32>, out: &Sender<u32>) {
        assert_eq!(input.recv().await, Some(1));
        let _ = out;
    }

    lab(|lab: Lab| async move {
        let ((a, to_a), (b, to_b), (tell, go)) = (rendezvous(), rendezvous(), bounded(1));
        let (starts, no_time) = (Meet::default(), millis(0)..millis(0));
        let family = lab.child("family").one_for_all();
        let first = family.supervise(sibling(go)).backoff(no_time.clone());
        first.spawn();
        let second = family
            .supervise(again(to_b, a, starts.clone()))
            .backoff(no_time);
        second.shutdown(millis(1)).spawn();
        let once = lab.spawn(once(to_a, b));
        starts.reached(1).await;
        for _ in 0..10 {
            let _asked = lab.system().leaks();
            yield_now().await;
        }
        tell.send(()).await?;
        once.await?;
        Ok(())
    });
}

/// A supervised child waits in a handler for somebody who waits for room in its mailbox. It is removed: those who wait for room go
/// on at once, before it has come to its end.
#[test]
fn one_who_feeds_another_is_removed() {
    /// More than the supervisor wakes before the first of them runs on another worker.
    const MANY: usize = 300;

    #[process(mailbox = 1)]
    struct Works {
        more: Receiver<u32>,
    }

    #[handlers]
    impl Works {
        async fn work(&mut self) {
            self.more.recv().await;
        }
    }

    #[process]
    async fn feeds(works: &WorksHandle, more: &Sender<u32>) -> Result<()> {
        if works.work().send().await.is_err() {
            let _nobody = more.try_send(1);
        }
        Ok(())
    }

    lab(|lab: Lab| async move {
        let (kept, more) = bounded(1);
        let works = lab.supervise(move || Works { more: more.clone() }).spawn();
        for _ in 0..MANY {
            lab.spawn(feeds(works.clone(), kept.clone()));
        }
        drop(kept);
        let waits = |system: &System| {
            let leaks = system.leaks();
            leaks
                .iter()
                .filter(|leak| leak.is_proven())
                .map(|leak| leak.processes.len())
                .sum::<usize>()
        };
        // One is handled, one is queued.
        while waits(&lab.system()) < MANY - 1 {
            yield_now().await;
        }
        works.task().remove().await;
        Ok(())
    });
}
