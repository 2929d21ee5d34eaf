//! An argument of a process function that some configurations do not have.

use roundrock::prelude::*;

#[process]
async fn count(#[cfg(any())] gone: &Missing, n: &u8) {
    let _ = n;
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    scope.spawn(count(3));
    Ok(())
}
