//! A process that is awaited and was not spawned.

use roundrock::prelude::*;

#[process]
async fn count(jobs: &Receiver<u8>) -> Result<u32> {
    let mut count = 0;
    while jobs.recv().await.is_some() {
        count += 1;
    }
    Ok(count)
}

#[roundrock::main]
async fn main(_scope: &Scope) -> Result<()> {
    let (jobs, input) = bounded(1);
    jobs.send(1).await?;
    jobs.finish();
    let count: u32 = count(input).await?;
    println!("{count}");
    Ok(())
}
