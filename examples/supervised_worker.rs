//! A supervised worker: it crashes on some jobs, is started again, and goes on with the next one.
//!
//! Of 20 jobs one makes the worker panic and one makes it fail. The other 18 are done, in order, by three incarnations of the
//! same worker; the job that crashed one is not given to the next. The message of the panic appears on standard error.
//!
//! Last line: `ok`

use roundrock::prelude::*;

const JOBS: u32 = 20;

/// Does jobs until there are no more. What it is lent, both channels, survives a restart; what it counts does not.
#[process]
async fn work(jobs: &Receiver<u32>, results: &Sender<(u32, u32)>) -> Result<()> {
    let mut done = 0;
    while let Some(job) = jobs.recv().await {
        match job {
            7 => panic!("job 7 is poison"),
            13 => bail!("job 13 cannot be done"),
            _ => done += 1,
        }
        results.send((job, done)).await?;
    }
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (jobs, to_do) = bounded(8);
    let (results, finished) = bounded(8);

    // `transient`: started again after a failure or a panic, not after its natural end.
    let worker = scope
        .supervise(work(to_do, results))
        .transient()
        .backoff(millis(10)..secs(1))
        .spawn();

    scope.task("feed", async move {
        for job in 1..=JOBS {
            jobs.send(job).await?;
        }
        roundrock::Ok(())
    });

    let mut done = Vec::new();
    let mut incarnations = 0;
    while let Some((job, of_this_one)) = finished.recv().await {
        if of_this_one == 1 {
            incarnations += 1;
            println!("incarnation {incarnations} begins with job {job}");
        }
        done.push(job);
    }
    worker.await?;

    println!("{} of {JOBS} jobs are done", done.len());
    let expected: Vec<_> = (1..=JOBS).filter(|job| ![7, 13].contains(job)).collect();
    ensure!(
        incarnations == 3 && done == expected,
        "{incarnations} incarnations did {done:?}"
    );
    println!("ok");
    Ok(())
}
