//! A channel that is closed twice: `finish` uses the sender up.

use roundrock::prelude::*;

#[process]
async fn closes(out: Sender<u8>) {
    out.finish();
    out.finish();
}

fn main() {}
