//! An argument by value that borrows.

use roundrock::prelude::*;

#[process]
async fn route(raw: &Receiver<u8>, names: Vec<&str>) {
    let _ = (raw, names);
}

fn wire(scope: &Scope, raw: Receiver<u8>) {
    scope.spawn(route(raw, vec!["a"]));
}

fn main() {}
