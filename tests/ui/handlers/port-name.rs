//! A handler named like a port.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add_port(&mut self) {
        self.n = 0;
    }
}

fn main() {}
