//! Stopping a scope: inputs close, and stage drains into stage. Case D01; P9, P33.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use roundrock::channel::{TrySendError, unbounded};
use roundrock::prelude::*;
use roundrock::time::Duration;
use roundrock_tests::{LIMIT, Step, Tally, on_both, on_workers, simulated, times, yield_now};

/// P9, P33: what was accepted is handled, stage after stage, and nobody is late. Case D01.
#[test]
fn p33_a_stop_drains_stage_into_stage() {
    on_workers(|scope| async move {
        let tally = Tally::new();
        let handled = Arc::new(AtomicUsize::new(0));
        let child = scope.child("pipeline");
        let (raw, raw_in) = bounded(1000);
        let (cooked, cooked_in) = bounded(4);
        let (served, served_in) = rendezvous();
        for n in 0..1000 {
            raw.try_send(tally.token(n)).unwrap();
        }
        for _ in 0..3 {
            let (from, to) = (raw_in.clone(), cooked.clone());
            let _ = child.task("first", async move {
                while let Some(token) = from.recv().await {
                    to.send(token).await?;
                }
                roundrock::Ok(())
            });
        }
        drop((raw_in, cooked));
        let _ = child.task("second", async move {
            while let Some(token) = cooked_in.recv().await {
                yield_now().await;
                served.send(token).await?;
            }
            roundrock::Ok(())
        });
        let count = Arc::clone(&handled);
        let _ = child.task("third", async move {
            while served_in.recv().await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        let report = child.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.drained, 5);
        assert_eq!(handled.load(Ordering::SeqCst), 1000);
        tally.assert_balanced();
        assert!(raw.try_send(tally.token(1)).unwrap_err().is_closed());
        Ok(())
    });
}

/// P9, P4: from the stop on, senders outside of the scope get their messages back: those that are parked, and later ones.
#[test]
fn p09_senders_outside_are_refused_with_their_message() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        let (sender, receiver) = bounded(1);
        let (go, gate) = bounded::<()>(1);
        let seen = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&seen);
        let _ = child.task("slow", async move {
            gate.recv().await;
            while receiver.recv().await.is_some() {
                count.fetch_add(1, Ordering::SeqCst);
            }
        });
        sender.send(0).await?;
        let parked = sender.clone();
        let process = scope.task("outside", async move {
            roundrock::Ok(parked.send(1).await.map_err(|error| error.into_inner()))
        });
        let blocked = sender.clone();
        // What is simulated has no thread beside it.
        let threads: Vec<_> = (0..times(1, 0))
            .map(|_| {
                let blocked = blocked.clone();
                thread::spawn(move || blocked.blocking_send(2).map_err(|error| error.into_inner()))
            })
            .collect();
        let mut by_hand = Step::new(sender.send(3));
        assert!(by_hand.poll().is_pending());
        let stopped = child.clone();
        let stop = scope.task(
            "stops",
            async move { roundrock::Ok(stopped.stop(LIMIT).await) },
        );
        child.stopping().await;
        drop(go);
        let report = stop.await?;
        assert!(report.is_clean(), "{report}");
        // Each of them was accepted before the input closed, or refused with its message.
        let mut sent = vec![
            (process.await?, 1),
            (by_hand.ready().map_err(|error| error.into_inner()), 3),
        ];
        for thread in threads {
            sent.push((blocking(move || thread.join()).await.unwrap(), 2));
        }
        let (mut refused, all) = (0, 1 + sent.len());
        for (result, message) in sent {
            if let Err(back) = result {
                assert_eq!(back, message);
                refused += 1;
            }
        }
        assert_eq!(seen.load(Ordering::SeqCst) + refused, all);
        assert_eq!(sender.try_send(9), Err(TrySendError::Closed(9)));
        Ok(())
    });
}

/// P9: a permit that was granted before the stop is still honoured while the input drains.
#[test]
fn p09_granted_permits_drain() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        let (sender, receiver) = bounded(2);
        let (go, gate) = bounded::<()>(1);
        let reader = child.task("reader", async move {
            gate.recv().await;
            let mut all = Vec::new();
            while let Some(n) = receiver.recv().await {
                all.push(n);
            }
            roundrock::Ok(all)
        });
        let permit = sender.ready().await?;
        let stopped = child.clone();
        let stop = scope.task(
            "stops",
            async move { roundrock::Ok(stopped.stop(LIMIT).await) },
        );
        child.stopping().await;
        permit.send(1)?;
        drop(go);
        assert_eq!(reader.await?, [1]);
        assert!(stop.await?.is_clean());
        Ok(())
    });
}

