//! `#[on_stop]` in a plain `impl`.

use roundrock::prelude::*;

struct Counter;

impl Counter {
    #[on_stop]
    fn run(&mut self) {}
}

fn main() {}
