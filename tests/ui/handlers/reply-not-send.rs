//! A reply that cannot be a message.

use std::rc::Rc;

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn get(&mut self) -> Rc<i64> {
        Rc::new(self.n)
    }
}

fn main() {}
