//! A struct whose fields cannot move between threads.

use std::rc::Rc;
use roundrock::prelude::*;

#[process]
struct Cache {
    entries: Rc<Vec<u8>>,
}

#[handlers]
impl Cache {
    fn len(&self) -> usize {
        self.entries.len()
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let cache = scope.spawn(Cache { entries: Rc::default() });
    println!("{}", cache.len().await?);
    Ok(())
}
