//! A context by shared reference; the constructor does not take it.

use roundrock::prelude::*;

#[process]
async fn count(to: &u8, cx: &Cx) {
    let _ = (cx, to);
}

fn wire(scope: &Scope) {
    scope.spawn(count(3));
}

fn main() {}
