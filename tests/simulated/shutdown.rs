//! Stopping. Cases D01, D02.

use roundrock::WaitKind;
use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock::time::now;
use roundrock_tests::Tally;

/// What was accepted is handled: a thousand messages that are queued when the stop begins. The census has them all.
#[roundrock::test]
async fn d01_graceful_drain(sim: &Sim) -> Result<()> {
    let tally = Tally::new();
    let stage = sim.child("stage");
    let (raw, raw_in) = bounded(1000);
    for n in 0..1000 {
        raw.try_send(tally.token(n)).context("there is room")?;
    }
    let handled = stage.task("handles", async move {
        let mut handled = Vec::new();
        while let Some(token) = raw_in.recv().await {
            handled.push(token.number());
        }
        roundrock::Ok(handled)
    });
    let report = stage.stop(secs(5)).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.drained, 1);
    assert!(handled.await?.into_iter().eq(0..1000));
    let census = sim.system().snapshot().ledger;
    assert_eq!((census.sent, census.handled), (1000, 1000), "{census}");
    assert_eq!((census.queued, census.dead.total()), (0, 0), "{census}");
    assert!(
        raw.try_send(tally.token(1000))
            .is_err_and(|error| error.is_closed())
    );
    tally.assert_balanced();
    Ok(())
}

/// Stage drains into stage, and what is handled is dropped once.
#[roundrock::test]
async fn d01_stage_drains_into_stage(sim: &Sim) -> Result<()> {
    let tally = Tally::new();
    let stages = sim.child("stages");
    let (raw, raw_in) = bounded(50);
    let (cooked, cooked_in) = rendezvous();
    let (done, counted) = bounded(64);
    for _ in 0..2 {
        let (from, to) = (raw_in.clone(), cooked.clone());
        stages.task("cooks", async move {
            while let Some(token) = from.recv().await {
                to.send(token).await?;
            }
            roundrock::Ok(())
        });
    }
    drop((raw_in, cooked));
    stages.task("serves", async move {
        while let Some(token) = cooked_in.recv().await {
            done.send(token).await?;
        }
        roundrock::Ok(())
    });
    for n in 0..50 {
        raw.send(tally.token(n)).await?;
    }
    let report = stages.stop(secs(5)).await;
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.drained, 3);
    let census = sim.system().snapshot().ledger;
    assert_eq!((census.handled, census.queued), (100, 50), "{census}");
    let mut served = Vec::new();
    while let Some(token) = counted.recv().await {
        served.push(token.number());
    }
    served.sort_unstable();
    assert_eq!(served, (0..50).collect::<Vec<_>>());
    tally.assert_balanced();
    Ok(())
}

/// Who ignores the stop is dropped at the grace, and named.
#[roundrock::test]
async fn d02_grace_expires(sim: &Sim) -> Result<()> {
    #[process]
    async fn deaf() {
        loop {
            sleep(secs(1000)).await;
        }
    }
    let stages = sim.child("stages");
    let deaf = stages.spawn(deaf());
    let scope = stages.clone();
    stages.task("hears", async move { scope.stopping().await });
    let begun = sim.now();
    let report = stages.stop(secs(3)).await;
    assert_eq!(sim.now() - begun, secs(3), "at the grace");
    assert!(report.stuck.is_empty(), "{report}");
    assert_eq!((report.late.len(), report.drained), (1, 1), "{report}");
    let late = &report.late[0];
    assert_eq!((late.id, late.name), (deaf.id(), "deaf"), "{report}");
    assert_eq!(late.waiting_for, WaitKind::Timer);
    assert!(report.to_string().contains("deaf"), "{report}");
    assert_eq!(deaf.done().await.kind(), "killed");
    Ok(())
}

/// Takes its time to finish.
#[process]
async fn logs(lines: &Receiver<u32>, finishes: Duration) {
    while lines.recv().await.is_some() {}
    sleep(finishes).await;
}

#[process]
async fn heartbeat() {
    loop {
        sleep(millis(100)).await;
    }
}

