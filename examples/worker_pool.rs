//! A pool: four workers compete for the jobs of one channel.
//!
//! Each of 40 jobs takes 10 ms. Four workers need about 100 ms for what takes one of them 400 ms, and share the jobs evenly,
//! because a rendezvous serves the receivers that wait in order.
//!
//! Last line: `ok`

use std::collections::BTreeMap;
use std::time::Instant;

use roundrock::prelude::*;

/// What a worker made of a job, and who it was.
struct Done {
    worker: String,
    square: u64,
}

/// Takes jobs until there are no more. The workers of the pool share both channels, which are lent to them.
#[process]
async fn work(jobs: &Receiver<u64>, results: &Sender<Done>, cx: &mut Cx) -> Result<()> {
    let worker = cx.id().to_string();
    while let Some(job) = jobs.recv().await {
        sleep(millis(10)).await;
        let done = Done {
            worker: worker.clone(),
            square: job * job,
        };
        results.send(done).await?;
    }
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (jobs, to_do) = rendezvous();
    let (done, results) = bounded(8);
    let begun = Instant::now();
    let pool = scope.pool(4, work(to_do, done));

    scope.task("feed", async move {
        for job in 1..=40 {
            jobs.send(job).await?;
        }
        roundrock::Ok(())
    });

    let mut sum = 0;
    let mut per_worker = BTreeMap::new();
    while let Some(done) = results.recv().await {
        sum += done.square;
        *per_worker.entry(done.worker).or_insert(0) += 1;
    }
    pool.await?;

    println!("40 jobs in {} ms", begun.elapsed().as_millis());
    for (worker, jobs) in &per_worker {
        println!("worker {worker} did {jobs}");
    }
    let expected = (1..=40).map(|job| job * job).sum::<u64>();
    ensure!(sum == expected, "the sum is {sum}, not {expected}");
    ensure!(
        per_worker.len() == 4,
        "only {} workers took part",
        per_worker.len()
    );
    println!("ok");
    Ok(())
}
