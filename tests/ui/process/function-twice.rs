//! `#[process]` twice on one function.

use roundrock::prelude::*;

#[process]
#[process]
async fn route(raw: &Receiver<u8>) -> Result<()> {
    while raw.recv().await.is_some() {}
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (_, raw) = bounded(1);
    scope.spawn(route(raw)).await?;
    Ok(())
}
