//! The third argument, an endpoint, is forgotten.

use roundrock::prelude::*;

#[process]
async fn route(raw: &Receiver<u8>, rules: &String, out: Sender<u8>) {
    let _ = (raw, rules, out);
}

fn main() {
    let (_, raw) = rendezvous();
    drop(route(raw, String::new()));
}
