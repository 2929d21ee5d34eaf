//! Two parameters of one name, one lent and one given.

#![allow(unused_variables)]

use roundrock::prelude::*;

#[process]
async fn route(raw: &Receiver<u8>, raw: Sender<u8>) {
    drop(raw);
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (out, raw) = bounded(1);
    scope.spawn(route(raw, out)).await?;
    Ok(())
}
