//! `#[on_start]` in a plain `impl`.

use roundrock::prelude::*;

struct Counter;

impl Counter {
    #[on_start]
    fn run(&mut self) {}
}

fn main() {}
