//! A mailbox without room.

use roundrock::prelude::*;

#[process(mailbox = 0)]
struct Counter {
    n: i64,
}

fn main() {}
