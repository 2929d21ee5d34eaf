//! A context by value; the constructor does not take it.

use roundrock::prelude::*;

#[process]
async fn count(cx: Cx, to: &u8) {
    let _ = (cx, to);
}

fn wire(scope: &Scope) {
    scope.spawn(count(3));
}

fn main() {}