/// P9: a stop may be asked for again, by several at once: all get the one report.
#[test]
fn p09_stopping_twice_is_stopping_once() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        let (sender, receiver) = bounded::<u8>(1);
        let _ = child.task(
            "reader",
            async move { while receiver.recv().await.is_some() {} },
        );
        let stops: Vec<_> = (0..4)
            .map(|_| {
                let child = child.clone();
                scope.task(
                    "stops",
                    async move { roundrock::Ok(child.stop(LIMIT).await) },
                )
            })
            .collect();
        for stop in stops {
            let report = stop.await?;
            assert_eq!((report.drained, report.is_clean()), (1, true), "{report}");
        }
        let again = child.stop(Duration::ZERO).await;
        assert_eq!((again.drained, again.is_clean()), (1, true));
        assert!(sender.is_closed());
        assert!(scope.child("empty").stop(LIMIT).await.is_clean());
        Ok(())
    });
}

/// P9: a process that stops its own scope goes on to its natural end.
#[test]
fn p09_stop_from_inside_returns_at_once() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        let inner = child.clone();
        let task = child.task("stops itself", async move {
            inner.stop(LIMIT).await;
            assert!(inner.is_stopping());
            yield_now().await;
            roundrock::Ok(6)
        });
        assert_eq!(task.await?, 6);
        assert!(child.stop(LIMIT).await.is_clean());
        Ok(())
    });
}

/// P9: a receiver that is also held outside of the stopping scope keeps its channel: only the scope's own input ends.
#[test]
fn p09_a_receiver_outside_of_the_scope_goes_on() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        let (sender, receiver) = bounded(4);
        let inside = receiver.clone();
        let reader = child.task(
            "inside",
            async move { while inside.recv().await.is_some() {} },
        );
        yield_now().await;
        assert!(child.stop(LIMIT).await.is_clean());
        reader.await?;
        sender.send(1).await?;
        assert_eq!(receiver.recv().await, Some(1));
        Ok(())
    });
}

/// P9: processes that wait for each other in a ring, each holding the next one's sender, end together.
#[test]
fn p09_a_ring_of_waiting_processes_ends() {
    on_workers(|scope| async move {
        let child = scope.child("ring");
        let channels: Vec<_> = (0..5).map(|_| bounded::<u32>(1)).collect();
        for n in 0..5 {
            let (from, to) = (channels[n].1.clone(), channels[(n + 1) % 5].0.clone());
            let _ = child.task("node", async move {
                while let Some(hops) = from.recv().await {
                    to.send(hops + 1).await?;
                }
                roundrock::Ok(())
            });
        }
        drop(channels);
        let report = child.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(report.drained, 5);
        Ok(())
    });
}

