//! `#[handlers]` twice for one type.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: i64) {
        self.n += by;
    }
}

#[handlers]
impl Counter {
    fn get(&self) -> i64 {
        self.n
    }
}

fn main() {}
