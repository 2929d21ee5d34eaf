//! An argument by reference cannot be shared by workers.

use std::cell::Cell;

use roundrock::prelude::*;

#[process]
async fn route(hits: &Cell<u8>) {
    hits.set(1);
}

fn wire(scope: &Scope) {
    scope.spawn(route(Cell::new(0)));
}

fn main() {}
