//! Stopping a scope of supervised children: stage drains into stage, though each waits for its turn. P26, P33.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use roundrock::prelude::*;
use roundrock_tests::{LIMIT, on_workers, times, yield_now};

/// Adds up what it gets.
#[process]
async fn sink(numbers: &Receiver<u32>, sum: &Arc<AtomicU32>) {
    while let Some(n) = numbers.recv().await {
        sum.fetch_add(n, Ordering::SeqCst);
    }
    yield_now().await;
    sum.fetch_add(1000, Ordering::SeqCst);
}

/// The end of one input is not the end of another one, which a child that was added before or after still feeds.
#[test]
fn p33_inputs_of_children_end_one_by_one() {
    #[process]
    async fn read_both(first: &Receiver<u32>, second: &Receiver<u32>, sum: &Arc<AtomicU32>) {
        while first.recv().await.is_some() {}
        while let Some(n) = second.recv().await {
            sum.fetch_add(n, Ordering::SeqCst);
        }
    }
    #[process]
    async fn front(input: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
        while input.recv().await.is_some() {}
        sleep(millis(20)).await;
        out.send(7).await?;
        Ok(())
    }
    on_workers(|scope| async move {
        for front_first in [true, false] {
            let parts = scope.child("parts");
            let (kept, inputs): (Vec<_>, Vec<_>) = (0..3).map(|_| bounded(1)).unzip();
            let [first, second, input] = inputs.try_into().unwrap();
            let sum = Arc::new(AtomicU32::new(0));
            let front = parts.supervise(front(input, kept[1].clone()));
            let reader = parts.supervise(read_both(first, second, Arc::clone(&sum)));
            if front_first {
                drop((front.spawn(), reader.spawn()));
            } else {
                drop((reader.spawn(), front.spawn()));
            }
            let report = parts.stop(LIMIT).await;
            assert!(report.is_clean(), "{report}");
            assert_eq!(sum.load(Ordering::SeqCst), 7, "{front_first}");
            drop(kept);
        }
        Ok(())
    });
}

/// All senders that a child was lent are known, however many, and count for those that were added before and after it.
#[test]
fn p33_every_port_of_a_child_counts() {
    #[process]
    async fn front(
        jobs: &Receiver<u32>,
        a: &Sender<u32>,
        b: &Sender<u32>,
        c: &Sender<u32>,
    ) -> Result<()> {
        while jobs.recv().await.is_some() {}
        for out in [a, b, c] {
            out.send(7).await?;
        }
        Ok(())
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let sum = Arc::new(AtomicU32::new(0));
        let (outs, ins): (Vec<_>, Vec<_>) = (0..3).map(|_| bounded(1)).unzip();
        let (jobs, inbox) = bounded::<u32>(1);
        let kept = outs.clone();
        let [a, b, c] = outs.try_into().unwrap();
        let mut ins = ins.into_iter();
        let _ = parts
            .supervise(sink(ins.next().unwrap(), Arc::clone(&sum)))
            .spawn();
        let _ = parts.supervise(front(inbox, a, b, c)).spawn();
        for input in ins {
            let _ = parts.supervise(sink(input, Arc::clone(&sum))).spawn();
        }
        let report = parts.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(sum.load(Ordering::SeqCst), 3 * 1007);
        drop((jobs, kept));
        Ok(())
    });
}

/// A child that waits for somebody outside of the scope is not done, and what it feeds stays open, also by a sender that nobody knows.
#[test]
fn p33_a_child_that_waits_for_the_outside_still_feeds() {
    #[process]
    async fn front(jobs: Receiver<u32>, ask: Sender<u32>, out: Sender<u32>) -> Result<()> {
        while let Some(n) = jobs.recv().await {
            ask.send(n).await?;
            out.send(n).await?;
        }
        Ok(())
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let (ask, asked) = rendezvous();
        let (jobs, inbox) = bounded(8);
        let (out, numbers) = bounded(1);
        for n in 1..=3 {
            jobs.try_send(n).unwrap();
        }
        let sum = Arc::new(AtomicU32::new(0));
        let _ = parts
            .supervise(move || front(inbox.clone(), ask.clone(), out.clone()))
            .spawn();
        let _ = parts.supervise(sink(numbers, Arc::clone(&sum))).spawn();
        let _outside = scope.task("outside", async move {
            loop {
                // Long enough for many looks at the scope that stops.
                sleep(millis(30)).await;
                if asked.recv().await.is_none() {
                    break;
                }
            }
        });
        let report = parts.stop(LIMIT).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(sum.load(Ordering::SeqCst), 1006);
        Ok(())
    });
}

