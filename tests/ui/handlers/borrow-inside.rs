//! Arguments and replies that borrow inside of another type, and calls of them.

use std::borrow::Cow;

use roundrock::prelude::*;

#[process]
struct Names {
    all: Vec<String>,
}

#[handlers]
impl Names {
    fn add(&mut self, name: Cow<'_, str>) {
        self.all.push(name.into_owned());
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let names = scope.spawn(Names { all: Vec::new() });
    names.add("a".into()).await?;
    Ok(())
}
