//! A method with two roles.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    #[on_start]
    #[every("1s")]
    fn tick(&mut self) {
        self.n += 1;
    }
}

fn main() {}
