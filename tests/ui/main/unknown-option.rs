//! An option that is misspelt.

use roundrock::prelude::*;

#[roundrock::main(wrokers = 2)]
async fn main(scope: &Scope) -> Result<()> {
    let _ = scope;
    Ok(())
}
