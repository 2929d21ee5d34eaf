//! A pool of a plain `async fn`.

use roundrock::prelude::*;

async fn work() {}

fn wire(scope: &Scope) {
    scope.pool(4, work());
}

fn main() {}
