//! What a process may return.

use roundrock::prelude::*;

#[process]
async fn nothing() {}

#[process]
async fn unit() -> () {}

#[process]
async fn never() -> ! {
    loop {
        sleep(secs(1)).await;
    }
}

#[process]
async fn ours() -> Result<u8> {
    Ok(1)
}

#[process]
async fn theirs() -> std::io::Result<Vec<u8>> {
    Ok(vec![])
}

fn wire(scope: &Scope) {
    let _: (Task<()>, Task<()>) = (scope.spawn(nothing()), scope.spawn(unit()));
    drop(scope.spawn(never()));
    let _: (Task<u8>, Task<Vec<u8>>) = (scope.spawn(ours()), scope.spawn(theirs()));
}

fn main() {}
