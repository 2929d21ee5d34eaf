//! An argument by value cannot move to another thread.

use std::rc::Rc;

use roundrock::prelude::*;

#[process]
async fn route(hits: Rc<u8>) {
    drop(hits);
}

fn main() {}