/// P33: who does not hear of the stop holds up the others, whom it may still feed, until the grace is over; then they have time to finish.
#[roundrock::test]
async fn p33_a_timer_beside_them_does_not_take_the_time_of_others(sim: &Sim) -> Result<()> {
    let stage = sim.child("stage");
    let (lines, input) = bounded(1);
    let log = stage.spawn(logs(input, millis(1500)));
    let heart = stage.spawn(heartbeat());
    sleep(millis(30)).await;
    let begun = sim.now();
    let report = stage.stop(secs(4)).await;
    let late: Vec<_> = report.late.iter().map(|late| late.name).collect();
    assert_eq!((report.drained, late), (1, vec!["heartbeat"]), "{report}");
    log.await?;
    assert!(sim.now() - begun < millis(5600), "{:?}", sim.now() - begun);
    assert_eq!(heart.done().await.kind(), "killed");
    drop(lines);
    Ok(())
}

/// P33: a receive with a limit of time sees the end of its input as any other does, however short the limit.
#[roundrock::test]
async fn p33_a_receive_with_a_limit_sees_the_end(sim: &Sim) -> Result<()> {
    for limit in [millis(2), millis(100), secs(86_400)] {
        for selects in [false, true] {
            let stage = sim.child("stage");
            let (lines, input) = bounded::<u32>(1);
            let batches = stage.task("batches", async move {
                loop {
                    let end = if selects {
                        select! {
                            line = input.recv() => { let _: u32 = line; false },
                            _ = passive(sleep(limit)) => false,
                            else => true,
                        }
                    } else {
                        matches!(input.recv().within(limit).await, Ok(None))
                    };
                    if end {
                        break;
                    }
                }
            });
            let (other, more) = bounded(1);
            let log = stage.spawn(logs(more, Duration::ZERO));
            let begun = sim.now();
            let report = stage.stop(secs(10)).await;
            assert!(report.is_clean(), "{limit:?} {selects}: {report}");
            assert!(
                sim.now() - begun < secs(1),
                "{limit:?} {selects}: {:?}",
                sim.now() - begun
            );
            batches.await?;
            log.await?;
            drop((lines, other));
        }
    }
    Ok(())
}

/// P33: who is fed from outside alone does not wait for the end of others that are.
#[roundrock::test]
async fn p33_independent_stages_end_together(sim: &Sim) -> Result<()> {
    let stage = sim.child("stage");
    let mut senders = Vec::new();
    // A site each.
    macro_rules! flushes {
        ($($name:literal)*) => {$({
            let (sender, input) = bounded::<u32>(4);
            stage.task($name, async move {
                while input.recv().await.is_some() {}
                sleep(secs(2)).await;
            });
            sender.send(1).await?;
            sender.flush().await;
            senders.push(sender);
        })*};
    }
    flushes!("one" "two" "three" "four" "five" "six");
    let report = stage.stop(secs(10)).await;
    assert!(report.is_clean(), "{report}");
    assert!(report.took < secs(3), "{:?}", report.took);
    Ok(())
}

/// P33: a queue for another try looks up from its input from time to time, and feeds those who feed it. What it holds is tried until
/// that succeeds, however long that takes in half of the grace; then its input is over, and nothing is lost.
#[roundrock::test]
async fn p33_a_loop_through_a_queue_for_another_try_ends(sim: &Sim) -> Result<()> {
    for (limit, delay) in [(2, 0), (10, 60), (100, 300)] {
        let (limit, delay) = (millis(limit), millis(delay));
        let stage = sim.child("stage");
        let (jobs, input) = bounded::<u32>(4);
        let (again, failed) = bounded::<u32>(4);
        let back = jobs.clone();
        let worker = stage.task("works", async move {
            let mut tries = 0;
            let mut done = Vec::new();
            while let Some(job) = input.recv().await {
                tries += 1;
                if job == 7 && tries < 5 {
                    again.send(job).await?;
                } else {
                    done.push(job);
                }
            }
            roundrock::Ok(done)
        });
        let queue = stage.task("tries again", async move {
            let mut waits = Vec::new();
            loop {
                match failed.recv().within(limit).await {
                    Ok(Some(job)) => waits.push((job, now() + delay)),
                    Ok(None) => break,
                    Err(_) => {}
                }
                while let Some((job, _)) = waits.pop_if(|(_, due)| *due <= now()) {
                    back.send(job).await?;
                }
            }
            for (job, _) in waits {
                back.send(job).await?;
            }
            roundrock::Ok(())
        });
        for job in [1, 7, 2] {
            jobs.send(job).await?;
        }
        let report = stage.stop(secs(4)).await;
        assert!(report.is_clean(), "{limit:?}: {report}");
        assert!(report.took < secs(3), "{limit:?}: {:?}", report.took);
        queue.await?;
        let mut done = worker.await?;
        done.sort_unstable();
        assert_eq!(done, [1, 2, 7], "{limit:?}");
    }
    Ok(())
}

