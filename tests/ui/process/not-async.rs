//! A process function is not `async`; its use gives no further error.

use roundrock::prelude::*;

#[process]
fn poll(raw: &Receiver<u8>) {
    drop(raw.recv());
}

fn wire(scope: &Scope, raw: Receiver<u8>) {
    scope.spawn(poll(raw));
}

fn main() {}
