//! A borrow of a `RefCell` is alive while the process waits.

use std::cell::RefCell;

use roundrock::prelude::*;

#[process]
async fn route(raw: &Receiver<u8>) {
    let state = RefCell::new(1);
    let borrow = state.borrow_mut();
    raw.recv().await;
    drop(borrow);
}

fn main() {}
