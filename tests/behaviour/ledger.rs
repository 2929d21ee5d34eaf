//! The ledger: sent = handled + handed back + dead + queued, with the right reason, for each kind of channel. P4, P23.
//!
//! Threads only: channels that plain threads make, threads of jobs, and a channel that stays behind when a destructor panics in its
//! close.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use roundrock::channel::{Dead, TrySendError, unbounded};
use roundrock::observe::Ledger;
use roundrock::prelude::*;
use roundrock_tests::{
    CAPACITIES, Step, channel_of, isolated, on, on_both, on_threads, on_workers, sent, times,
    yield_now,
};

/// What was sent, handled, handed back, died of each reason in the order of `Dead::ALL`, and is queued.
type Line = (u64, u64, u64, [u64; 5], u64);

fn line(ledger: Ledger) -> Line {
    assert!(ledger.is_balanced(), "{ledger}");
    (
        ledger.sent,
        ledger.handled,
        ledger.handed_back,
        Dead::ALL.map(|reason| ledger.dead.of(reason)),
        ledger.queued,
    )
}

/// Waits until the ledger of the system is this.
async fn becomes(scope: &Scope, wanted: Line) {
    while line(scope.system().ledger()) != wanted {
        yield_now().await;
    }
}

#[track_caller]
fn assert_is(scope: &Scope, wanted: Line) {
    assert_eq!(line(scope.system().ledger()), wanted);
}

#[process(mailbox = 4)]
struct Server {
    started: Arc<AtomicUsize>,
}

#[handlers]
impl Server {
    fn add(&mut self, by: usize) {
        self.started.fetch_add(by, Ordering::SeqCst);
    }
    fn get(&self) -> usize {
        self.started.load(Ordering::SeqCst)
    }
    fn boom(&self) {
        panic!("on purpose");
    }
    async fn boom_later(&self) {
        yield_now().await;
        panic!("on purpose");
    }
    /// Runs until the gate is opened or closed.
    async fn wait(&mut self, gate: Receiver<()>) -> usize {
        self.started.fetch_add(1, Ordering::SeqCst);
        gate.recv().await;
        7
    }
    fn answer_never(&mut self, reply: Reply<usize>) {
        drop(reply);
    }
}

fn server(scope: &Scope) -> (ServerHandle, Arc<AtomicUsize>) {
    let started = Arc::new(AtomicUsize::new(0));
    let state = Server {
        started: Arc::clone(&started),
    };
    (scope.child("server").spawn(state), started)
}

async fn until(started: &AtomicUsize, count: usize) {
    while started.load(Ordering::SeqCst) < count {
        yield_now().await;
    }
}

#[test]
fn p04_every_capacity_accounts_for_what_it_accepts_and_refuses() {
    for capacity in CAPACITIES {
        on_both(1, move |scope| async move {
            let (sender, receiver) = channel_of::<u8>(capacity);
            let mut recv = Step::parked(receiver.recv());
            sender.try_send(1).unwrap();
            assert_is(&scope, (1, 1, 0, [0; 5], 0));
            assert_eq!(recv.ready(), Some(1));
            drop(recv);
            let mut queued = 0;
            while capacity != Some(0) && queued < 3 && sender.try_send(2).is_ok() {
                queued += 1;
            }
            let full = u64::from(capacity.is_some_and(|capacity| capacity < 3));
            assert_is(
                &scope,
                (
                    1 + queued + full.min(u64::from(capacity != Some(0))),
                    1,
                    full.min(u64::from(capacity != Some(0))),
                    [0; 5],
                    queued,
                ),
            );
            drop(receiver);
            let before = line(scope.system().ledger());
            assert_eq!(before.3, [queued, 0, 0, 0, 0]);
            // Refused, and handed back: opened in one case, dropped unopened in the other.
            let refused = sender.send(3).await.unwrap_err();
            assert_eq!(refused.into_inner(), 3);
            drop(sender.send(4).await.unwrap_err());
            assert!(matches!(sender.try_send(5), Err(TrySendError::Closed(5))));
            let after = line(scope.system().ledger());
            assert_eq!(after.0, before.0 + 3);
            assert_eq!(after.2, before.2 + 2);
            assert_eq!(after.3, [queued + 1, 0, 0, 0, 0]);
            // The numbers stay when the channel is gone.
            drop(sender);
            assert_is(&scope, after);
            Ok(())
        });
    }
}