/// P33: a process that still works when most of the grace is over may feed another one, by a sender that nobody can see.
#[test]
fn p33_who_works_long_still_feeds() {
    on_both(2, |scope| async move {
        let child = scope.child("pipeline");
        let (to_sink, numbers) = bounded(1);
        let sink = child.task("sink", async move {
            let mut got = Vec::new();
            while let Some(n) = numbers.recv().await {
                got.push(n);
            }
            roundrock::Ok(got)
        });
        let _ = child.task("front", async move {
            sleep(millis(1300)).await;
            to_sink.send(7).await
        });
        let report = child.stop(secs(2)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(sink.await?, [7]);
        Ok(())
    });
}

/// P33: who waits for somebody outside of the scope is not done: inputs that it feeds stay open.
#[test]
fn p33_who_waits_for_the_outside_still_feeds() {
    on_workers(|scope| async move {
        let child = scope.child("pipeline");
        let (ask, asked) = rendezvous();
        let (jobs, inbox) = bounded(8);
        let (to_sink, results) = bounded(1);
        for n in 0..3 {
            jobs.try_send(n).unwrap();
        }
        let sink = child.task("sink", async move {
            let mut got = Vec::new();
            while let Some(n) = results.recv().await {
                got.push(n);
            }
            roundrock::Ok(got)
        });
        let _ = child.task("front", async move {
            while let Some(n) = inbox.recv().await {
                ask.send(n).await?;
                to_sink.send(n).await?;
            }
            roundrock::Ok(())
        });
        let _outside = scope.task("outside", async move {
            loop {
                // Long enough for many looks at the scope that stops.
                sleep(millis(30)).await;
                if asked.recv().await.is_none() {
                    break;
                }
            }
        });
        let report = child.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(sink.await?, [0, 1, 2]);
        Ok(())
    });
}

/// P33: all senders that a process was lent are known, however many.
#[test]
fn p33_every_port_counts() {
    #[process]
    async fn front(
        jobs: &Receiver<u32>,
        a: &Sender<u32>,
        b: &Sender<u32>,
        c: &Sender<u32>,
    ) -> Result<()> {
        while jobs.recv().await.is_some() {}
        // The last word of a stage whose input is over.
        for out in [a, b, c] {
            out.send(7).await?;
        }
        Ok(())
    }
    #[process]
    async fn sink(numbers: &Receiver<u32>, got: &Arc<AtomicUsize>) {
        while numbers.recv().await.is_some() {
            got.fetch_add(1, Ordering::SeqCst);
        }
    }
    on_workers(|scope| async move {
        let child = scope.child("fan");
        let got = Arc::new(AtomicUsize::new(0));
        let (outs, ins): (Vec<_>, Vec<_>) = (0..3).map(|_| bounded(1)).unzip();
        let (jobs, inbox) = bounded::<u32>(1);
        // Nobody uses these any more, but they keep every input open.
        let kept = outs.clone();
        let [a, b, c] = outs.try_into().unwrap();
        child.spawn(front(inbox, a, b, c));
        for input in ins {
            child.spawn(sink(input, Arc::clone(&got)));
        }
        let report = child.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(got.load(Ordering::SeqCst), 3);
        drop((jobs, kept));
        Ok(())
    });
}

/// P33: when the grace is over, who does not wait for its input is dropped; the others see the end of theirs, and finish.
#[test]
fn p33_the_late_take_nobody_with_them() {
    on_workers(|scope| async move {
        let child = scope.child("pipeline");
        let (to_sink, numbers) = bounded(1);
        let sink = child.task("sink", async move {
            let mut got = 0;
            while let Some(n) = numbers.recv().await {
                got += n;
            }
            yield_now().await;
            roundrock::Ok(got + 1000)
        });
        let _ = child.task("endless", async move {
            to_sink.send(7).await?;
            sleep(secs(1000)).await;
            to_sink.send(8).await
        });
        let report = child.stop(millis(50)).await;
        assert_eq!(report.late.len(), 1, "{report}");
        assert_eq!(report.late[0].name, "endless");
        assert_eq!(sink.await?, 1007);
        Ok(())
    });
}

/// P33: the end of one input is not the end of another one of the same process, which may still be fed.
#[test]
fn p33_inputs_end_one_by_one() {
    on_workers(|scope| async move {
        let child = scope.child("pipeline");
        let (kept_first, first) = bounded::<u32>(1);
        let (kept_front, front_input) = bounded::<u32>(1);
        let (to_second, second) = bounded::<u32>(1);
        let reader = child.task("reader", async move {
            while first.recv().await.is_some() {}
            let mut got = Vec::new();
            while let Some(n) = second.recv().await {
                got.push(n);
            }
            roundrock::Ok(got)
        });
        let _ = child.task("front", async move {
            while front_input.recv().await.is_some() {}
            sleep(millis(20)).await;
            to_second.send(7).await
        });
        let report = child.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(reader.await?, [7]);
        drop((kept_first, kept_front));
        Ok(())
    });
}

/// P33: the report counts everybody who was there when the stop began, also in the scopes inside, and however quickly they end.
#[test]
fn p33_the_report_counts_everybody() {
    on_workers(|scope| async move {
        for _ in 0..20 {
            let child = scope.child("child");
            let inner = child.child("inner");
            for at in [&child, &inner] {
                for _ in 0..3 {
                    at.task("ends at once", at.stopping());
                }
            }
            yield_now().await;
            let report = child.stop(LIMIT).await;
            assert_eq!(report.drained, 6, "{report}");
            assert!(report.is_clean());
        }
        Ok(())
    });
}

/// Has as many in its own scope that hear of no stop.
#[process]
async fn leads(deaf: &usize, begun: &Sender<()>, scope: &Scope) -> Result<()> {
    for _ in 0..*deaf {
        let _ = scope.task("deaf", std::future::pending::<()>());
    }
    begun.send(()).await?;
    scope.stopping().await;
    Ok(())
}

/// P33: so does what supervised children have started; who was dropped there has not drained.
#[test]
fn p33_the_report_counts_what_supervised_children_started() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        let (tell, begun) = bounded(2);
        for deaf in [10, 0] {
            let _ = child.supervise(leads(deaf, tell.clone())).spawn();
            begun.recv().await;
        }
        for _ in 0..5 {
            child.task("drains", child.stopping());
        }
        let report = child.stop(millis(30)).await;
        assert_eq!(report.late.len(), 10, "{report}");
        assert!(report.late.iter().all(|late| late.name == "deaf"));
        // The two children, and the five.
        assert_eq!(report.drained, 7, "{report}");
        Ok(())
    });
}

