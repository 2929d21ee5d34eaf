//! A plain `async fn` is spawned.

use roundrock::prelude::*;

async fn route() {}

fn wire(scope: &Scope) {
    scope.spawn(route());
}

fn main() {}
