//! Two processes are given the same input.

use roundrock::prelude::*;

#[process]
async fn route(raw: &Receiver<u8>) {
    raw.recv().await;
}

fn wire(scope: &Scope, raw: Receiver<u8>) {
    scope.spawn(route(raw));
    scope.spawn(route(raw));
}

fn main() {}