/// P9: a second stop cannot lengthen the grace of the first one, but it can end it.
#[test]
fn p09_the_grace_that_ends_first_holds() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        child.task("never", std::future::pending::<()>());
        let stopped = child.clone();
        let first = scope.task("first", async move {
            roundrock::Ok(stopped.stop(LIMIT * 10).await.late.len())
        });
        while !child.is_stopping() {
            yield_now().await;
        }
        assert_eq!(child.stop(millis(5)).await.late.len(), 1);
        assert_eq!(first.await?, 1);
        Ok(())
    });
}

/// P9: the stop of one stage after another refuses outsiders on the same channel, each time anew; in between they are welcome.
#[test]
fn p09_each_stop_in_turn_refuses_outsiders() {
    on_workers(|scope| async move {
        let (tx, rx) = bounded::<u32>(8);
        for name in ["first", "second", "third"] {
            let stage = scope.child(name);
            let (to, from) = (tx.clone(), rx.clone());
            let feeder = scope.task("feeder", async move {
                let mut sent = 0_usize;
                while to.send(1).await.is_ok() {
                    sent += 1;
                }
                roundrock::Ok(sent)
            });
            let _ = stage.task("reader", async move {
                while from.recv().await.is_some() {
                    sleep(millis(1)).await;
                }
            });
            sleep(millis(20)).await;
            let report = stage.stop(LIMIT / 2).await;
            assert!(report.is_clean(), "{name}: {report}");
            assert!(feeder.await? > 0, "{name}: it sent until the stop");
        }
        tx.send(2).await?;
        assert_eq!(rx.recv().await, Some(2), "nobody refuses any more");
        Ok(())
    });
}

