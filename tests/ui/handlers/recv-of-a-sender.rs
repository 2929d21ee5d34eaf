//! `#[recv]` of a field that is no input.

use roundrock::prelude::*;

#[process]
struct Counter {
    n: u8,
    out: Sender<u8>,
}

#[handlers]
impl Counter {
    #[recv(out)]
    fn job(&mut self, by: u8) {
        self.n += by;
    }
}

fn main() {}