#[test]
fn p04_a_parked_sender_that_is_refused_counts_when_it_hears_of_it() {
    on_both(1, |scope| async move {
        let (sender, receiver) = rendezvous::<u8>();
        let mut parked = Step::parked(sender.send(1));
        let dropped = Step::parked(sender.send(2));
        let late = Step::parked(sender.send(3).within(millis(1)));
        assert!(late.into_future().await.is_err());
        assert_is(&scope, (1, 0, 1, [0; 5], 0));
        drop(receiver);
        assert_eq!(dropped.wakes(), 1);
        drop(dropped);
        assert_is(&scope, (1, 0, 1, [0; 5], 0));
        assert!(parked.ready().is_err());
        assert_is(&scope, (2, 0, 1, [1, 0, 0, 0, 0], 0));
        Ok(())
    });
}

#[test]
fn p12_a_send_that_was_cancelled_counts_nowhere() {
    on_both(1, |scope| async move {
        let (sender, receiver) = bounded::<u8>(1);
        sender.send(1).await?;
        drop(Step::parked(sender.send(2)));
        drop(sender.send(3));
        assert_is(&scope, (1, 0, 0, [0; 5], 1));
        // A message that was handed over and not seen is queued again.
        let (other, inbox) = rendezvous::<u8>();
        let recv = Step::parked(inbox.recv());
        other.try_send(4).unwrap();
        assert_is(&scope, (2, 1, 0, [0; 5], 1));
        drop(recv);
        assert_is(&scope, (2, 0, 0, [0; 5], 2));
        assert_eq!(inbox.recv().await, Some(4));
        assert_is(&scope, (2, 1, 0, [0; 5], 1));
        drop(receiver);
        assert_is(&scope, (2, 1, 0, [1, 0, 0, 0, 0], 0));
        Ok(())
    });
}

/// Decision: handed over, never seen, and nobody left to take it: withdrawn.
#[test]
fn p05_a_hand_off_that_nobody_saw_is_withdrawn() {
    on_both(1, |scope| async move {
        let (sender, receiver) = rendezvous::<u8>();
        let recv = Step::parked(receiver.recv());
        sender.try_send(1).unwrap();
        drop(recv);
        drop(receiver);
        assert_is(&scope, (1, 0, 0, [0, 0, 0, 0, 1], 0));

        // The same in the hands of a receiver that is the last one and outlives its endpoint's use.
        let (sender, receiver) = bounded::<u8>(2);
        let recv = Step::parked(async move { receiver.recv().await });
        sender.try_send(1).unwrap();
        sender.try_send(2).unwrap();
        assert_eq!(recv.wakes(), 1);
        drop(recv);
        let lost = line(scope.system().ledger());
        assert_eq!((lost.0, lost.1), (3, 0));
        assert_eq!(lost.3[0] + lost.3[4], 3);
        Ok(())
    });
}

#[test]
fn p14_select_counts_the_arm_that_won() {
    on_workers(|scope| async move {
        let each = times(200, 5);
        let (a, from_a) = rendezvous::<u32>();
        let (b, from_b) = bounded::<u32>(2);
        let feeders = [
            scope.task("a", async move {
                for n in 0..each as u32 {
                    a.send(n).await?;
                }
                roundrock::Ok(())
            }),
            scope.task("b", async move {
                for n in 0..each as u32 {
                    let permit = b.ready().await?;
                    permit.send(n)?;
                }
                roundrock::Ok(())
            }),
        ];
        let (mut seen, mut open) = (0, true);
        while open {
            select! {
                _n = from_a.recv() => seen += 1,
                _n = from_b.recv() => seen += 1,
                else => open = false,
            }
        }
        assert_eq!(seen, 2 * each);
        for feeder in feeders {
            feeder.await?;
        }
        let all = 2 * each as u64;
        assert_is(&scope, (all, all, 0, [0; 5], 0));
        Ok(())
    });
}

