//! `select!` with a timeout: a batcher hands on what it has after 20 ms, or as soon as it has 4.
//!
//! The source sends 10 numbers in a burst, then pauses, then 3 more. So full batches of 4 come at once, and what is left comes
//! when the time is up.
//!
//! Last line: `ok`

use roundrock::prelude::*;
use std::time::Instant;

const FULL: usize = 4;

/// Collects numbers into batches.
#[process]
async fn batch(numbers: &Receiver<u32>, batches: &Sender<Vec<u32>>) -> Result<()> {
    let mut batch = Vec::new();
    let mut due = Instant::now();
    loop {
        select! {
            number = numbers.recv() => {
                if batch.is_empty() {
                    due = Instant::now() + millis(20);
                }
                batch.push(number);
                if batch.len() == FULL {
                    batches.send(std::mem::take(&mut batch)).await?;
                }
            }
            // A branch that is guarded off is not waited for.
            _ = roundrock::time::sleep_until(due), if !batch.is_empty() => {
                batches.send(std::mem::take(&mut batch)).await?;
            }
            // Runs when no branch is left: the input has ended and the batch is empty.
            else => return Ok(()),
        }
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (numbers, to_batch) = rendezvous();
    let (batched, batches) = bounded(1);
    scope.spawn(batch(to_batch, batched));
    scope.task("source", async move {
        for number in 0..10 {
            numbers.send(number).await?;
        }
        sleep(millis(100)).await;
        for number in 10..13 {
            numbers.send(number).await?;
        }
        // Keeps the channel open until the batcher's time is up.
        sleep(millis(60)).await;
        roundrock::Ok(())
    });

    let mut got = Vec::new();
    // The same limit for a single operation: `Err` if nothing comes within it.
    while let Some(batch) = batches.recv().within(secs(2)).await? {
        println!("batch {batch:?}");
        got.push(batch);
    }
    let sizes: Vec<_> = got.iter().map(Vec::len).collect();
    ensure!(got.concat() == (0..13).collect::<Vec<_>>(), "{got:?}");
    ensure!(
        sizes == [4, 4, 2, 3],
        "the batches have the sizes {sizes:?}"
    );
    println!("ok");
    Ok(())
}
