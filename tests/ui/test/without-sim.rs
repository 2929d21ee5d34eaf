//! A simulated test that takes the scope.

use roundrock::prelude::*;

#[roundrock::test]
async fn orders(_scope: &Scope) -> Result<()> {
    Ok(())
}

fn main() {}
