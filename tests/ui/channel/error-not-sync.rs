//! `?` on an error that workers may not share.

use std::cell::Cell;

use roundrock::prelude::*;

#[process]
async fn count(out: &Sender<Cell<u8>>) -> Result<()> {
    out.try_send(Cell::new(1))?;
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let (out, _inbox) = bounded(1);
    scope.spawn(count(out)).await?;
    Ok(())
}