#[test]
fn p05_permits_are_room_and_not_messages() {
    on_both(1, |scope| async move {
        let (sender, receiver) = bounded::<u8>(3);
        let mut room = sender.ready_many(2).await?;
        let one = sender.ready().await?;
        assert!(sender.try_send(0).is_err());
        assert_is(&scope, (1, 0, 1, [0; 5], 0));
        room.send(1)?;
        drop(one);
        assert_is(&scope, (2, 0, 1, [0; 5], 1));
        drop(receiver);
        assert_eq!(room.send(2).unwrap_err().into_inner(), 2);
        assert_is(&scope, (3, 0, 2, [1, 0, 0, 0, 0], 0));
        // What is made of a bare `Closed` belongs to no channel, and counts when it is dropped.
        let closed = sender.ready().await.unwrap_err();
        assert_eq!(closed.with(3).into_inner(), 3);
        drop(closed.with(4));
        assert_is(&scope, (4, 0, 2, [2, 0, 0, 0, 0], 0));
        Ok(())
    });
}

#[test]
fn policies_discard() {
    on_both(1, |scope| async move {
        let (oldest, kept) = bounded(2).overflow(Overflow::DropOldest);
        let (newest, first) = bounded(2).overflow(Overflow::DropNewest);
        for n in 0..5 {
            oldest.send(n).await?;
            newest.send(n).await?;
        }
        assert_is(&scope, (10, 0, 0, [0, 0, 6, 0, 0], 4));
        assert_eq!(kept.recv_many(9).await, [3, 4]);
        assert_eq!(first.recv_many(9).await, [0, 1]);
        assert_is(&scope, (10, 4, 0, [0, 0, 6, 0, 0], 0));
        Ok(())
    });
}

#[test]
fn broadcasts_count_a_copy_for_each_receiver() {
    on_both(1, |scope| async move {
        let (news, first) = broadcast::<u8>(2);
        let second = news.subscribe();
        for n in 0..3 {
            news.send(n).await?;
        }
        // The oldest gave way to the third, for both.
        assert_is(&scope, (6, 0, 0, [0, 0, 2, 0, 0], 4));
        assert!(matches!(first.recv().await, Some(Err(lagged)) if lagged.missed() == 1));
        assert_eq!(first.recv().await, Some(Ok(1)));
        assert_is(&scope, (6, 1, 0, [0, 0, 2, 0, 0], 3));
        drop(second);
        assert_is(&scope, (6, 1, 0, [2, 0, 2, 0, 0], 1));
        drop(first);
        assert_is(&scope, (6, 1, 0, [3, 0, 2, 0, 0], 0));
        assert_eq!(news.send(9).await.unwrap_err().into_inner(), 9);
        drop(news.send(9).await);
        assert_is(&scope, (8, 1, 1, [4, 0, 2, 0, 0], 0));
        drop(news);
        assert_is(&scope, (8, 1, 1, [4, 0, 2, 0, 0], 0));

        let (waits, slow) = broadcast::<u8>(1).overflow(Overflow::Wait);
        waits.send(1).await?;
        assert!(waits.try_send(2).is_err());
        drop(Step::parked(waits.send(3)));
        assert_eq!(slow.recv().await, Some(Ok(1)));
        assert_is(&scope, (10, 2, 2, [4, 0, 2, 0, 0], 0));
        let (newest, slow) = broadcast::<u8>(1).overflow(Overflow::DropNewest);
        let other = newest.subscribe();
        newest.send(1).await?;
        newest.send(2).await?;
        drop((slow, other));
        assert_is(&scope, (14, 2, 2, [6, 0, 4, 0, 0], 0));
        Ok(())
    });
}

#[test]
fn oneshots_count_and_latest_does_not() {
    on_both(1, |scope| async move {
        let (sender, receiver) = oneshot();
        sender.send(1)?;
        assert_is(&scope, (1, 0, 0, [0; 5], 1));
        assert_eq!(receiver.try_recv(), Ok(1));
        let (sender, receiver) = oneshot();
        sender.send(2)?;
        assert_eq!(receiver.await, Some(2));
        let (sender, receiver) = oneshot();
        sender.send(3)?;
        drop(receiver);
        let (sender, receiver) = oneshot();
        drop(receiver);
        assert_eq!(sender.send(4).unwrap_err().into_inner(), 4);
        let (sender, receiver) = oneshot();
        drop(receiver);
        drop(sender.send(5));
        let (unused, _receiver) = oneshot::<u8>();
        drop(unused);
        assert_is(&scope, (5, 2, 1, [2, 0, 0, 0, 0], 0));

        let (level, levels) = latest(1);
        level.set(2);
        level.set(3);
        assert_eq!(levels.recv().await, Some(3));
        assert_is(&scope, (5, 2, 1, [2, 0, 0, 0, 0], 0));
        Ok(())
    });
}

