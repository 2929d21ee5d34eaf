//! istio 18454: a timer that is stopped has no channel that must be drained.

use roundrock::prelude::*;

#[process]
async fn resets() {
    let timer = sleep(secs(1));
    if !timer.stop() {
        timer.recv().await;
    }
}

fn main() {}