/// When the grace is over, a child that does not wait for its input is dropped; the others see the end of theirs, and finish.
#[test]
fn p33_a_late_child_takes_nobody_with_it() {
    #[process]
    async fn endless(out: &Sender<u32>) -> Result<()> {
        out.send(7).await?;
        sleep(secs(1000)).await;
        out.send(8).await?;
        Ok(())
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let (out, numbers) = bounded(1);
        let sum = Arc::new(AtomicU32::new(0));
        let _ = parts.supervise(endless(out)).spawn();
        let _ = parts.supervise(sink(numbers, Arc::clone(&sum))).spawn();
        while sum.load(Ordering::SeqCst) == 0 {
            yield_now().await;
        }
        let report = parts.stop(millis(50)).await;
        assert_eq!(report.late.len(), 1, "{report}");
        assert_eq!(report.late[0].name, "endless");
        assert_eq!(sum.load(Ordering::SeqCst), 1007);
        Ok(())
    });
}

/// A child that waits for its turn, and asks again and again whether it has come, gets it when half of the grace is over at the latest.
#[test]
fn p26_a_turn_comes_in_time_for_a_child_that_polls() {
    #[process]
    async fn clock(out: &Sender<u32>, scope: &Scope) -> Result<()> {
        while !scope.is_stopping() {
            sleep(millis(3)).await;
        }
        out.send(7).await?;
        Ok(())
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let (out, numbers) = bounded(1);
        let sum = Arc::new(AtomicU32::new(0));
        let _ = parts.supervise(clock(out)).spawn();
        let _ = parts.supervise(sink(numbers, Arc::clone(&sum))).spawn();
        let report = parts.stop(millis(600)).await;
        assert!(report.is_clean(), "{report}");
        assert_eq!(sum.load(Ordering::SeqCst), 1007);
        Ok(())
    });
}

/// Plain processes, children, pools, and what lies in scopes further in drain into each other, in any order; also if a stage takes its
/// time over each message, holds the sender where nobody sees it, and writes what it gathered when its input ends.
#[test]
fn p33_stages_of_all_kinds_drain_together() {
    #[process]
    async fn pass(from: &Receiver<u32>, to: &Vec<Sender<u32>>) -> Result<()> {
        while let Some(n) = from.recv().await {
            sleep(millis(5)).await;
            to[0].send(n).await?;
        }
        to[0].send(100).await?;
        Ok(())
    }
    on_workers(|scope| async move {
        for _ in 0..times(4, 1) {
            // Two bits for each stage.
            let kinds = roundrock::rng().below(64);
            let parts = scope.child("parts");
            let sum = Arc::new(AtomicU32::new(0));
            let (first, mut from) = bounded(4);
            let mut kept = Vec::new();
            for stage in 0..3 {
                let (to, next) = bounded(1);
                kept.push(to.clone());
                let process = pass(std::mem::replace(&mut from, next), vec![to]);
                match kinds >> (2 * stage) & 3 {
                    0 => drop(parts.spawn(process)),
                    1 => drop(parts.supervise(process).spawn()),
                    2 => drop(parts.pool(1, process)),
                    _ => drop(parts.child("inner").spawn(process)),
                }
            }
            parts.spawn(sink(from, Arc::clone(&sum)));
            for n in 1..4 {
                first.send(n).await?;
            }
            let report = parts.stop(LIMIT).await;
            assert!(report.is_clean(), "{kinds}: {report}");
            assert_eq!(sum.load(Ordering::SeqCst), 1306, "{kinds}");
            drop(kept);
        }
        Ok(())
    });
}

/// A pool that hands half of its work back to the stage before it, which nobody but the pool keeps busy: the stop neither waits out
/// its grace nor loses what goes round.
#[test]
fn p33_a_pool_and_the_stage_that_feeds_it_end_together() {
    #[process]
    async fn front(from: &Receiver<u32>, to: &Sender<u32>) -> Result<()> {
        while let Some(n) = from.recv().await {
            to.send(n).await?;
        }
        Ok(())
    }
    #[process]
    async fn halve(from: &Receiver<u32>, back: &Sender<u32>, ends: &Arc<AtomicU32>) -> Result<()> {
        while let Some(n) = from.recv().await {
            sleep(millis(5)).await;
            match n {
                0 => drop(ends.fetch_add(1, Ordering::SeqCst)),
                n => back.send(n / 2).await?,
            }
        }
        Ok(())
    }
    on_workers(|scope| async move {
        let parts = scope.child("parts");
        let ends = Arc::new(AtomicU32::new(0));
        let ((first, from), (to, next)) = (bounded(8), bounded(8));
        parts.spawn(front(from, to));
        parts.pool(2, halve(next, first.clone(), Arc::clone(&ends)));
        for n in 0..6 {
            first.send(n).await?;
        }
        drop(first);
        let report = parts.stop(LIMIT).await;
        assert_eq!(ends.load(Ordering::SeqCst), 6);
        assert!(report.took < LIMIT, "{report}");
        Ok(())
    });
}

