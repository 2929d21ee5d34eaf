//! A timed method that takes an argument.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    #[every("1s")]
    fn tick(&mut self, by: i64) {
        self.n += by;
    }
}

fn main() {}
