//! Replies of type `impl Trait` that no box could hold, and calls of them.

use roundrock::prelude::*;

#[process]
struct Numbers {
    all: Vec<u8>,
}

#[handlers]
impl Numbers {
    fn first(&self) -> impl Clone {
        self.all[0]
    }
    fn last(&self) -> Result<impl Copy + Ord> {
        Ok(self.all[0])
    }
    fn each(&self) -> impl Iterator<Item = u8> + Clone + std::fmt::Debug {
        [1].into_iter()
    }
}

#[roundrock::main]
async fn main(scope: &Scope) -> Result<()> {
    let numbers = scope.spawn(Numbers { all: vec![1] });
    let _ = numbers.first().await?.clone();
    let _ = numbers.last().await?.clone();
    for n in numbers.each().await? {
        println!("{n}");
    }
    Ok(())
}
