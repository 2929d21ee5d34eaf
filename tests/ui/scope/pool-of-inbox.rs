//! A pool of a function that makes its own input.

use roundrock::prelude::*;

#[process]
async fn square(#[inbox(8)] numbers: &Receiver<u64>) -> Result<()> {
    while let Some(_n) = numbers.recv().await {}
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let workers = scope.pool(4, square());
    workers.await?;
    Ok(())
}
