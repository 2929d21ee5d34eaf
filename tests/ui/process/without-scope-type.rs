//! `&mut Scope` is no way to get a scope.

use roundrock::prelude::*;

#[process]
async fn route(scope: &mut Scope) {
    let _ = scope;
}

fn main() {}
