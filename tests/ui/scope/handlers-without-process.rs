//! A struct has `#[handlers]` and no `#[process]`.

use roundrock::prelude::*;

struct Plain;

#[handlers]
impl Plain {
    fn get(&self) -> u8 {
        1
    }
}

fn main() {}
