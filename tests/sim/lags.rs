//! Processes that are held back after an operation that had not to wait: what is found by it, and that it tears nothing apart that
//! stays together on threads.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::Poll;

use roundrock::channel::Message;
use roundrock::prelude::*;
use roundrock::sim::{Failure, Simulation, Strategy};
use roundrock::sync::{Mutex, Semaphore};

use crate::STRATEGIES;

/// Runs a body with every strategy; it must pass.
fn passes<F: Future<Output = Result<()>> + Send + 'static>(body: impl Fn(Sim) -> F) {
    crate::passes(300, body);
}

/// Runs a body with every strategy but the one that chooses nothing; each must find what is wrong, and tell it by one choice.
fn fails<F: Future<Output = Result<()>> + Send + 'static>(body: impl Fn(Sim) -> F) -> Box<Failure> {
    for strategy in STRATEGIES.into_iter().skip(1) {
        let search = Simulation::new("lags").seeds(300).strategy(strategy);
        let failure = search.run(&body).expect_err(&format!("{strategy:?}"));
        assert_eq!(failure.shrunk.deviations(), 1, "{strategy:?}: {failure}");
        let text = failure.to_string();
        assert!(
            text.contains("is held back until all others wait, after it"),
            "{text}"
        );
    }
    let search = Simulation::new("lags").seeds(300);
    search.run(&body).expect_err("it is found")
}

#[process]
struct Store {
    sum: u32,
    said: Arc<AtomicU32>,
}

#[handlers]
impl Store {
    fn add(&mut self, value: u32) {
        self.sum += value;
        let said = self.said.load(SeqCst);
        assert!(said >= self.sum, "{} of {said}", self.sum);
    }
}

/// A worker gets jobs before they are said to be ready; they are sent by a branch of `select!`, or as they are.
async fn says_late(sim: Sim, by_branch: bool) -> Result<()> {
    let (jobs, inbox) = bounded(4);
    let ready = Arc::new(AtomicU32::new(0));
    let seen = Arc::clone(&ready);
    let worker = sim.task("worker", async move {
        while let Some(job) = inbox.recv().await {
            assert!(seen.load(SeqCst) >= job, "job {job} is not ready");
        }
    });
    for job in 1..=3 {
        if by_branch {
            select! {
                sent = jobs.send(job) => { sent?; ready.store(job, SeqCst); }
                _ = sim.stopping() => break,
            }
        } else {
            jobs.send(job).await?;
            ready.store(job, SeqCst);
        }
    }
    drop(jobs);
    Ok(worker.await?)
}

/// Two have one place in turn, which is free before whoever held it has said so.
async fn leaves_late(sim: Sim, by_branch: bool) -> Result<()> {
    let (takes, frees) = bounded(1);
    let holders = Arc::new(AtomicU32::new(0));
    for _ in 0..2 {
        let (takes, frees, holders) = (takes.clone(), frees.clone(), Arc::clone(&holders));
        sim.task("holder", async move {
            takes.send(()).await?;
            assert_eq!(holders.fetch_add(1, SeqCst), 0, "two have it");
            if by_branch {
                select! {
                    _ = frees.recv() => {}
                    _ = sleep(secs(60)) => {}
                }
            } else {
                frees.recv().await;
            }
            holders.fetch_sub(1, SeqCst);
            roundrock::Ok(())
        });
    }
    Ok(())
}

#[test]
fn memory_that_is_written_after_a_send_is_found_unwritten() {
    let failure = fails(|sim| says_late(sim, false));
    let tape = failure.shrunk.to_string();
    assert!(tape.len() < 10, "{tape}");
}

#[test]
fn memory_that_is_written_after_a_message_to_a_mailbox_is_found_unwritten() {
    fails(|sim: Sim| async move {
        let said = Arc::new(AtomicU32::new(0));
        let store = sim.spawn(Store {
            sum: 0,
            said: Arc::clone(&said),
        });
        for value in 1..=3 {
            store.add(value).send().await?;
            said.fetch_add(value, SeqCst);
        }
        Ok(())
    });
}

