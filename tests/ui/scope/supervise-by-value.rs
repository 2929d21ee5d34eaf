//! A restart of a process that takes an argument by value.

use std::fs::File;

use roundrock::prelude::*;

#[process]
async fn import(file: File, raw: &Receiver<u8>) {
    let _ = (file, raw);
}

fn wire(scope: &Scope, file: File, raw: Receiver<u8>) {
    scope.supervise(import(file, raw));
}

fn main() {}
