//! `#[recv]` in a plain `impl`.

use roundrock::prelude::*;

struct Counter;

impl Counter {
    #[recv(jobs)]
    fn run(&mut self) {}
}

fn main() {}
