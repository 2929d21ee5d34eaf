//! A key that is one in some configurations only.

use roundrock::prelude::*;

#[process]
#[derive(Clone)]
struct Cache {
    hits: u32,
}

#[handlers]
impl Cache {
    fn get(&mut self, #[cfg_attr(debug_assertions, key)] name: String) -> u32 {
        self.hits + u32::from(name.is_empty())
    }
}

fn main() {}
