//! A function without `self` among the handlers.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn new(n: i64) -> Self {
        Counter { n }
    }
}

fn main() {}
