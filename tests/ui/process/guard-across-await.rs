//! A lock of the standard library is held while the process waits.

use std::sync::Mutex;

use roundrock::prelude::*;

#[process]
async fn route<T: Send + 'static>(state: &Mutex<T>, raw: &Receiver<u8>) {
    let guard = state.lock();
    raw.recv().await;
    drop(guard);
}

fn main() {}
