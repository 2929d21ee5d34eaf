//! An attribute of ours that holds in some configurations only.

use roundrock::prelude::*;

#[process]
struct Worker {
    n: u8,
}

#[handlers]
impl Worker {
    #[cfg_attr(debug_assertions, every("1s"))]
    fn tick(&mut self) {
        self.n += 1;
    }
}

fn main() {}
