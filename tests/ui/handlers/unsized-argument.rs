//! An argument without a size cannot be moved into a message.

use roundrock::prelude::*;

#[process]
struct Store {
    calls: u32,
}

#[handlers]
impl Store {
    fn put(&mut self, _bytes: [u8]) {
        self.calls += 1;
    }
}

fn main() {}
