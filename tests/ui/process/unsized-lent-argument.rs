//! Lent arguments without a size.

use std::path::Path;

use roundrock::prelude::*;

#[process]
async fn names(name: &str, parts: &[u8], file: &Path, error: &dyn std::error::Error) {
    let _ = (name, parts, file, error);
}

fn wire(scope: &Scope) {
    scope.spawn(names("a", b"b", "c", "d"));
}

fn main() {}
