//! A mistake in a function that makes its own input, which the program uses.

use roundrock::prelude::*;

#[process]
async fn route(#[inbox(4)] raw: &Receiver<u8>, name: &str) -> Result<()> {
    let _ = (raw, name);
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let router: RouteHandle = scope.spawn(route("a"));
    router.raw().send(1).await?;
    router.stop();
    Ok(())
}
