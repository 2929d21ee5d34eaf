//! Go's `NilRecv`: a receiver that was never made.

use roundrock::prelude::*;

#[process]
async fn waits() {
    let never: Receiver<u8>;
    never.recv().await;
}

fn main() {}
