//! A handler named like a method that every handle has.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn stop(&mut self) {
        self.n = 0;
    }
}

fn wire(counter: &CounterHandle) {
    counter.stop();
}

fn main() {}
