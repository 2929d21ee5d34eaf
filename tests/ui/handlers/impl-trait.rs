//! `impl Trait` in the signature of a handler.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn put(&mut self, value: impl Into<i64>) {
        self.n = value.into();
    }
}

fn main() {}
