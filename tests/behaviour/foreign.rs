//! Operations in hands that are not Roundrock's: other wakers, other pollers, futures that move between processes or are
//! forgotten. P12, P17.
//!
//! Threads only: plain threads as peers, futures that outlive their system, and a waker that panics when it is woken, as each
//! simulated interruption would.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Wake, Waker};
use std::thread;

use roundrock::channel::TryRecvError;
use roundrock::prelude::*;
use roundrock_tests::{
    Random, Step, Tally, Wakes, block_on, channel_of, checked, isolated, now, on, on_threads,
    on_workers, watched,
};

/// P17: the waker of the last poll is the one that is woken, and it alone.
#[test]
fn p17_the_last_waker_is_woken() {
    let (sender, receiver) = bounded(1);
    let mut recv = Step::parked(receiver.recv());
    let (wakes, waker) = Wakes::new();
    assert!(recv.poll_with(&waker).is_pending());
    sender.try_send(1).unwrap();
    assert_eq!((recv.wakes(), wakes.count()), (0, 1));
    assert_eq!(recv.ready(), Some(1));

    sender.try_send(2).unwrap();
    let mut send = Step::parked(sender.send(3));
    assert!(send.poll_with(&waker).is_pending());
    let mut ready = Step::new(sender.ready());
    assert!(ready.poll().is_pending() && ready.poll_with(&waker).is_pending());
    assert_eq!(receiver.try_recv(), Ok(2));
    assert_eq!((send.wakes(), wakes.count()), (0, 2));
    assert!(send.ready().is_ok());
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!((ready.wakes(), wakes.count()), (0, 3));
}

/// P12: a waker that does nothing is enough for who polls again on its own.
#[test]
fn p12_noop_wakers_work() {
    let (sender, receiver) = rendezvous();
    let mut recv = Step::new(receiver.recv());
    let mut send = Step::new(sender.send(1));
    assert!(recv.poll_with(Waker::noop()).is_pending());
    assert!(send.poll_with(Waker::noop()).is_ready());
    assert_eq!(recv.poll_with(Waker::noop()), Poll::Ready(Some(1)));
}

