//! An error in a box that is not `Send`; the `?` after the call gives no further error.

use std::error::Error as StdError;

use roundrock::prelude::*;

#[process]
struct Counter;

#[handlers]
impl Counter {
    fn get(&self) -> std::result::Result<i64, Box<dyn StdError>> {
        Ok("1".parse()?)
    }
}

async fn wire(counter: &CounterHandle) -> Result<i64> {
    Ok(counter.get().await? + 1)
}

fn main() {}