#[test]
fn memory_that_is_written_after_a_broadcast_is_found_unwritten() {
    fails(|sim: Sim| async move {
        let (news, reader) = broadcast(4);
        let ready = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&ready);
        sim.task("reader", async move {
            while let Some(Ok(edition)) = reader.recv().await {
                assert!(seen.load(SeqCst) >= edition, "{edition} is not there");
            }
        });
        for edition in 1..=3 {
            news.send(edition).await?;
            ready.store(edition, SeqCst);
        }
        Ok(())
    });
}

#[test]
fn memory_that_is_written_after_a_receive_is_found_unwritten() {
    fails(|sim| leaves_late(sim, false));
}

/// A branch of `select!` that sends is followed by code as a send is.
#[test]
fn memory_that_is_written_after_a_branch_that_sends_is_found_unwritten() {
    fails(|sim| says_late(sim, true));
}

/// Room that a branch, or a receiver of a broadcast, makes by receiving is there before the process says so.
#[test]
fn memory_that_is_written_after_any_receive_is_found_unwritten() {
    fails(|sim| leaves_late(sim, true));
    let search = Simulation::new("lags").seeds(300);
    let found = search.run(|sim: Sim| async move {
        let (news, reader) = broadcast(1).overflow(Overflow::Wait);
        let read = Arc::new(AtomicU32::new(0));
        let seen = Arc::clone(&read);
        sim.task("writer", async move {
            for edition in 1..=3 {
                news.send(edition).await?;
                assert!(seen.load(SeqCst) + 1 >= edition, "{edition} is too early");
            }
            roundrock::Ok(())
        });
        sim.task("reader", async move {
            while let Some(Ok(edition)) = reader.recv().await {
                read.store(edition, SeqCst);
            }
        });
        roundrock::Ok(())
    });
    let failure = found.expect_err("it has been read, and not said so");
    let text = failure.to_string();
    let line = |line: &str| line.contains("reader#") && line.ends_with("after it");
    assert!(text.lines().any(line), "{text}");
}

/// In runs that choose nothing nobody is held back either.
#[test]
fn nobody_lags_in_the_baseline() {
    let search = Simulation::new("lags")
        .seeds(300)
        .strategy(Strategy::Baseline);
    let found = search.run(|sim| says_late(sim, false));
    let summary = found.expect("every run is the boring one");
    assert_eq!(summary.schedules, 1);
}

/// Who has a lock says so too late.
#[test]
fn memory_that_is_written_after_a_lock_was_taken_is_found_unwritten() {
    fails(|sim: Sim| async move {
        let lock = Arc::new(Mutex::new(0));
        let owner = Arc::new(AtomicU32::new(0));
        let (theirs, said) = (Arc::clone(&lock), Arc::clone(&owner));
        let (begins, begun) = bounded(1);
        let holder = sim.task("holder", async move {
            for time in 1..=3 {
                begins.send(time).await?;
                let held = theirs.lock().await;
                said.store(time, SeqCst);
                sleep(millis(1)).await;
                drop(held);
            }
            roundrock::Ok(())
        });
        while let Some(time) = begun.recv().await {
            let is_taken = lock.try_lock().is_none();
            let said = owner.load(SeqCst);
            ensure!(
                !is_taken || said >= time,
                "somebody has it, and does not say so"
            );
        }
        Ok(holder.await?)
    });
}

