//! Two inputs of one name.

#![allow(unused_variables)]

use roundrock::prelude::*;

#[process]
async fn route(#[inbox] raw: &Receiver<u8>, #[inbox] raw: &Receiver<u8>) {
    while raw.recv().await.is_some() {}
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let route = scope.spawn(route());
    route.raw().send(1).await?;
    Ok(())
}
