//! A message that is not owned.

use roundrock::prelude::*;

fn make<'a>(_: &'a str) {
    let _ends = bounded::<&'a str>(8);
}

fn main() {}
