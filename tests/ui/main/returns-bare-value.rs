//! `main` that returns a value.

use roundrock::prelude::*;

#[roundrock::main]
async fn main(scope: &Scope) -> u8 {
    let _ = scope;
    1
}
