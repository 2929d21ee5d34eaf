//! State that borrows.

use roundrock::prelude::*;

#[process]
struct Counter<'a> {
    name: &'a str,
}

fn main() {}