#[test]
fn calls_sends_and_ports_meet_in_the_mailbox() {
    on_workers(|scope| async move {
        let (server, _) = server(&scope);
        server.add(1).await?;
        server.add(2).send().await?;
        let port = server.add_port();
        port.send(3).await?;
        port.try_send(4).unwrap();
        assert_eq!(server.get().await?, 10);
        assert_is(&scope, (5, 5, 0, [0; 5], 0));
        // Thrown away on purpose: the reply is a message that dies.
        server.get().send_and_forget().await?;
        assert_eq!(server.answer_never().await, Err(CallError::NoReply));
        assert_is(&scope, (8, 7, 0, [0, 0, 1, 0, 0], 0));
        server.stop();
        server.closed().await;
        assert_eq!(server.get().await, Err(CallError::Gone));
        drop(server.add(1).send().await);
        assert!(server.add(1).try_send().is_err());
        assert!(port.send(5).await.is_err());
        assert_is(&scope, (12, 7, 1, [3, 0, 1, 0, 0], 0));
        Ok(())
    });
}

/// P23: exactly the message in hand is crashed, and who is told of the crash finds it in the ledger.
#[test]
fn p23_the_message_in_hand_crashes() {
    on_workers(|scope| async move {
        let (server, _) = server(&scope);
        assert_eq!(server.boom().await, Err(CallError::Crashed));
        assert_is(&scope, (1, 0, 0, [0, 1, 0, 0, 0], 0));
        let (server, _) = self::server(&scope);
        assert_eq!(server.boom_later().await, Err(CallError::Crashed));
        assert_is(&scope, (2, 0, 0, [0, 2, 0, 0, 0], 0));
        // Without a caller it counts all the same, and what is queued behind it is not crashed.
        let (server, started) = self::server(&scope);
        let (_gate, waits) = rendezvous();
        server.wait(waits).send_and_forget().await?;
        until(&started, 1).await;
        server.boom().send().await?;
        server.add(1).send().await?;
        server.kill();
        server.done().await;
        becomes(&scope, (5, 0, 0, [2, 3, 0, 0, 0], 0)).await;
        Ok(())
    });
}

#[test]
fn p23_a_mailbox_survives_restarts_and_keeps_its_books() {
    on_workers(|scope| async move {
        let started = Arc::new(AtomicUsize::new(0));
        let shared = Arc::clone(&started);
        let child = scope.child("supervised").intensity(100, secs(10));
        let server = child
            .supervise(move || Server {
                started: Arc::clone(&shared),
            })
            .backoff(millis(1)..millis(1))
            .spawn();
        for round in 0..times(10, 4) as u64 {
            server.add(1).await?;
            if round % 2 == 0 {
                assert_eq!(server.boom().await, Err(CallError::Crashed));
            } else {
                let (_gate, waits) = rendezvous();
                let before = started.load(Ordering::SeqCst);
                let call = sent(&scope, server.wait(waits).into_future()).await;
                until(&started, before + 1).await;
                server.kill();
                assert_eq!(call.into_future().await, Err(CallError::Crashed));
            }
            assert_is(
                &scope,
                (2 * (round + 1), round + 1, 0, [0, round + 1, 0, 0, 0], 0),
            );
        }
        Ok(())
    });
}

