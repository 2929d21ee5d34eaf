//! Stopping. Cases D01, D02.

use roundrock::WaitKind;
use roundrock::prelude::*;
use roundrock::sim::Sim;
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
