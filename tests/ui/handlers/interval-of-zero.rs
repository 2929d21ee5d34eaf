//! An interval of zero.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    #[every("0s")]
    fn tick(&mut self) {
        self.n += 1;
    }
}

fn main() {}