#[test]
fn calls_expire_and_are_withdrawn_before_their_handler_starts() {
    on_workers(|scope| async move {
        let (server, started) = server(&scope);
        let (gate, waits) = rendezvous();
        let busy = scope.task("busy", {
            let server = server.clone();
            async move { server.wait(waits).await }
        });
        until(&started, 1).await;
        // One that has time, one that has not, one whose caller goes, and one that nobody waits for.
        let late = server.get().within(millis(1));
        assert_eq!(late.await, Err(CallError::Deadline));
        drop(Step::parked(server.get().into_future()));
        server.add(10).within(millis(0)).send().await?;
        server.add(10).send().await?;
        assert_is(&scope, (5, 1, 0, [0; 5], 4));
        gate.finish();
        assert_eq!(busy.await?, 7);
        assert_eq!(server.get().await?, 11);
        assert_is(&scope, (6, 3, 0, [0, 0, 0, 2, 1], 0));
        Ok(())
    });
}

/// P24: who is first to see that the time is up, the caller or the process that passes the message over, makes no difference.
#[test]
fn p24_a_call_that_expired_says_so() {
    on_workers(|scope| async move {
        let (server, _) = server(&scope);
        for round in 0..times(2000, 20) as u64 {
            let answer = server.get().within(micros(round % 3)).await;
            assert!(
                matches!(answer, Ok(_) | Err(CallError::Deadline)),
                "{answer:?}"
            );
        }
        server.stop();
        server.closed().await;
        assert_eq!(server.get().within(secs(5)).await, Err(CallError::Gone));
        Ok(())
    });
}

/// A deadline ends with its message, also when the handler panics: the worker goes on to others, which have none.
#[test]
fn a_deadline_dies_with_the_handler_that_panics() {
    on_both(1, |scope| async move {
        // On a slow machine the time may be up before the handler starts.
        loop {
            let (broken, _) = server(&scope);
            match broken.boom().within(millis(50)).await {
                Err(CallError::Crashed) => break,
                late => assert_eq!(late, Err(CallError::Deadline)),
            }
        }
        sleep(millis(60)).await;
        let (healthy, started) = server(&scope);
        healthy.add(1).send().await?;
        assert_eq!(healthy.get().await?, 1);
        assert_eq!(started.load(Ordering::SeqCst), 1);
        Ok(())
    });
}

/// A call that was dropped after its handler started runs to its end; its reply is a message that died.
#[test]
fn p04_the_reply_to_a_caller_that_went_is_withdrawn() {
    on_workers(|scope| async move {
        let (server, started) = server(&scope);
        let (gate, waits) = rendezvous::<()>();
        let call = sent(&scope, server.wait(waits).into_future()).await;
        until(&started, 1).await;
        assert_is(&scope, (1, 1, 0, [0; 5], 0));
        drop(call);
        gate.finish();
        assert_eq!(server.get().await?, 1);
        assert_is(&scope, (3, 2, 0, [0, 0, 0, 0, 1], 0));
        // The same when the answer has come, and nobody looked.
        let call = sent(&scope, server.get().into_future()).await;
        while line(scope.system().ledger()).1 < 3 {
            yield_now().await;
        }
        server.get().await?;
        assert!(call.wakes() > 0);
        drop(call);
        assert_is(&scope, (6, 4, 0, [0, 0, 0, 0, 2], 0));
        Ok(())
    });
}

#[test]
fn p22_a_panic_in_the_destructor_of_a_message_loses_no_count() {
    struct Bomb(bool);
    impl Drop for Bomb {
        fn drop(&mut self) {
            assert!(!self.0, "a destructor that panics");
        }
    }
    on(1, |scope| async move {
        let (sender, receiver) = bounded(4);
        for n in 0..4 {
            sender.try_send(Bomb(n == 1)).ok().unwrap();
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(receiver)));
        assert_is(&scope, (4, 0, 0, [4, 0, 0, 0, 0], 0));
        let refused = sender.try_send(Bomb(false)).err().unwrap();
        drop(refused);
        let unopened = sender.send(Bomb(true)).await.unwrap_err();
        let _ = catch_unwind(AssertUnwindSafe(|| drop(unopened)));
        assert_is(&scope, (6, 0, 1, [5, 0, 0, 0, 0], 0));
        Ok(())
    });
}

