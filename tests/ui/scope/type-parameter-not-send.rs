//! A struct of a type parameter that may not be `Send`.

use roundrock::prelude::*;

#[process]
struct Last<T> {
    value: T,
}

#[handlers]
impl<T> Last<T> {
    fn set(&mut self, value: T) {
        self.value = value;
    }
}

async fn wire<T: Clone>(scope: &Scope, value: T) -> Result<()> {
    let last = scope.spawn(Last { value: value.clone() });
    last.set(value).await?;
    Ok(())
}

fn main() {}
