//! Arguments that borrow inside of another type.

use std::borrow::Cow;

use roundrock::prelude::*;

#[process]
async fn greet(name: Cow<'_, str>) -> Result<()> {
    println!("{name}");
    Ok(())
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    scope.spawn(greet("you".into()));
    Ok(())
}
