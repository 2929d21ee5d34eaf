//! A process is made and never spawned.

#![deny(unused_must_use)]
use roundrock::prelude::*;

#[process]
async fn route(raw: &Receiver<u8>) {
    raw.recv().await;
}

fn wire(raw: Receiver<u8>) {
    route(raw);
}

fn main() {}
