//! What somebody else's combinators leave behind: they drop a future that they have polled, or poll one twice, and take nothing of that back.

use std::future::{poll_fn, ready};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;

use roundrock::prelude::*;
use roundrock::sync::Mutex;
use roundrock_tests::{simulated, yield_now};

use crate::control::{control, instance};
use crate::kept::begun;
use crate::kit::{Lab, WaitKind, at, lab, who};

/// Polls the first one, and drops it if the second one is done, as `tokio::select!` does.
async fn second_wins<F: Future>(first: F, second: impl Future<Output = ()>) {
    let (mut first, mut second) = (pin!(first), pin!(second));
    poll_fn(|cx| {
        assert!(first.as_mut().poll(cx).is_pending(), "it has to wait");
        second.as_mut().poll(cx)
    })
    .await;
}

/// What hides a future that is kept: another one that the same poll has dropped, or has polled twice; once, or each time.
#[derive(Clone, Copy)]
enum Hides {
    Dropped,
    Twice,
    TwiceEachTime,
    DroppedEachTime,
}

#[process]
async fn keeps(
    hides: Hides,
    own: &Sender<u32>,
    input: &Receiver<u32>,
    late: Receiver<u32>,
    goes_on: Arc<AtomicBool>,
) {
    let mut kept = pin!(late.recv());
    if begun(kept.as_mut()).await {
        return;
    }
    // What one poll speaks of counts as long as the process is parked by that.
    yield_now().await;
    let mut alone = pin!(input.recv());
    match hides {
        Hides::Dropped => second_wins(input.recv(), ready(())).await,
        Hides::Twice => drop(begun(alone.as_mut()).await),
        Hides::TwiceEachTime | Hides::DroppedEachTime => {}
    }
    poll_fn(|cx| {
        let _ = alone.as_mut().poll(cx);
        if matches!(hides, Hides::TwiceEachTime) {
            let _ = alone.as_mut().poll(cx);
        }
        if matches!(hides, Hides::DroppedEachTime) {
            let _ = pin!(input.recv()).poll(cx);
        }
        match goes_on.load(Ordering::SeqCst) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
    let _ = own;
}

/// It waits for itself, but what it keeps wakes it. On threads only: a simulation may interrupt the one poll of what is kept, which then
/// wakes nobody.
#[test]
fn a_kept_future_is_not_hidden() {
    control(|scope, index| {
        let ((own, input), (wake, late)) = (rendezvous(), bounded(1));
        let hides = [
            Hides::Dropped,
            Hides::Twice,
            Hides::TwiceEachTime,
            Hides::DroppedEachTime,
        ];
        let goes_on = Arc::new(AtomicBool::new(false));
        let process = keeps(hides[index % 4], own, input, late, Arc::clone(&goes_on));
        instance(scope.spawn(process), move || {
            goes_on.store(true, Ordering::SeqCst);
            let _ = wake.try_send(7);
        })
    });
}

/// What was dropped is no wait any more: who waits for itself afterwards is proven, and for that alone.
#[test]
fn what_was_dropped_saves_nobody() {
    #[process]
    async fn waits(own: &Sender<u32>, input: &Receiver<u32>) {
        second_wins(sleep(secs(3600)), ready(())).await;
        input.recv().await;
        let _ = own;
    }

    lab(|lab: Lab| async move {
        let (own, input) = rendezvous();
        let (_, line) = at!(lab.spawn(waits(own, input)));
        let found = lab.stuck(&[("waits", WaitKind::Recv)]).await;
        found.cycle(&[who(("waits", line), WaitKind::Recv, "", &["waits"])], 0);
        Ok(())
    });
}

/// In a loop one future is polled in each turn: it is one wait all the same.
#[test]
fn what_was_polled_in_each_turn_is_one_wait() {
    #[process]
    async fn loops(
        own: &Sender<u32>,
        input: &Receiver<u32>,
        stop: &Sender<()>,
        over: &Receiver<()>,
    ) {
        let mut over = pin!(over.recv());
        for turn in 0..3_u32 {
            let mut message = pin!(async {
                match turn {
                    2 => input.recv().await,
                    _ => Some(turn),
                }
            });
            poll_fn(|cx| {
                let _ = over.as_mut().poll(cx);
                message.as_mut().poll(cx)
            })
            .await;
        }
        let _ = (own, stop);
    }

    lab(|lab: Lab| async move {
        let ((own, input), (stop, over)) = (rendezvous(), rendezvous());
        lab.spawn(loops(own, input, stop, over));
        let found = lab.until(|leak| leak.is_proven()).await;
        let [leak] = found.leaks() else {
            panic!("{}", found.text())
        };
        assert_eq!(leak.names(), ["loops"]);
        assert_eq!(leak.processes[0].waits.len(), 2, "{}", found.text());
        Ok(())
    });
}

/// A call to itself, after a sleep that was dropped, and after a wait for a lock that was.
#[test]
fn a_call_to_itself_is_refused_after_what_was_dropped() {
    #[process(name = "alone")]
    struct Alone {
        lock: Arc<Mutex<u32>>,
    }

    #[handlers]
    impl Alone {
        async fn outer(&mut self, sleeps: bool, cx: &mut Cx<Self>) -> bool {
            let Some(me) = cx.handle() else { return false };
            match sleeps {
                true => second_wins(sleep(secs(3600)), ready(())).await,
                false => second_wins(self.lock.lock(), ready(())).await,
            }
            matches!(me.inner().await, Err(CallError::Cycle(_)))
        }
        fn inner(&self) {}
    }

    lab(|lab: Lab| async move {
        let lock = Arc::new(Mutex::new(0));
        let guard = lock.lock().await;
        let alone = lab.spawn(Alone {
            lock: Arc::clone(&lock),
        });
        for sleeps in [true, false] {
            assert!(alone.outer(sleeps).await?, "it was not refused");
        }
        drop((guard, alone));
        lab.ends().await
    });
}

/// The end, and the lock, that a process had waited for come; it waits for others now, and has missed nothing. In a simulation a wakeup
/// that is missed is told at once.
#[test]
fn what_was_dropped_is_not_missed() {
    simulated(|scope| async move {
        let ((end, ends), (leave, leaves)) = (bounded::<()>(1), bounded::<()>(1));
        let ends = scope.task("ends", async move { assert!(ends.recv().await.is_some()) });
        let stays = scope.task(
            "stays",
            async move { assert!(leaves.recv().await.is_some()) },
        );
        let (first, second) = (Arc::new(Mutex::new(0)), Arc::new(Mutex::new(0)));
        let held = (first.lock().await, second.lock().await);
        let (one, other) = (ends.done(), stays.done());
        let joins = scope.task("joins", async move {
            second_wins(one, ready(())).await;
            other.await;
        });
        let (one, other) = (Arc::clone(&first), Arc::clone(&second));
        let locks = scope.task("locks", async move {
            second_wins(one.lock(), ready(())).await;
            drop(other.lock().await);
        });
        sleep(millis(1)).await;
        end.send(()).await?;
        ends.done().await;
        drop(held.0);
        let found = scope.system().leaks();
        assert!(found.is_empty(), "{found:?}");
        leave.send(()).await?;
        drop(held.1);
        joins.done().await;
        locks.done().await;
        Ok(())
    });
}
