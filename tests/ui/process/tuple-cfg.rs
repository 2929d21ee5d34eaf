//! A field of a tuple struct that some configurations do not have, before another one.

use roundrock::prelude::*;

#[process]
struct Pair(#[cfg(any())] u32, Sender<u32>);

#[handlers]
impl Pair {
    fn ping(&self) {}
}

fn main() {}
