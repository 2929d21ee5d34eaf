//! A type of the user's own that is called `Scope`.

use roundrock::prelude::*;

mod lens {
    pub struct Scope;
}

#[process]
async fn look(scope: &lens::Scope) -> Result<()> {
    let _ = scope;
    Ok(())
}

fn main() {}
