//! An `Rc` is alive while the process waits.

use std::rc::Rc;

use roundrock::prelude::*;

#[process]
async fn route(raw: &Receiver<u8>) {
    let shared = Rc::new(1);
    raw.recv().await;
    drop(shared);
}

fn main() {}