/// A permit that was taken stays with its process while others run, and they wait for it.
#[test]
fn a_permit_that_was_taken_is_taken_while_others_run() {
    passes(|sim: Sim| async move {
        let permits = Semaphore::new(1);
        let inside = Arc::new(AtomicU32::new(0));
        let tasks: Vec<_> = (0..3)
            .map(|_| {
                let (permits, inside) = (permits.clone(), Arc::clone(&inside));
                sim.task("guest", async move {
                    for _ in 0..2 {
                        let permit = permits.acquire().await;
                        assert_eq!(inside.fetch_add(1, SeqCst), 0, "one at a time");
                        sleep(millis(1)).await;
                        assert_eq!(inside.fetch_sub(1, SeqCst), 1, "one at a time");
                        drop(permit);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await?;
        }
        Ok(())
    });
}

/// A kill comes before a step or after it.
#[test]
fn a_kill_does_not_come_between_an_operation_and_what_follows() {
    passes(|sim: Sim| async move {
        let (sends, inbox) = bounded(8);
        let sent = Arc::new(AtomicU32::new(0));
        let counts = Arc::clone(&sent);
        let sender = sim.task("sender", async move {
            for n in 0..6 {
                sends.send(n).await?;
                counts.fetch_add(1, SeqCst);
            }
            roundrock::Ok(())
        });
        let mut received = u32::from(inbox.recv().await.is_some());
        sender.kill();
        sender.done().await;
        while inbox.recv().await.is_some() {
            received += 1;
        }
        assert_eq!(sent.load(SeqCst), received);
        Ok(())
    });
}

#[process]
async fn four(sends: &Sender<()>, counts: &Arc<AtomicU32>) -> Result<()> {
    for _ in 0..4 {
        sends.send(()).await?;
        counts.fetch_add(1, SeqCst);
    }
    Ok(())
}

#[process]
async fn fails_once(failed: &Arc<AtomicU32>) -> Result<()> {
    ensure!(failed.fetch_add(1, SeqCst) > 0, "the first time");
    Ok(())
}

/// Nor does another arm of a `select!` whose future it happens in.
#[test]
fn an_arm_does_not_come_between_an_operation_and_what_follows() {
    passes(|sim: Sim| async move {
        let part = sim.child("part");
        let (sends, inbox) = bounded(16);
        let sent = Arc::new(AtomicU32::new(0));
        let (counts, scope) = (Arc::clone(&sent), part.clone());
        part.task("feeder", async move {
            let feeds = async {
                for n in 0..6 {
                    if sends.send(n).await.is_err() {
                        break;
                    }
                    counts.fetch_add(1, SeqCst);
                }
            };
            select! {
                _ = cancel_safe(feeds) => {}
                _ = scope.stopping() => {}
            }
        });
        sleep(secs(0)).await;
        part.stop(secs(5)).await;
        let mut received = 0;
        while inbox.recv().await.is_some() {
            received += 1;
        }
        assert_eq!(sent.load(SeqCst), received);
        Ok(())
    });
}

/// What was tried once, and was sent, is not said to wait.
#[test]
fn a_send_that_has_room_is_sent_at_once_or_not_at_all() {
    passes(|sim: Sim| async move {
        let (sends, inbox) = bounded(16);
        let sink = sink(&sim, inbox);
        let mut sent = 0;
        for n in 0..8 {
            sent += u32::from(once(pin!(sends.send(n))).await.is_some());
        }
        drop(sends);
        assert_eq!(sink.await?, sent);
        Ok(())
    });
}

/// Nor does a failure beside it, for which it is started anew.
#[test]
fn a_restart_does_not_come_between_an_operation_and_what_follows() {
    passes(|sim: Sim| async move {
        let (sends, inbox) = bounded(64);
        let sent = Arc::new(AtomicU32::new(0));
        let counts = Arc::clone(&sent);
        let both = sim.child("both").one_for_all();
        let sender = both.supervise(four(sends, counts));
        sender.transient().shutdown(secs(0)).spawn();
        both.supervise(fails_once(Arc::default()))
            .transient()
            .spawn();
        both.join().await?;
        let mut received = 0;
        while inbox.try_recv().is_ok() {
            received += 1;
        }
        assert_eq!(sent.load(SeqCst), received);
        Ok(())
    });
}

/// A limit of time ends what is inside before a step of it or after it.
#[test]
fn a_limit_does_not_come_between_an_operation_and_what_follows() {
    passes(|sim: Sim| async move {
        let (sends, inbox) = bounded(64);
        let sink = sink(&sim, inbox);
        let sent = AtomicU32::new(0);
        for limit in [0, 1, 2] {
            let work = async {
                for _ in 0..4 {
                    sends.send(()).await?;
                    sent.fetch_add(1, SeqCst);
                    sleep(millis(1)).await;
                }
                roundrock::Ok(())
            };
            let _ = timeout(millis(limit), work).await;
        }
        drop(sends);
        assert_eq!(sink.await?, sent.load(SeqCst));
        Ok(())
    });
}

/// The futures of one process do not run in each other's steps.
#[test]
fn the_rest_of_a_process_does_not_come_between_an_operation_and_what_follows() {
    for receives_first in [false, true] {
        passes(move |sim: Sim| async move {
            let (sends, inbox) = bounded(8);
            let (echoes, echoed) = bounded(8);
            let echo = sim.task("echo", async move {
                while let Some(n) = inbox.recv().await {
                    echoes.send(n).await?;
                }
                roundrock::Ok(())
            });
            let sent = AtomicU32::new(0);
            let sender = async {
                for n in 1..=4 {
                    sends.send(n).await?;
                    sent.store(n, SeqCst);
                }
                drop(sends);
                roundrock::Ok(())
            };
            let receiver = async {
                while let Some(n) = echoed.recv().await {
                    assert!(
                        sent.load(SeqCst) >= n,
                        "{n} came back, and {} were sent",
                        sent.load(SeqCst)
                    );
                }
            };
            if receives_first {
                join!(receiver, sender).1?;
            } else {
                join!(sender, receiver).0?;
            }
            Ok(echo.await?)
        });
    }
}

/// Polls a future once.
async fn once<F: Future + ?Sized>(mut future: Pin<&mut F>) -> Option<F::Output> {
    poll_fn(|cx| {
        Poll::Ready(match future.as_mut().poll(cx) {
            Poll::Ready(value) => Some(value),
            Poll::Pending => None,
        })
    })
    .await
}

/// Counts what it receives.
fn sink<T: Message>(sim: &Sim, inbox: Receiver<T>) -> Task<u32> {
    sim.task("sink", async move {
        let mut received = 0;
        while inbox.recv().await.is_some() {
            received += 1;
        }
        roundrock::Ok(received)
    })
}

/// Whoever gives up a receive that has its message already gives the message back, at its place.
#[test]
fn a_receive_that_is_given_up_loses_nothing_and_keeps_the_order() {
    passes(|sim: Sim| async move {
        let (sends, inbox) = bounded(8);
        let sender = sim.task("sender", async move {
            for n in 0..6 {
                sends.send(n).await?;
            }
            roundrock::Ok(())
        });
        let mut received = Vec::new();
        loop {
            let mut first = pin!(inbox.recv());
            let mut second = pin!(inbox.recv());
            let (one, two) = (once(first.as_mut()).await, once(second.as_mut()).await);
            match (one, two) {
                (Some(None), _) | (_, Some(None)) => break,
                (one, two) => received.extend([one, two].into_iter().flatten().flatten()),
            }
            if one.is_none() && two.is_none() {
                sleep(millis(1)).await;
            }
        }
        assert!(received.is_sorted(), "{received:?}");
        assert_eq!(received.len(), 6, "{received:?}");
        Ok(sender.await?)
    });
}

/// A future that was begun and put aside does not keep its process from what else it does.
#[test]
fn who_puts_an_operation_aside_goes_on() {
    passes(|sim: Sim| async move {
        let (sends, inbox) = bounded(8);
        let (done, ends) = bounded(1);
        let receiver = sim.task("receiver", async move {
            let mut all = Vec::new();
            while let Some(n) = inbox.recv().await {
                all.push(n);
                let _ = done.try_send(());
            }
            roundrock::Ok(all)
        });
        {
            let mut aside = Box::pin(sends.send(1));
            let begun = once(aside.as_mut()).await;
            sends.send(2).await?;
            ends.recv().await;
            sleep(millis(1)).await;
            if begun.is_none() {
                aside.await?;
            }
        }
        drop(sends);
        let mut all = receiver.await?;
        all.sort_unstable();
        assert_eq!(all, [1, 2]);
        Ok(())
    });
}

/// What was sent is not sent again, nor given back as not sent.
#[test]
fn a_send_with_a_limit_tells_the_truth() {
    passes(|sim: Sim| async move {
        let (sends, inbox) = bounded(2);
        let receiver = sim.task("receiver", async move {
            let mut all = Vec::new();
            while let Some(n) = inbox.recv().await {
                all.push(n);
                sleep(millis(1)).await;
            }
            roundrock::Ok(all)
        });
        let mut sent = Vec::new();
        for n in 0..8 {
            if sends.send(n).within(millis(n / 4)).await.is_ok() {
                sent.push(n);
            }
        }
        drop(sends);
        assert_eq!(receiver.await?, sent);
        Ok(())
    });
}
