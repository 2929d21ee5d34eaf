//! A process returns a value that is no `Result`, and somebody awaits it.

use roundrock::prelude::*;

#[process]
async fn count(#[inbox] raw: &Receiver<u8>) -> u32 {
    raw.recv().await;
    1
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let counter: CountHandle = scope.spawn(count());
    counter.raw().send(1).await?;
    let n: u32 = counter.task().await?;
    println!("{n}");
    Ok(())
}
