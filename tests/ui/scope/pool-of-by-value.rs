//! A pool of a process that takes an argument by value.

use std::fs::File;

use roundrock::prelude::*;

#[process]
async fn import(file: File, raw: &Receiver<u8>) {
    let _ = (file, raw);
}

fn wire(scope: &Scope, file: File, raw: Receiver<u8>) {
    scope.pool(2, import(file, raw));
}

fn main() {}