/// P33: one that passes something on whenever its limit is over never lets the next one rest. It is told when half of the grace is over.
#[roundrock::test]
async fn p33_a_heartbeat_ends_in_half_of_the_grace(sim: &Sim) -> Result<()> {
    for limit in [millis(2), millis(40), millis(500)] {
        let stage = sim.child("stage");
        let (numbers, input) = bounded::<u32>(4);
        let (out, beats) = bounded::<u32>(4);
        let heart = stage.task("beats", async move {
            loop {
                match input.recv().within(limit).await {
                    Ok(Some(number)) => out.send(number).await?,
                    Ok(None) => return roundrock::Ok(()),
                    Err(_) => out.send(0).await?,
                }
            }
        });
        let sum = stage.task("adds", async move {
            let mut sum = 0;
            while let Some(number) = beats.recv().await {
                sum += number;
            }
            roundrock::Ok(sum)
        });
        for number in 1..=3 {
            numbers.send(number).await?;
        }
        let report = stage.stop(secs(4)).await;
        assert!(report.is_clean(), "{limit:?}: {report}");
        assert!(report.took < secs(3), "{limit:?}: {:?}", report.took);
        heart.await?;
        assert_eq!(sum.await?, 6);
        drop(numbers);
    }
    Ok(())
}

/// P33: one whose limit is longer than the grace is told when half of that is over.
#[roundrock::test]
async fn p33_a_loop_with_a_long_limit_ends_in_half_of_the_grace(sim: &Sim) -> Result<()> {
    let stage = sim.child("stage");
    let (jobs, input) = bounded::<u32>(4);
    let (again, failed) = bounded::<u32>(4);
    let back = jobs.clone();
    stage.task("works", async move {
        while let Some(job) = input.recv().await {
            if job > 0 {
                again.send(job - 1).await?;
            }
        }
        roundrock::Ok(())
    });
    let queue = stage.task("tries again", async move {
        while let Ok(Some(job)) = failed.recv().within(secs(3600)).await {
            back.send(job).await?;
        }
        roundrock::Ok(())
    });
    jobs.send(3).await?;
    let report = stage.stop(secs(60)).await;
    assert!(report.is_clean(), "{report}");
    assert!(
        report.took >= secs(30) && report.took < secs(31),
        "{:?}",
        report.took
    );
    queue.await?;
    Ok(())
}

/// P33: one that waits for its input for a while only may still have something for another one, of which that is not known: it is told
/// first, and the other one waits.
#[roundrock::test]
async fn p33_what_a_batch_holds_reaches_the_next_stage(sim: &Sim) -> Result<()> {
    let stage = sim.child("stage");
    let (lines, input) = bounded::<u32>(8);
    let (out, written) = bounded::<Vec<u32>>(1);
    let batches = stage.task("batches", async move {
        let mut batch = Vec::new();
        while let Ok(Some(line)) | Err(line) = input.recv().within(millis(20)).await.map_err(|_| 0)
        {
            if line > 0 {
                batch.push(line);
            }
        }
        sleep(millis(300)).await;
        out.send(batch).await
    });
    let sink = stage.task("sink", async move {
        let mut all = Vec::new();
        while let Some(batch) = written.recv().await {
            all.extend(batch);
        }
        roundrock::Ok(all)
    });
    for n in 1..=5 {
        lines.send(n).await?;
    }
    let report = stage.stop(secs(10)).await;
    assert!(report.is_clean(), "{report}");
    batches.await?;
    assert_eq!(sink.await?, [1, 2, 3, 4, 5]);
    drop(lines);
    Ok(())
}

/// P15: what is spawned in a scope that has stopped is dropped before somebody who waits for the scope goes on.
#[roundrock::test]
async fn p15_a_late_spawn_is_gone_when_its_scope_is_over(sim: &Sim) -> Result<()> {
    let stage = sim.child("stage");
    assert!(stage.stop(secs(1)).await.is_clean());
    let tally = Tally::new();
    for n in 0..3 {
        let token = tally.token(n);
        stage.task("late", async move {
            let _token = token;
            std::future::pending::<()>().await;
        });
    }
    let _ = stage.join().await;
    assert_eq!(tally.live(), 0);
    Ok(())
}
