//! `#[process]` on a trait.

use roundrock::prelude::*;

#[process]
trait Job {
    fn run(&self);
}

fn main() {}