/// P9: two stages that read from one channel and stop at once refuse whoever is outside of both, and neither's own processes.
#[test]
fn p09_two_stops_at_once_refuse_who_is_outside_of_both() {
    simulated(|scope| async move {
        let (tx, rx) = bounded::<u32>(2);
        let outside = tx.clone();
        let outside = scope.task("outside", async move {
            while outside.send(0).await.is_ok() {
                sleep(millis(1)).await;
            }
        });
        let refused = Arc::new(AtomicUsize::new(0));
        let stages = ["left", "right"].map(|name| {
            let stage = scope.child(name);
            let (to, refused, stopping) = (tx.clone(), Arc::clone(&refused), stage.stopping());
            // Sends on while its stage drains.
            let _ = stage.task("last words", async move {
                stopping.await;
                // The clock of a simulation moves when nobody can go on: both readers have noticed by then.
                sleep(millis(1)).await;
                for n in 0..16 {
                    if to.send(n).await.is_err() {
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                    yield_now().await;
                }
            });
            let from = rx.clone();
            let _ = stage.task("reader", async move {
                while from.recv().await.is_some() {
                    yield_now().await;
                }
            });
            stage
        });
        // Nobody finds the channel closed while there is somebody else who reads.
        let _ = scope.task(
            "other reader",
            async move { while rx.recv().await.is_some() {} },
        );
        drop(tx);
        sleep(millis(2)).await;
        let [left, right] = &stages;
        let (left, right) = join!(left.stop(LIMIT / 2), right.stop(LIMIT / 2));
        assert!(left.is_clean(), "left: {left}");
        assert!(right.is_clean(), "right: {right}");
        outside.await?;
        assert_eq!(refused.load(Ordering::SeqCst), 0);
        Ok(())
    });
}

/// How many messages were begun, and how many are done.
#[derive(Debug, Clone, Default)]
struct Work(Arc<(AtomicUsize, AtomicUsize)>);

impl Work {
    /// Is busy until the gate is closed.
    async fn one(&self, gate: &Receiver<()>) {
        self.0.0.fetch_add(1, Ordering::SeqCst);
        gate.recv().await;
        self.0.1.fetch_add(1, Ordering::SeqCst);
    }

    async fn begun(&self) {
        while self.0.0.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
    }

    fn done(&self) -> usize {
        self.0.1.load(Ordering::SeqCst)
    }
}

/// Comes to its second input when the first one is over.
#[process]
async fn busy(jobs: &Receiver<u32>, rare: &Receiver<u32>, gate: &Receiver<()>, work: &Work) {
    for input in [jobs, rare] {
        while input.recv().await.is_some() {
            work.one(gate).await;
        }
    }
}

#[process]
struct Busy {
    gate: Receiver<()>,
    work: Work,
}

#[handlers]
impl Busy {
    async fn work(&mut self) {
        self.work.one(&self.gate).await;
    }
}

/// Sends until it is refused, and says how many were accepted.
async fn until_refused<T>(send: impl Fn() -> Result<(), TrySendError<T>>) -> usize {
    let mut accepted = 0;
    for _ in 0..2000 {
        match send() {
            Ok(()) => accepted += 1,
            Err(TrySendError::Full(_)) => {}
            Err(_) => return accepted,
        }
        sleep(millis(1)).await;
    }
    panic!("those outside are still accepted");
}

/// P9: a process that is busy with a message when its scope stops refuses those outside, in all that it was lent, before it asks
/// for the next message; what was accepted is handled.
#[test]
fn p09_a_busy_function_refuses_at_once() {
    on_workers(|scope| async move {
        for workers in [1, 2] {
            let child = scope.child("child");
            let ((jobs, inbox), (rare, seldom)) = (unbounded::channel(), unbounded::channel());
            let (closed, gate) = bounded(1);
            let work = Work::default();
            let worker = busy(inbox, seldom, gate, work.clone());
            if workers == 1 {
                child.spawn(worker);
            } else {
                child.pool(workers, worker);
            }
            jobs.send(0).await?;
            work.begun().await;
            let (stopped, accepted) = join!(child.stop(LIMIT), async {
                let mut accepted = 1 + until_refused(|| jobs.try_send(1)).await;
                accepted += until_refused(|| rare.try_send(1)).await;
                assert_eq!(work.done(), 0, "it is still busy");
                drop(closed);
                accepted
            });
            assert!(stopped.is_clean(), "{stopped}");
            assert_eq!(work.done(), accepted);
        }
        Ok(())
    });
}

/// P9: the same for the mailbox of a struct, also if it is supervised.
#[test]
fn p09_a_busy_struct_refuses_at_once() {
    on_workers(|scope| async move {
        for is_supervised in [false, true] {
            let child = scope.child("child");
            let (closed, gate) = bounded(1);
            let work = Work::default();
            let known = work.clone();
            let state = move || Busy {
                gate: gate.clone(),
                work: known.clone(),
            };
            let desk = match is_supervised {
                false => child.spawn(state()),
                true => child.supervise(state).spawn(),
            };
            desk.work().send_and_forget().await?;
            work.begun().await;
            let (stopped, accepted) = join!(child.stop(LIMIT), async {
                let accepted = 1 + until_refused(|| desk.work().try_send()).await;
                assert_eq!(work.done(), 0, "it is still busy");
                drop(closed);
                accepted
            });
            assert!(stopped.is_clean(), "{stopped}");
            assert_eq!(work.done(), accepted);
        }
        Ok(())
    });
}
