//! Two contexts in one function; the constructor takes neither.

use roundrock::prelude::*;

#[process]
async fn work(cx: &mut Cx, input: &Receiver<u8>, again: &mut Cx) {
    while input.recv().await.is_some() {
        cx.stop();
        again.stop();
    }
}

#[roundrock::main]
async fn main(scope: &Scope) {
    let (_, input) = bounded(1);
    scope.spawn(work(input));
}
