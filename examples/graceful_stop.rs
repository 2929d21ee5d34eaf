//! Stopping without losing anything: inputs are closed, stages drain one into the next, and only then is somebody dropped.
//!
//! Two stages work on jobs in a scope of their own when it is stopped. Every job that was accepted comes out at the end; the
//! sender outside gets the next one back. A process that never ends by itself is dropped after the grace, and named.
//!
//! Last line: `ok`

use roundrock::prelude::*;

/// Takes a while for each job.
#[process]
async fn slow(jobs: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    while let Some(job) = jobs.recv().await {
        sleep(millis(1)).await;
        out.send(job).await?;
    }
    Ok(())
}

/// Hands finished jobs to the outside.
#[process]
async fn collect(finished: &Receiver<u32>, out: &Sender<u32>) -> Result<()> {
    while let Some(job) = finished.recv().await {
        out.send(job).await?;
    }
    Ok(())
}

/// Does not look at its scope: it can only be dropped.
#[process]
async fn deaf() {
    loop {
        sleep(secs(3600)).await;
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (jobs, to_slow) = bounded(64);
    let (to_collect, slowed) = bounded(8);
    let (done, results) = bounded(128);

    let stages = scope.child("stages");
    stages.spawn(slow(to_slow, to_collect));
    stages.spawn(collect(slowed, done));

    let accepted = 64;
    for job in 0..accepted {
        jobs.send(job).await?;
    }
    println!(
        "{accepted} jobs accepted, {} still queued: stop",
        jobs.len()
    );
    let report = stages.stop(secs(2)).await;
    println!("the stages: {report}");

    let Err(refused) = jobs.send(accepted).await else {
        bail!("a job was accepted after the stop");
    };
    println!("one job more: {refused}");
    println!("which job that was: {}", refused.into_inner());

    let mut finished = 0;
    while results.recv().await.is_some() {
        finished += 1;
    }
    println!("{finished} jobs finished");

    let stubborn = scope.child("stubborn");
    stubborn.spawn(deaf());
    let forced = stubborn.stop(millis(50)).await;
    println!("the deaf one: {forced}");

    ensure!(
        finished == accepted,
        "{finished} of {accepted} jobs came out"
    );
    ensure!(
        report.is_clean() && forced.late.len() == 1,
        "{report}, {forced}"
    );
    println!("ok");
    Ok(())
}
