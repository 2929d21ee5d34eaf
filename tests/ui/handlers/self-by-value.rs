//! A handler that consumes the state.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn finish(self) -> i64 {
        self.n
    }
}

fn main() {}