/// What a stop leaves behind is in the books too: drained, refused, and killed when the grace was over.
#[test]
fn p33_a_stop_accounts_for_everything() {
    on_workers(|scope| async move {
        let stage = scope.child("stage");
        let (jobs, inbox) = bounded::<u32>(8);
        let _ = stage.task("worker", async move {
            while let Some(_job) = inbox.recv().await {}
            roundrock::Ok(())
        });
        let (server, started) = {
            let started = Arc::new(AtomicUsize::new(0));
            let state = Server {
                started: Arc::clone(&started),
            };
            (stage.spawn(state), started)
        };
        let (_gate, waits) = rendezvous();
        server.wait(waits).send_and_forget().await?;
        until(&started, 1).await;
        server.add(1).send().await?;
        for n in 0..20 {
            jobs.send(n).await?;
        }
        let report = stage.stop(millis(1)).await;
        assert!(!report.is_clean());
        let ledger = scope.system().ledger();
        assert_eq!(line(ledger), (22, 20, 0, [1, 1, 0, 0, 0], 0), "{ledger}");
        Ok(())
    });
}

#[process(blocking)]
fn on_a_thread() -> Result<()> {
    let (sender, _receiver) = bounded::<u8>(1);
    sender.blocking_send(1)?;
    Ok(())
}

/// Channels that are made on plain threads are nobody's; mailboxes are their system's wherever they are made.
#[test]
fn mailboxes_are_counted_wherever_they_were_spawned() {
    on(2, |scope| async move {
        let inner = scope.clone();
        let spawner = std::thread::spawn(move || {
            let (loose, _inbox) = unbounded::channel::<u8>();
            loose.try_send(1).unwrap();
            server(&inner).0
        });
        let handle = roundrock::blocking::blocking(move || spawner.join().unwrap()).await;
        handle.add(1).await?;
        // A process on a thread of its own is no plain thread.
        scope.spawn(on_a_thread()).await?;
        assert_is(&scope, (2, 1, 0, [1, 0, 0, 0, 0], 0));
        Ok(())
    });
}

/// Many processes make, use, break and drop channels at once; whenever somebody looks, the books balance.
#[test]
fn the_ledger_balances_at_any_moment() {
    on_workers(|scope| async move {
        let crowd = scope.child("crowd");
        let rounds = times(40, 4);
        for seed in 0..times(12, 4) {
            let child = crowd.child("one");
            let _ = crowd.task("busy", async move {
                for round in 0..rounds {
                    let (sender, receiver) = channel_of::<u32>(CAPACITIES[(seed + round) % 4]);
                    let sending = isolated(&child, async move {
                        for n in 0..10 {
                            sender.send(n).await?;
                        }
                        roundrock::Ok(())
                    });
                    for _ in 0..(seed + round) % 12 {
                        receiver.recv().await;
                    }
                    if round % 3 == 0 {
                        sending.kill();
                    }
                    drop(receiver);
                    let _ = sending.await;
                }
                roundrock::Ok(())
            });
        }
        while crowd.alive() > 0 {
            let ledger = scope.system().ledger();
            assert!(ledger.is_balanced(), "{ledger}");
            yield_now().await;
        }
        let ledger = scope.system().ledger();
        assert_eq!(ledger.queued, 0, "{ledger}");
        Ok(())
    });
}

/// What a job on the blocking pool makes belongs to the system of its process; what a plain thread makes, to none.
#[test]
fn channels_of_blocking_jobs_are_in_the_ledger() {
    fn one_is_lost_and_one_arrives() {
        let (numbers, inbox) = bounded(2);
        numbers.try_send(1).expect("there is room");
        numbers.try_send(2).expect("there is room");
        assert_eq!(inbox.try_recv(), Ok(1));
        drop(inbox);
    }

    #[process(blocking)]
    fn works() {
        one_is_lost_and_one_arrives();
    }

    on_threads(|scope| async move {
        assert_is(&scope, (0, 0, 0, [0; 5], 0));
        std::thread::spawn(one_is_lost_and_one_arrives)
            .join()
            .expect("it does not panic");
        assert_is(&scope, (0, 0, 0, [0; 5], 0));
        blocking(one_is_lost_and_one_arrives).await;
        assert_is(&scope, (2, 1, 0, [1, 0, 0, 0, 0], 0));
        scope.spawn(works()).await?;
        assert_is(&scope, (4, 2, 0, [2, 0, 0, 0, 0], 0));
        Ok(())
    });
}