/// P09: room that was granted before the stop is kept for its message; and given back, it keeps nobody.
#[test]
fn p09_a_stop_waits_for_granted_room() {
    on_workers(|scope| async move {
        for (capacity, uses) in [(1, true), (4, true), (1, false)] {
            let stage = scope.child("stage");
            let (jobs, inbox) = bounded(capacity);
            let (out, read) = bounded(4);
            stage.task("reader", async move {
                while let Some(job) = inbox.recv().await {
                    out.send(job).await?;
                }
                roundrock::Ok(())
            });
            let room = jobs.ready().await?;
            let stopped = stage.clone();
            let stop = scope.task("stop", async move {
                roundrock::Ok(stopped.stop(secs(30)).await)
            });
            stage.stopping().await;
            // Longer than it takes to find out that nothing moves.
            sleep(millis(20)).await;
            if uses {
                room.send(7)?;
            } else {
                drop(room);
            }
            let report = stop.await?;
            assert!(report.is_clean(), "{report}");
            assert!(report.took < secs(20), "{report}");
            assert_eq!(read.recv().await, uses.then_some(7));
        }
        Ok(())
    });
}

/// Keeps what it cannot pass on yet, as the example of `select!` does.
#[process]
async fn collect(jobs: &Receiver<u32>, out: Sender<u32>) -> Result<()> {
    let mut backlog = Vec::new();
    loop {
        select! {
            job = jobs.recv() => backlog.push(job),
            room = out.ready(), if !backlog.is_empty() => room?.send(backlog.remove(0))?,
            else => break,
        }
    }
    Ok(())
}

/// A stop closes the input of a stage that has a backlog, which is passed on before it ends.
#[test]
fn p33_a_stage_passes_its_backlog_on() {
    #[process]
    async fn slow(results: &Receiver<u32>, sum: &Arc<AtomicU32>) {
        while let Some(n) = results.recv().await {
            sleep(millis(2)).await;
            sum.fetch_add(n, Ordering::SeqCst);
        }
    }
    on_workers(|scope| async move {
        for supervised in [false, true] {
            let (parts, sum) = (scope.child("parts"), Arc::new(AtomicU32::new(0)));
            let (jobs, inbox) = bounded(4);
            let (out, results) = bounded(4);
            let writer = slow(results, Arc::clone(&sum));
            if supervised {
                parts.supervise(writer).spawn();
            } else {
                parts.spawn(writer);
            }
            parts.spawn(collect(inbox, out));
            for _ in 0..20 {
                jobs.send(1).await?;
            }
            let report = parts.stop(LIMIT).await;
            assert!(report.is_clean(), "{report}");
            assert_eq!(sum.load(Ordering::SeqCst), 20, "{supervised}");
        }
        Ok(())
    });
}

/// P9: room that was granted is waited for however the receiver waits.
#[test]
fn p09_granted_room_is_waited_for_in_a_select() {
    on_workers(|scope| async move {
        let child = scope.child("child");
        let (sender, receiver) = bounded::<u32>(2);
        let (_other, more) = bounded::<u32>(2);
        let reader = child.task("reader", async move {
            let mut all = Vec::new();
            loop {
                select! {
                    n = more.recv() => all.push(n),
                    n = receiver.recv() => all.push(n),
                    else => return roundrock::Ok(all),
                }
            }
        });
        let permit = sender.ready().await?;
        let stopped = child.clone();
        let stop = scope.task(
            "stops",
            async move { roundrock::Ok(stopped.stop(LIMIT).await) },
        );
        child.stopping().await;
        // As long as it would be told in otherwise.
        sleep(millis(20)).await;
        permit.send(1)?;
        assert_eq!(reader.await?, [1]);
        assert!(stop.await?.is_clean());
        Ok(())
    });
}