/// P12: a parked `recv` that moves to another process wakes that one, and needs the first no more.
#[test]
fn p12_a_parked_recv_moves_between_processes() {
    on_workers(|scope| async move {
        for capacity in [Some(0), Some(1), None] {
            let (sender, receiver) = channel_of(capacity);
            let (moves, moved) = bounded(1);
            let first = scope.task("first", async move {
                let mut recv = Box::pin(async move { receiver.recv().await });
                poll_fn(|cx| {
                    assert!(recv.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                moves.send(recv).await
            });
            first.await?;
            let mut recv = moved.recv().await.unwrap();
            let second = scope.task("second", async move {
                let mut polls = 0;
                let value = poll_fn(|cx| {
                    polls += 1;
                    recv.as_mut().poll(cx)
                });
                roundrock::Ok((value.await, polls))
            });
            sender.send(7).await?;
            let (value, _polls) = second.await?;
            assert_eq!(value, Some(7));
        }
        Ok(())
    });
}

/// P12, P17: a parked operation outlives the process that polled it first, and then its system.
#[test]
fn p12_a_parked_recv_outlives_its_process_and_system() {
    let (sender, receiver) = rendezvous();
    type Parked = Pin<Box<dyn Future<Output = Option<u32>> + Send>>;
    let kept: Arc<Mutex<Vec<Parked>>> = Arc::default();
    let keep = Arc::clone(&kept);
    on(2, move |scope| async move {
        for _ in 0..3 {
            let (receiver, keep) = (receiver.clone(), Arc::clone(&keep));
            let parked = scope.task("parks", async move {
                let mut recv: Parked = Box::pin(async move { receiver.recv().await });
                poll_fn(|cx| {
                    assert!(recv.as_mut().poll(cx).is_pending());
                    Poll::Ready(())
                })
                .await;
                keep.lock().unwrap().push(recv);
            });
            parked.await?;
        }
        Ok(())
    });
    // The first is woken although its process is gone; the second is polled anew, elsewhere; the third is dropped.
    let mut parked = std::mem::take(&mut *kept.lock().unwrap())
        .into_iter()
        .map(Step::new);
    let (mut first, mut second, third) = (
        parked.next().unwrap(),
        parked.next().unwrap(),
        parked.next(),
    );
    now(sender.send(1)).unwrap();
    assert_eq!(first.ready(), Some(1));
    second.pending();
    now(sender.send(2)).unwrap();
    assert_eq!(second.wakes(), 1);
    assert_eq!(second.ready(), Some(2));
    drop((first, third));
    assert!(sender.try_send(3).is_err());
}

/// P12: forgetting a parked future leaks it and breaks nothing: the channel goes on, and closes.
#[test]
fn p12_a_forgotten_recv_breaks_nothing() {
    for capacity in [Some(0), Some(1), Some(3), None] {
        let tally = Tally::new();
        let (sender, receiver) = channel_of(capacity);
        forget(Step::parked(receiver.recv()));
        let mut second = Step::parked(receiver.recv());
        // The forgotten one is first in line: it gets this message and keeps it.
        now(sender.send(tally.token(1))).unwrap();
        now(sender.send(tally.token(2))).unwrap();
        assert_eq!(second.ready().unwrap().number(), 2);
        drop(second);
        forget(Step::parked(receiver.recv()));
        drop(receiver);
        let refused = now(sender.send(tally.token(3))).unwrap_err();
        assert_eq!(refused.into_inner().number(), 3);
        drop(sender);
        assert_eq!(tally.dropped(), [2, 3]);
    }
}

/// P12: the same for a forgotten `send`, whose message can still be received, and for a forgotten permit, whose room is gone.
#[test]
fn p12_a_forgotten_send_or_permit_breaks_nothing() {
    let (sender, receiver) = bounded(2);
    sender.try_send(1).unwrap();
    forget(now(sender.ready()).unwrap());
    assert!(sender.try_send(2).is_err());
    forget(Step::parked(sender.send(3)));
    assert_eq!(receiver.try_recv(), Ok(1));
    assert_eq!(receiver.try_recv(), Ok(3));
    assert_eq!(receiver.try_recv(), Err(TryRecvError::Empty));
    sender.try_send(4).unwrap();
    assert!(sender.try_send(5).is_err());
    forget(Step::parked(sender.send(6)));
    forget(Step::parked(sender.ready()));
    drop(receiver);
    assert!(sender.try_send(7).unwrap_err().is_closed());
}

#[expect(clippy::mem_forget, reason = "what these tests are about")]
fn forget<T>(value: T) {
    std::mem::forget(value);
}

/// P17: processes woken from plain threads, and threads woken from processes, over the same channels.
#[test]
fn p17_threads_and_processes_mix() {
    on_threads(|scope| async move {
        let (sender, receiver) = rendezvous();
        let (back, answers) = bounded(2);
        let echo = scope.task("echo", async move {
            while let Some(n) = receiver.recv().await {
                back.send(n).await?;
            }
            roundrock::Ok(())
        });
        let outside = thread::spawn(move || {
            let mut random = Random::new(3);
            for n in 0..5000 {
                match random.below(3) {
                    0 => sender.blocking_send(n).unwrap(),
                    1 => block_on(sender.send(n)).unwrap(),
                    _ => block_on(async { sender.ready().await.unwrap().send(n) }).unwrap(),
                }
                let answer = match random.below(2) {
                    0 => answers.blocking_recv(),
                    _ => block_on(answers.recv()),
                };
                assert_eq!(answer, Some(n));
            }
        });
        echo.await?;
        outside.join().unwrap();
        Ok(())
    });
}

/// A waker that panics when it is woken.
struct Explosive;

impl Wake for Explosive {
    fn wake(self: Arc<Self>) {
        panic!("a waker that panics");
    }
}

/// P22: a foreign waker that panics hits whoever wakes it; the message is not lost and the channel works on.
#[test]
fn p22_a_panicking_waker_leaves_the_channel_usable() {
    let waker = Waker::from(Arc::new(Explosive));
    let (sender, receiver) = bounded(1);
    let mut recv = Step::new(receiver.recv());
    assert!(recv.poll_with(&waker).is_pending());
    let send = std::panic::AssertUnwindSafe(|| sender.try_send(1));
    let _ = std::panic::catch_unwind(send);
    assert_eq!(recv.ready(), Some(1));
    sender.try_send(2).unwrap();
    assert_eq!(receiver.try_recv(), Ok(2));
}

/// P21, P22: the same with the panic on a worker: at most the process that woke it ends.
#[test]
fn p22_a_panicking_waker_spares_the_worker() {
    on_threads(|scope| async move {
        let waker = Waker::from(Arc::new(Explosive));
        let (sender, receiver) = bounded(1);
        let mut recv = Step::new(receiver.recv());
        assert!(recv.poll_with(&waker).is_pending());
        let waking = isolated(&scope, async move { sender.send(1).await });
        let _ = waking.done().await;
        assert_eq!(recv.ready(), Some(1));
        drop(recv);
        let task = isolated(&scope, std::future::pending::<()>());
        let mut done = Step::new(task.done());
        assert!(done.poll_with(&waker).is_pending());
        task.kill();
        let _ = task.done().await;
        assert!(done.poll().is_ready());
        Ok(())
    });
}

/// P17: a system whose workers all sleep is woken by a thread, again and again. Case F06.
#[test]
fn p17_parked_workers_are_woken_from_outside() {
    for workers in [1, 2, 4] {
        watched(move |stage| {
            let (sender, receiver) = rendezvous();
            let (back, answers) = rendezvous();
            let outside = thread::spawn(move || {
                for n in 0..20_000_u32 {
                    sender.blocking_send(n).unwrap();
                    assert_eq!(answers.blocking_recv(), Some(n));
                }
            });
            stage.set("20000 round trips");
            let system = roundrock::System::builder().workers(workers);
            let run = checked(system, |_scope| async move {
                while let Some(n) = receiver.recv().await {
                    back.send(n).await?;
                }
                roundrock::Ok(())
            });
            run.unwrap();
            outside.join().unwrap();
        });
    }
}
