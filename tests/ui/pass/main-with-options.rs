//! `main` with options.

use roundrock::prelude::*;

#[roundrock::main(workers = 2, grace = "250ms")]
async fn main(scope: &Scope) -> Result<()> {
    let _ = scope;
    Ok(())
}
