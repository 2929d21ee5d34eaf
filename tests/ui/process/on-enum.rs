//! `#[process]` on an enum.

use roundrock::prelude::*;

#[process]
enum Job {
    Build,
}

fn main() {}
