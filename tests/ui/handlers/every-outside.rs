//! `#[every]` in a plain `impl`.

use roundrock::prelude::*;

struct Counter;

impl Counter {
    #[every("1s")]
    fn run(&mut self) {}
}

fn main() {}
