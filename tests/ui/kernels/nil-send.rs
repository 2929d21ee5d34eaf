//! Go's `NilSend`: a sender that may not be there is not a sender.

use roundrock::prelude::*;

#[process]
async fn sends(perhaps: &Option<Sender<u8>>) {
    perhaps.send(1).await;
}

fn main() {}
