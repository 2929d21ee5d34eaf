//! An interval that is no duration.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    #[every("1 parsec")]
    fn tick(&mut self) {
        self.n += 1;
    }
}

fn main() {}
