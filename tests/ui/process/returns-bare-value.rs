//! A process returns a value that is no `Result`.

use roundrock::prelude::*;

#[process]
async fn count(raw: &Receiver<u8>) -> u32 {
    raw.recv().await;
    1
}

fn main() {}
