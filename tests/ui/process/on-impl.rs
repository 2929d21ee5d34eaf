//! `#[process]` on an impl.

use roundrock::prelude::*;

struct Job;

#[process]
impl Job {
    fn run(&self) {}
}

fn main() {}
