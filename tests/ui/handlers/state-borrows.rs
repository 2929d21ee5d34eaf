//! The whole process of a state that borrows: the struct says what is wrong, once.

use roundrock::prelude::*;

#[process]
struct Counter<'a> {
    name: &'a str,
}

#[handlers]
impl<'a> Counter<'a> {
    fn shown(&self) -> String {
        self.name.to_owned()
    }
    #[every("1s")]
    fn report(&mut self) {}
}

fn main() {}
