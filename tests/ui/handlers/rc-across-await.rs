//! An `Rc` is alive while a handler waits.

use std::rc::Rc;

use roundrock::prelude::*;

#[process]
struct Counter {
    n: i64,
}

#[handlers]
impl Counter {
    async fn add(&mut self, by: i64) {
        let shared = Rc::new(by);
        sleep(secs(1)).await;
        self.n += *shared;
    }
}

fn main() {}
