//! A type that does not exist, in the arguments of a process.

use roundrock::prelude::*;

#[process]
async fn route(
    raw: &Receiver<u8>,
    #[inbox] more: &Receiver<Event>,
    out: Sender<Vec<u8>>,
) -> Result<()> {
    let _ = (raw, more, out);
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (_, raw) = bounded(1);
    let (out, _results) = bounded(1);
    scope.spawn(route(raw, out));
    Ok(())
}
