//! A call that is not awaited.

#![deny(unused_must_use)]
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

fn wire(counter: &CounterHandle) {
    counter.add(1);
}

fn main() {}
