//! `#[inbox]` on something that is not `&Receiver<_>`.

use roundrock::prelude::*;

#[process]
async fn route(#[inbox(8)] out: &Sender<u8>) {
    drop(out.clone());
}

fn main() {}
