//! An `async` handler of a blocking process.

use roundrock::prelude::*;

#[process(blocking)]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    async fn add(&mut self, by: i64) {
        self.n += by;
    }
}

fn main() {}
