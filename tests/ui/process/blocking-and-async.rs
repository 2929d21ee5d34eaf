//! A blocking process is `async`.

use roundrock::prelude::*;

#[process(blocking)]
async fn poll(raw: &Receiver<u8>) {
    raw.recv().await;
}

fn wire(scope: &Scope, raw: Receiver<u8>) {
    scope.spawn(poll(raw));
}

fn main() {}
