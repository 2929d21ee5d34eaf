use roundrock::prelude::*;

#[process]
struct Counter;

#[handlers]
impl Counter {
    fn add(&mut self, cx: Cx) {
        let _ = cx;
    }
}

fn main() {}
