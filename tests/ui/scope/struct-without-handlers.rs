//! A struct without `#[handlers]` is spawned.

use roundrock::prelude::*;

#[process]
struct Plain;

fn wire(scope: &Scope) {
    scope.spawn(Plain);
}

fn main() {}
