//! A reply of type `impl Trait`, and a call of it.

use roundrock::prelude::*;

#[process]
struct Numbers {
    all: Vec<u8>,
}

#[handlers]
impl Numbers {
    fn all(&self) -> impl Iterator<Item = u8> {
        self.all.clone().into_iter()
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let numbers = scope.spawn(Numbers { all: vec![1] });
    for n in numbers.all().await? {
        println!("{n}");
    }
    Ok(())
}
