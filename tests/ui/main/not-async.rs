//! `main` that is not `async`.

use roundrock::prelude::*;

#[roundrock::main]
fn main(scope: &Scope) -> Result<()> {
    let _ = scope;
    Ok(())
}
