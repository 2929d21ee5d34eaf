//! Stopping. Cases D01, D02.

use roundrock::prelude::*;
use roundrock::sim::Sim;
use roundrock_tests::Tally;

/// What was accepted is handled, stage after stage, and dropped once.
#[roundrock::test]
async fn d01_graceful_drain(sim: &Sim) -> Result<()> {
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
    let begun = sim.now();
    let report = stages.stop(secs(3)).await;
    assert_eq!(report.late.len(), 1, "{report}");
    assert!(report.to_string().contains("deaf"), "{report}");
    assert_eq!(deaf.done().await.kind(), "killed");
    assert!(sim.now() - begun <= secs(4));
    Ok(())
}
