//! Futures that were polled and are kept, and locks in a struct that several share: what is proven of them, and what must not be.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll};

use roundrock::channel::OneshotReceiver;
use roundrock::prelude::*;
use roundrock::sync::{Mutex, MutexGuard, RwLock};
use roundrock_tests::yield_now;

use crate::control::{control_anywhere, control_of, give, instance};
use crate::kit::{Lab, Lock, Meet, WaitKind, at, lab, lock, who};

/// Polls a future once; whether it is done.
pub(crate) async fn begun<F: Future>(mut future: Pin<&mut F>) -> bool {
    poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await
}

/// Waits until something wakes the process; each time that it is polled it polls so.
async fn woken(mut polls: impl FnMut(&mut Context<'_>)) {
    let mut turns = 0;
    poll_fn(|cx| {
        turns += 1;
        polls(cx);
        if turns == 1 {
            Poll::Pending
        } else {
            Poll::Ready(())
        }
    })
    .await;
}

/// A future that is put aside has the lock, and sleeps with it: it is not proven before it would wake, and is afterwards.
#[test]
fn r7_a_paused_future_sleeps_with_the_lock() {
    #[process]
    async fn pauses(shared: &Lock) {
        let work = async {
            let mut guard = shared.lock().await;
            sleep(millis(30)).await;
            *guard += 1;
        };
        let mut work = pin!(work);
        select! {
            () = cancel_safe(work.as_mut()) => return,
            () = sleep(millis(1)) => {}
        }
        *shared.lock().await += 1;
        work.await;
    }

    lab(|lab: Lab| async move {
        let (_, line) = at!(lab.spawn(pauses(lock())));
        lab.parked(&[("pauses", WaitKind::Lock)]).await;
        let found = lab.until(|leak| leak.is_proven()).await;
        found.cycle(&[who(("pauses", line), WaitKind::Lock, "", &["pauses"])], 0);
        Ok(())
    });
}

/// What is kept waits for nobody who is known, so nothing is proven of a process that waits for itself elsewhere; it goes on as soon
/// as what is kept has woken it, for that is how it was written.
#[test]
fn a_kept_future_wakes_its_process() {
    #[process]
    async fn keeps(own: &Sender<u32>, input: &Receiver<u32>, late: Receiver<u32>) {
        let mut kept = pin!(late.recv());
        if begun(kept.as_mut()).await {
            return;
        }
        let mut alone = pin!(input.recv());
        woken(|cx| {
            let polled = alone.as_mut().poll(cx);
            assert!(polled.is_pending(), "nobody sends there");
        })
        .await;
        let _ = own;
    }

    control_anywhere(|scope, _| {
        let ((own, input), (wake, late)) = (rendezvous(), bounded(1));
        instance(scope.spawn(keeps(own, input, late)), move || {
            // In a simulation it may have been interrupted before it waited, and have ended.
            let _ = wake.try_send(7);
        })
    });
}

/// The same with nothing else that it waits for: that nobody has its waker would be wrong.
#[test]
fn a_kept_future_is_all_that_is_left() {
    #[process]
    async fn keeps(late: Receiver<u32>) {
        let mut kept = pin!(late.recv());
        if begun(kept.as_mut()).await {
            return;
        }
        woken(|_| {}).await;
    }

    control_anywhere(|scope, _| {
        let (wake, late) = bounded(1);
        instance(scope.spawn(keeps(late)), move || {
            let _ = wake.try_send(7);
        })
    });
}

/// Kept futures of every kind beside a wait for itself, which the process leaves when it is woken.
#[test]
fn kept_futures_of_every_kind() {
    #[process]
    async fn keeps(
        number: usize,
        own: &Sender<u32>,
        input: &Receiver<u32>,
        other: Task<()>,
        held: Arc<Mutex<u32>>,
        full: Sender<u32>,
        answer: OneshotReceiver<u32>,
    ) {
        let (mut joins, mut locks) = (pin!(other.done()), pin!(held.lock()));
        let (mut sends, mut asks) = (pin!(full.send(1)), pin!(answer.recv()));
        let done = match number % 4 {
            0 => begun(joins.as_mut()).await,
            1 => begun(locks.as_mut()).await,
            2 => begun(sends.as_mut()).await,
            _ => begun(asks.as_mut()).await,
        };
        if done {
            return;
        }
        let mut alone = pin!(input.recv());
        woken(|cx| {
            let polled = alone.as_mut().poll(cx);
            assert!(polled.is_pending(), "nobody sends there");
        })
        .await;
        let _ = own;
    }

    control_of(10_000, 100, |scope, index| {
        let (go, wait) = bounded(1);
        let held = Arc::new(Mutex::new(0));
        let taken = Arc::clone(&held);
        let other = scope.task("other", async move {
            let guard = taken.lock().await;
            wait.recv().await;
            drop(guard);
        });
        let (full, drain) = bounded(1);
        full.try_send(0).expect("there is room");
        let ((own, input), (answer, asked)) = (rendezvous(), oneshot());
        let process = keeps(index, own, input, other, held, full, asked);
        instance(scope.spawn(process), move || {
            give(&go, 1);
            let _ = (drain.try_recv(), answer.send(1));
        })
    });
}

/// Gives its call up as soon as what it keeps has woken it.
#[process(name = "patient")]
struct Patient {
    other: OtherHandle,
}

#[handlers]
impl Patient {
    async fn outer(&mut self, late: Receiver<u32>, back: PatientHandle) -> bool {
        let mut kept = pin!(late.recv());
        if begun(kept.as_mut()).await {
            return false;
        }
        // What one poll speaks of counts as long as the process is parked by that.
        yield_now().await;
        let mut call = pin!(self.other.middle(back).into_future());
        let mut ended = false;
        woken(|cx| ended |= call.as_mut().poll(cx).is_ready()).await;
        !ended
    }

    fn inner(&self) {}
}

#[process(name = "other")]
struct Other {
    seen: Sender<bool>,
}

#[handlers]
impl Other {
    async fn middle(&mut self, back: PatientHandle) -> Result<()> {
        let answered = back.inner().await.is_ok();
        self.seen.send(answered).await?;
        Ok(())
    }
}

/// A call in a circle is refused only if its process waits for nothing else: one that keeps a future may go on by that, and then the
/// circle is none.
#[test]
fn a_circle_of_calls_beside_a_kept_future() {
    lab(|lab: Lab| async move {
        let ((seen, answers), (wake, late)) = (bounded(1), bounded(1));
        let other = lab.spawn(Other { seen });
        let patient = lab.spawn(Patient { other });
        let calls = lab.task("calls", async move {
            roundrock::Ok(patient.outer(late, patient.clone()).await?)
        });
        let there = ["calls", "patient", "other"].map(|name| (name, WaitKind::Reply));
        lab.parked(&there).await;
        let leaks = lab.system().leaks();
        assert!(leaks.iter().all(|leak| !leak.is_proven()), "{leaks:?}");
        wake.send(7).await?;
        assert_eq!(answers.recv().await, Some(true), "it was refused");
        assert!(calls.await?, "it was woken by what it keeps");
        lab.ends().await
    });
}

/// A wait for the end of a scope that was given up leaves nothing behind, so its process is proven although that scope lives.
#[test]
fn a_wait_for_a_scope_that_was_given_up() {
    #[process]
    async fn gives_up(own: &Sender<u32>, input: &Receiver<u32>, other: Scope) {
        select! {
            _ = cancel_safe(other.join()) => return,
            () = sleep(millis(1)) => {}
        }
        input.recv().await;
        let _ = own;
    }

    lab(|lab: Lab| async move {
        let other = lab.child("other");
        other.task("sleeps", sleep(secs(60)));
        let (own, input) = rendezvous();
        let (_, line) = at!(lab.spawn(gives_up(own, input, other)));
        let found = lab.until(|leak| leak.is_proven()).await;
        let itself = who(("gives_up", line), WaitKind::Recv, "", &["gives_up"]);
        found.cycle(&[itself], 0);
        Ok(())
    });
}

struct Bank {
    left: Mutex<u32>,
    right: Mutex<u32>,
    book: RwLock<u32>,
}

fn bank() -> Arc<Bank> {
    Arc::new(Bank {
        left: Mutex::new(0),
        right: Mutex::new(0),
        book: RwLock::new(0),
    })
}

#[process]
async fn there(bank: &Arc<Bank>, meet: &Meet) {
    let _left = bank.left.lock().await;
    meet.all(2).await;
    *bank.right.lock().await += 1;
}

#[process]
async fn back(bank: &Arc<Bank>, meet: &Meet) {
    let _right = bank.right.lock().await;
    meet.all(2).await;
    *bank.left.lock().await += 1;
}

/// Two locks of one struct in two orders: every way to them is an `Arc` that was lent, so their guards are where they were taken.
#[test]
fn two_locks_of_one_struct() {
    lab(|lab: Lab| async move {
        let (bank, meet) = (bank(), Meet::default());
        let (_, first) = at!(lab.spawn(there(Arc::clone(&bank), meet.clone())));
        let (_, second) = at!(lab.spawn(back(bank, meet)));
        let found = lab
            .stuck(&[("there", WaitKind::Lock), ("back", WaitKind::Lock)])
            .await;
        found.cycle(
            &[
                who(("there", first), WaitKind::Lock, "", &["back"]),
                who(("back", second), WaitKind::Lock, "", &["there"]),
            ],
            0,
        );
        Ok(())
    });
}

/// A reader of a struct's lock that wants to write, in a pool that shares one `Arc`.
#[test]
fn an_upgrade_in_a_struct() {
    #[process]
    async fn upgrades(bank: &Arc<Bank>, meet: &Meet) {
        let read = bank.book.read().await;
        meet.all(2).await;
        *bank.book.write().await += *read;
    }

    lab(|lab: Lab| async move {
        lab.pool(2, upgrades(bank(), Meet::default()));
        let found = lab.until(|leak| leak.is_proven() && leak.count == 2).await;
        let cycle = found.leaks().iter().find(|leak| leak.count == 2);
        assert_eq!(
            cycle.map(roundrock::leaks::Leak::names),
            Some(vec!["upgrades", "upgrades"]),
            "{}",
            found.text()
        );
        Ok(())
    });
}

/// The guard of a struct's lock was taken by a way that lives for ever, and given to a plain thread by the process that waits for the
/// lock by the way that it was lent.
#[test]
fn guard_of_a_struct_given_away() {
    type Guard = MutexGuard<'static, u32>;

    #[process]
    async fn locks(bank: &Arc<Bank>, for_ever: &&'static Arc<Bank>, give: mpsc::Sender<Guard>) {
        give.send(for_ever.left.lock().await)
            .expect("somebody takes it");
        *bank.left.lock().await += 1;
    }

    control_of(1000, 100, |scope, _| {
        let (give, given) = mpsc::channel();
        let bank = bank();
        let for_ever: &'static _ = Box::leak(Box::new(Arc::clone(&bank)));
        let locks = scope.spawn(locks(bank, for_ever, give));
        instance(locks, move || drop(given.recv().expect("a guard")))
    });
}

/// A plain thread has a way to the struct, and the guard.
#[test]
fn lock_of_a_struct_held_outside() {
    #[process]
    async fn locks(bank: &Arc<Bank>) {
        *bank.left.lock().await += 1;
    }

    control_of(1000, 100, |scope, _| {
        let (go, wait) = mpsc::channel::<()>();
        let (held, is_held) = mpsc::channel();
        let bank = bank();
        let other = Arc::clone(&bank);
        let thread = std::thread::spawn(move || {
            let guard = other.left.blocking_lock();
            held.send(()).expect("it is waited for");
            let _ = wait.recv();
            drop(guard);
        });
        is_held.recv().expect("it is held");
        instance(scope.spawn(locks(bank)), move || {
            drop(go);
            thread.join().expect("it ends");
        })
    });
}
