//! All mistakes of a block are reported together.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn rename(&mut self, name: &str) {
        self.n = name.len() as i64;
    }
    fn stop(&mut self) {}
    fn new() -> i64 {
        1
    }
}

fn main() {}
