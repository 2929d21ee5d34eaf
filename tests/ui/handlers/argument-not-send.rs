//! An argument that cannot be a message.

use std::rc::Rc;

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    fn add(&mut self, by: Rc<i64>) {
        self.n += *by;
    }
}

fn main() {}
