//! `#[handlers]` on the struct.

use roundrock::prelude::*;

#[handlers]
struct Counter;

fn main() {}
