//! A plain struct is spawned.

use roundrock::prelude::*;

struct Plain;

fn wire(scope: &Scope) {
    scope.spawn(Plain);
}

fn main() {}
