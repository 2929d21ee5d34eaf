//! A function has no mailbox.

use roundrock::prelude::*;

#[process(mailbox = 8)]
async fn route(raw: &Receiver<u8>) {
    raw.recv().await;
}

fn main() {}
