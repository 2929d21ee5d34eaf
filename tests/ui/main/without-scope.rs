//! `main` without its scope.

use roundrock::prelude::*;

#[roundrock::main]
async fn main() -> Result<()> {
    Ok(())
}
