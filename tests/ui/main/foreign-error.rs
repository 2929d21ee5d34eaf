//! `?` on an error that is no standard error.

use roundrock::prelude::*;

struct Refused;

fn ask() -> Result<u8, Refused> {
    Err(Refused)
}

#[roundrock::main]
async fn main(_scope: &Scope) -> Result<()> {
    ask()?;
    Ok(())
}
