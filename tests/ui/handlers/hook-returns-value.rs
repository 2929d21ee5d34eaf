//! A hook that returns a value, which nobody would see.

use roundrock::prelude::*;

#[process]
struct Worker {
    n: u8,
}

#[handlers]
impl Worker {
    #[on_start]
    async fn start(&mut self) -> u8 {
        self.n
    }
}

fn main() {}
